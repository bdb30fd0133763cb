import { displayName } from "./beckon/beckon.js";
import { $, icon, make, portray } from "./dom.js";

const manyPeople = 8; // from here on there is a field to find one
const mostRows = 300; // of more people only those that are looked for can be seen

/** The list of those who are here. */
export class People {
  #users = []; // oneself first
  #self;
  #rows = new Map(); // user -> li, of those who are shown
  #call;
  #enabled = true;

  constructor({ call }) {
    this.#call = call;
    $("people-title").tabIndex = -1; // where the focus goes when what had it is gone
    $("filter").addEventListener("input", () => this.#draw());
  }

  show(users, self) {
    if (self !== this.#self) this.#rows.clear();
    this.#self = self;
    this.#users = [self, ...users.filter((user) => user !== self)];
    $("count").textContent = users.length;
    $("alone").hidden = users.length > 1;
    $("filter").hidden = users.length <= manyPeople;
    this.#draw();
  }

  enable(enabled) {
    this.#enabled = enabled;
    for (const button of $("people").querySelectorAll("button")) button.disabled = !enabled;
  }

  // Rows stay who they are, so that a list that changes does not take the focus away.
  #draw() {
    const wanted = $("filter").hidden ? "" : $("filter").value.trim().toLocaleLowerCase();
    const found = wanted ? this.#users.filter((user) => user.toLocaleLowerCase().includes(wanted)) : this.#users;
    const rows = new Map(found.slice(0, mostRows).map((user) => [user, this.#rows.get(user) ?? this.#row(user)]));
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
    const more = found.length - rows.size;
    $("more").hidden = more === 0;
    $("more").textContent = `And ${more} more. Look for a name to see them.`;
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
