// The page: chooses a name, shows who is here, and makes calls. All that it knows of Beckon is the library's public part.
import { Beckon, displayName } from "./beckon/beckon.js";
import { CallView } from "./call-view.js";
import { $ } from "./dom.js";
import { Incoming } from "./incoming.js";
import { People } from "./people.js";
import { Ring } from "./ring.js";

const asked = new URLSearchParams(location.search);
const remembered = "beckon.name"; // in the tab's own storage, so that two tabs are two people

let beckon;
const ring = new Ring();
const view = new CallView({
  ring, again: (user, video) => place(user, video), idle: () => $("people-title").focus(), changed: () => incoming.refresh(),
});
const incoming = new Incoming({ ring, accept, current: () => view.call });
const people = new People({ call: place, list: (query) => beckon.list(query) });

$("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  join($("name").value.trim());
});
$("leave").addEventListener("click", leave);
$("copy").addEventListener("click", copyLink);
if (/^(localhost|127\.|\[::1\])/.test(location.hostname)) { // a link that means another machine to everybody else
  $("invite").textContent = "Open this page in another tab, with another name.";
  $("copy").hidden = true;
}
for (const hint of document.querySelectorAll(".insecure")) hint.hidden = isSecureContext;

const name = asked.get("user") ?? sessionStorage.getItem(remembered);
if (name) join(name);

function join(user) {
  if (!user) return refuseName("Please say who you are.");
  $("join-error").textContent = "";
  beckon?.close(); // it may still be trying, with another name
  beckon = new Beckon({ user, room: asked.get("room") ?? undefined });
  beckon.on("state", stateChanged);
  beckon.on("users", (change) => people.show(change, beckon.userId));
  beckon.on("presence", standing);
  beckon.on("call", (call) => incoming.add(call));
  beckon.connect().then(() => joined(user), () => {}); // stateChanged says why not
}

function joined(user) {
  sessionStorage.setItem(remembered, user);
  $("self").textContent = displayName(user);
  $("room").textContent = beckon.room === "lobby" ? "" : beckon.room;
  if ($("app").hidden) {
    $("join").hidden = true;
    $("app").hidden = false;
    $("people-title").focus();
  }
}

function leave() {
  beckon.close();
  view.clear();
  sessionStorage.removeItem(remembered);
  backToTheDoor();
}

function backToTheDoor(reason) {
  $("app").hidden = true;
  $("join").hidden = false;
  refuseName(reason?.message ?? "");
}

function refuseName(message) {
  $("join-error").classList.remove("calm");
  $("join-error").textContent = message;
  $("name").focus();
}

function stateChanged({ state, reason, retryIn }) {
  const online = state === "online";
  $("app").classList.toggle("away", !online);
  people.enable(online);
  standing();
  if (state === "closed") {
    if (reason) {
      sessionStorage.removeItem(remembered);
      backToTheDoor(reason);
    }
    return;
  }
  let text = "";
  if (!online) {
    text = reason ? `${reason.message} Trying again${retryIn > 1500 ? " soon" : ""}.` : "Connecting…";
  }
  $("join-error").classList.toggle("calm", !reason);
  ($("app").hidden ? $("join-error") : $("connection")).textContent = text;
}

function standing() {
  const stale = beckon.state === "online" && beckon.presence === "degraded";
  $("standing").textContent = stale ? "This list may be out of date at the moment. Calls go on." : "";
}

function place(user, video) {
  if (view.call) return;
  view.show(beckon.call(user, { video }));
}

async function accept(call, video) {
  await call.accept({ video });
  if (call.ended) return; // the caller gave up while the camera was opened
  view.call?.hangUp();
  view.show(call);
}

async function copyLink() {
  const link = new URL(location.href);
  link.searchParams.delete("user");
  const label = $("copy").querySelector("span");
  try {
    await navigator.clipboard.writeText(link.href);
    label.textContent = "Copied";
  } catch {
    label.textContent = link.href; // without HTTPS there is no clipboard
  }
}
