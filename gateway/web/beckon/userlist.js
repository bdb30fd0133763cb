/**
 * The user list of a room, kept from a whole list and the deltas that follow it, or the number of users in its place:
 * docs/protocol.md. It does no I/O.
 */
export class Userlist {
  #users = []; // of the last list that there was
  #version; // undefined until a whole list came
  #count; // in a large room

  get users() {
    return this.large ? [] : this.#users;
  }

  get count() {
    return this.#count ?? this.#users.length;
  }

  get large() {
    return this.#count !== undefined;
  }

  /** Takes a whole list. Returns what is different now from the last one, however long ago that was. */
  replace({ version, userList }) {
    const before = new Set(this.#users);
    const after = new Set(userList);
    this.#version = version;
    this.#count = undefined;
    this.#users = [...after];
    return { joined: userList.filter((u) => !before.has(u)), left: [...before].filter((u) => !after.has(u)) };
  }

  /** Takes a delta, and returns the same; undefined if it does not start where the list stands, which stays as it is then. */
  apply({ from, version, joined, left, at }) {
    if (from !== this.#version) return undefined;
    const gone = new Set(left);
    const users = this.#users.filter((u) => !gone.has(u));
    if (at) joined.forEach((u, i) => users.splice(at[i], 0, u));
    else users.push(...joined);
    this.#users = users;
    this.#version = version;
    const moved = new Set(joined.filter((u) => gone.has(u))); // who changes his place stands in both
    return { joined: joined.filter((u) => !moved.has(u)), left: left.filter((u) => !moved.has(u)) };
  }

  /** Takes the number of users: from here on there is no list, until a whole one comes. */
  replaceByCount({ count }) {
    this.#version = undefined;
    this.#count = count;
  }

  /** Expects a whole list next, because another connection counts other versions. The users stay until then. */
  expect() {
    this.#version = undefined;
  }
}
