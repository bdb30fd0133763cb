import { displayName } from "./beckon/beckon.js";
import { Crowd } from "./crowd.js";
import { $, icon, make, portray } from "./dom.js";

const manyPeople = 8; // from here on there is a field to find one
const mostRows = 300; // of more people only those that are looked for can be seen

/** The list of those who are here. In a large room it has those whom its user looks for. */
export class People {
  #users = []; // oneself first
  #self;
  #large = false;
  #crowd;
  #rows = new Map(); // user -> li, of those who are shown
  #call;
  #enabled = true;

  /** list asks the server for a page of the user list. */
  constructor({ call, list }) {
    this.#call = call;
    this.#crowd = new Crowd({ list, changed: () => this.#draw() });
    $("people-title").tabIndex = -1; // where the focus goes when what had it is gone
    $("filter").addEventListener("input", () => this.#find());
    $("show-more").addEventListener("click", () => this.#showMore());
  }

  show({ users, count, large }, self) {
    if (self !== this.#self) this.#rows.clear();
    this.#self = self;
    this.#users = [self, ...users.filter((user) => user !== self)];
    $("count").textContent = count.toLocaleString("en");
    $("alone").hidden = count > 1;
    $("filter").hidden = !large && count <= manyPeople;
    this.#large = large;
    if (large) {
      this.#crowd.refresh(this.#wanted);
    } else {
      this.#crowd.leave();
      this.#draw();
    }
  }

  enable(enabled) {
    this.#enabled = enabled;
    this.#crowd.expire();
    for (const button of $("all").querySelectorAll("button")) button.disabled = !enabled;
    if (this.#large) this.#drawCrowd();
  }

  get #wanted() {
    return $("filter").hidden ? "" : $("filter").value.trim();
  }

  #find() {
    if (this.#large) this.#crowd.look(this.#wanted);
    else this.#draw();
  }

  // What has the focus is below those who come, or is gone with the last of them.
  async #showMore() {
    const before = this.#crowd.error ? 0 : $("people").childElementCount;
    await this.#crowd.next();
    ($("people").children[before]?.querySelector("button") ?? $("people-title")).focus();
  }

  #draw() {
    if (this.#large) this.#drawCrowd();
    else this.#drawList();
  }

  #drawList() {
    const wanted = this.#wanted.toLocaleLowerCase();
    const found = wanted ? this.#users.filter((user) => user.toLocaleLowerCase().includes(wanted)) : this.#users;
    this.#fill(found.slice(0, mostRows));
    const more = found.length - this.#rows.size;
    $("more").hidden = more === 0;
    $("more").textContent = `And ${more} more. Look for a name to see them.`;
    $("show-more").hidden = true;
    say("");
  }

  #drawCrowd() {
    const { users, more, text, error } = this.#crowd;
    this.#fill(text ? users : [this.#self, ...users.filter((user) => user !== this.#self)]);
    $("more").hidden = true;
    $("show-more").hidden = !more && !(error && this.#enabled);
    $("show-more").textContent = error ? "Try again" : "Show more";
    const many = `${more ? "the first " : ""}${users.length || "none"}`;
    if (error) say(error.message);
    else if (text) say(`Names that begin with “${displayName(text)}”: ${many}.`);
    else say(more ? `These are ${many} by name.` : "");
  }

  // Rows stay who they are, so that a list that changes does not take the focus away.
  #fill(users) {
    const rows = new Map(users.map((user) => [user, this.#rows.get(user) ?? this.#row(user)]));
    const list = $("people");
    const focused = list.contains(document.activeElement) && document.activeElement.closest("li");
    this.#rows = rows;
    let next = list.firstElementChild;
    for (const row of rows.values()) {
      if (row === next) {
        next = next.nextElementSibling;
      } else if (row !== focused) {
        list.insertBefore(row, next);
      } else {
        while (next !== row) next = remove(next); // to move it would take the focus from it
        next = next.nextElementSibling;
      }
    }
    while (next) next = remove(next);
    if (focused && !focused.isConnected) $("people-title").focus();
  }

  #row(user) {
    const avatar = make("span", { className: "avatar", ariaHidden: "true" });
    portray(avatar, user);
    const name = displayName(user);
    const who = make("span", { className: "who", title: name }, make("bdi", {}, name));
    if (user === this.#self) {
      who.append(make("span", { className: "you" }, " (you)"));
      return make("li", {}, avatar, who);
    }
    return make("li", {}, avatar, who,
      this.#button("phone", `Call ${name} with sound only`, () => this.#call(user, false)),
      this.#button("video", `Call ${name} with video`, () => this.#call(user, true)));
  }

  #button(symbol, label, onclick) {
    return make("button", { className: "quiet", type: "button", ariaLabel: label, title: label, disabled: !this.#enabled, onclick },
      icon(symbol));
  }
}

function remove(row) {
  const next = row.nextElementSibling;
  row.remove();
  return next;
}

// What a screen reader has read once it need not read again.
function say(text) {
  if ($("found").textContent !== text) $("found").textContent = text;
}
