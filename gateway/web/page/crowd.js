const pause = 250; // ms without a key, until a name is looked for
const portion = 100; // people who are shown at once
const stale = 30_000; // ms after which people are looked for again when somebody comes or goes

/** Those of a large room whom its user looks for: the server has the list. */
export class Crowd {
  users = [];
  more = false; // there are others
  text = ""; // what the names of users begin with
  error; // why there are not more of them, or none
  #list;
  #changed;
  #wanted; // the text that is looked for
  #portions; // of it
  #timer;
  #asked; // when they were looked for, by performance.now()

  /** list asks for a page of the user list, changed is told that something has come of it. */
  constructor({ list, changed }) {
    this.#list = list;
    this.#changed = changed;
  }

  /** Looks for names that begin with a text, when no other has been given for a moment. */
  look(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(text), pause);
  }

  /** Looks again if those who are shown may have gone meanwhile. Those who came by "Show more" would be lost by it. */
  refresh(text) {
    const seen = document.visibilityState === "visible" && this.users.length <= portion;
    if (this.#asked === undefined || (seen && performance.now() - this.#asked > stale)) this.#begin(text);
  }

  /** Those who are shown are those of another connection. */
  expire() {
    this.#asked = undefined;
  }

  /** Looks for nobody any more. */
  leave() {
    clearTimeout(this.#timer);
    this.#portions = this.#asked = this.error = undefined;
    this.users = [];
    this.more = false;
  }

  /** Shows the next portion as well, or tries again what failed. */
  async next() {
    if (this.error) return this.#begin(this.#wanted);
    await this.#take(this.#portions, () => this.users);
  }

  async #begin(text) {
    clearTimeout(this.#timer);
    this.#asked = performance.now();
    this.#wanted = text;
    this.#portions = look(this.#list, text);
    await this.#take(this.#portions, () => []);
  }

  async #take(portions, before) {
    let part = { users: [], more: false };
    let error;
    try {
      part = (await portions.next()).value ?? part; // they may have come to an end
    } catch (err) {
      error = err;
    }
    if (portions !== this.#portions) return; // something else is looked for by now
    if (!error || this.text !== this.#wanted) this.users = [...before(), ...part.users];
    this.text = this.#wanted;
    this.more = part.more;
    this.error = error;
    this.#changed();
  }
}

// The server compares byte by byte, but people do not heed capitals when they look for a name.
function spellings(text) {
  const small = text.toLowerCase();
  const [first = "", ...others] = small;
  return [...new Set([text, small, first.toUpperCase() + others.join("")])];
}

/** Gives those whose names begin with a text, by portions: {users, more}. */
async function* look(list, text) {
  let users = [];
  for (const prefixes = spellings(text); prefixes.length > 0;) {
    const [prefix] = prefixes;
    for (let page; !page || page.more;) {
      page = await list({ prefix, after: page?.users.at(-1), limit: portion - users.length });
      users.push(...page.users);
      if (!page.more) prefixes.shift();
      if (users.length === portion || prefixes.length === 0) {
        yield { users, more: prefixes.length > 0 };
        users = [];
      }
    }
  }
}
