import { $, icon, make, portray } from "./dom.js";

const manyPeople = 8; // from here on there is a field to find one

/** The list of those who are here. */
export class People {
  #rows = new Map(); // user -> li
  #call;
  #enabled = true;

  constructor({ call }) {
    this.#call = call;
    $("people-title").tabIndex = -1; // where the focus goes when what had it is gone
    $("filter").addEventListener("input", () => this.#filter());
  }

  show(users, self) {
    const list = $("people");
    const here = new Set(users);
    for (const [user, row] of this.#rows) {
      if (here.has(user)) continue;
      if (row.contains(document.activeElement)) $("people-title").focus();
      row.remove();
      this.#rows.delete(user);
    }
    const others = users.filter((user) => user !== self);
    [self, ...others].forEach((user, i) => {
      let row = this.#rows.get(user);
      if (!row) this.#rows.set(user, (row = this.#row(user, user === self)));
      if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
    });
    $("count").textContent = users.length;
    $("alone").hidden = others.length > 0;
    $("filter").hidden = users.length <= manyPeople;
    this.#filter();
  }

  enable(enabled) {
    this.#enabled = enabled;
    for (const button of $("people").querySelectorAll("button")) button.disabled = !enabled;
  }

  #row(user, self) {
    const avatar = make("span", { className: "avatar", ariaHidden: "true" });
    portray(avatar, user);
    const who = make("span", { className: "who", title: user }, user);
    if (self) {
      who.append(make("span", { className: "you" }, " (you)"));
      return make("li", {}, avatar, who);
    }
    return make("li", {}, avatar, who,
      this.#button("phone", `Call ${user} with sound only`, () => this.#call(user, false)),
      this.#button("video", `Call ${user} with video`, () => this.#call(user, true)));
  }

  #button(symbol, label, onclick) {
    return make("button", { className: "quiet", type: "button", ariaLabel: label, title: label, disabled: !this.#enabled, onclick },
      icon(symbol));
  }

  #filter() {
    const wanted = $("filter").hidden ? "" : $("filter").value.trim().toLocaleLowerCase();
    for (const [user, row] of this.#rows) row.hidden = !user.toLocaleLowerCase().includes(wanted);
  }
}
