/**
 * The user list of a room, kept from a whole list and the deltas that follow it (docs/protocol.md, The user list). It does
 * no I/O: a delta that does not fit is said so, and the owner asks for the list again.
 */
export class Userlist {
  #users = [];
  #version; // undefined until a whole list came, and from a gap until the next one

  /** The users in order, each once. Read-only. */
  get users() {
    return this.#users;
  }

  /** Whether only a whole list is of use now. */
  get expecting() {
    return this.#version === undefined;
  }

  /** Takes a whole list. Returns what is different now: {joined, left}. */
  replace({ version, userList }) {
    const before = new Set(this.#users);
    const after = new Set(userList);
    this.#version = version;
    this.#users = [...after];
    return { joined: userList.filter((u) => !before.has(u)), left: [...before].filter((u) => !after.has(u)) };
  }

  /** Takes a delta. Returns {joined, left}, or undefined if it does not start where the list stands. */
  apply({ from, version, joined, left, at }) {
    if (from !== this.#version) {
      this.#version = undefined;
      return undefined;
    }
    const gone = new Set(left);
    const users = this.#users.filter((u) => !gone.has(u));
    if (at) joined.forEach((u, i) => users.splice(at[i], 0, u));
    else users.push(...joined);
    this.#users = users;
    this.#version = version;
    const moved = new Set(joined.filter((u) => gone.has(u))); // who changes his place stands in both
    return { joined: joined.filter((u) => !moved.has(u)), left: left.filter((u) => !moved.has(u)) };
  }

  /** Expects a whole list next: another connection counts other versions. The users stay until then. */
  expect() {
    this.#version = undefined;
  }
}
