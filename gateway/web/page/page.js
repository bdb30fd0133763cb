// The page: chooses a name, shows who is here, and makes calls. All that it knows of Beckon is the library's public part.
import { Beckon } from "./beckon/beckon.js";
import { CallView } from "./call-view.js";
import { $ } from "./dom.js";
import { Incoming } from "./incoming.js";
import { People } from "./people.js";
import { Ring } from "./ring.js";

const asked = new URLSearchParams(location.search);
const remembered = "beckon.name"; // in the tab's own storage, so that two tabs are two people

let beckon;
const ring = new Ring();
const view = new CallView({ ring, again: (user, video) => place(user, video), idle: () => $("people-title").focus() });
const incoming = new Incoming({ ring, accept });
const people = new People({ call: place });

$("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  join($("name").value.trim());
});
$("leave").addEventListener("click", leave);
$("copy").addEventListener("click", copyLink);
for (const hint of document.querySelectorAll(".insecure")) hint.hidden = isSecureContext;

const name = asked.get("user") ?? sessionStorage.getItem(remembered);
if (name) join(name);

function join(user) {
  if (!user) return refuseName("Please say who you are.");
  $("join-error").textContent = "";
  beckon?.close(); // it may still be trying, with another name
  beckon = new Beckon({ user, room: asked.get("room") ?? undefined });
  beckon.on("state", stateChanged);
  beckon.on("users", ({ users }) => people.show(users, beckon.userId));
  beckon.on("call", (call) => incoming.add(call, () => view.call));
  beckon.connect().then(() => joined(user), () => {}); // stateChanged says why not
}

function joined(user) {
  sessionStorage.setItem(remembered, user);
  $("self").textContent = user;
  $("room").textContent = beckon.room === "lobby" ? "" : beckon.room;
  if ($("app").hidden) {
    $("join").hidden = true;
    $("app").hidden = false;
    $("people-title").focus();
  }
}

function leave() {
  beckon.close();
  sessionStorage.removeItem(remembered);
  show("join");
}

function show(reason) {
  $("app").hidden = true;
  $("join").hidden = false;
  if (reason instanceof Error) refuseName(reason.message);
  $("name").focus();
}

function refuseName(message) {
  $("join-error").textContent = message;
  $("name").focus();
}

function stateChanged({ state, reason, retryIn }) {
  const online = state === "online";
  $("app").classList.toggle("away", !online);
  people.enable(online);
  if (state === "closed") {
    if (reason) {
      sessionStorage.removeItem(remembered);
      show(reason);
    }
    return;
  }
  let text = "";
  if (!online) {
    text = reason ? `${reason.message} Trying again${retryIn > 1500 ? " soon" : ""}.` : "Connecting.";
  }
  ($("app").hidden ? $("join-error") : $("connection")).textContent = online || reason ? text : "";
}

function place(user, video) {
  if (view.call) return;
  view.show(beckon.call(user, { video }));
}

async function accept(call, video) {
  await call.accept({ video });
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
