const pause = 250; // ms without a key, until a name is looked for
const portion = 100; // people who are shown at once
const stale = 30_000; // ms after which those who are shown are looked for again, if somebody came or went

/** Those of a large room whom its user looks for: the server has the list. */
export class Crowd {
  users = [];
  more = false; // there are others
  text = ""; // what the names of users begin with
  error; // why users are not those whom the user looks for
  #list;
  #changed;
  #portions; // of the names that are looked for
  #timer;
  #asked; // when they were looked for, by performance.now()

  /** list asks for a page of the user list, changed is told that something has come of it. */
  constructor({ list, changed }) {
    this.#list = list;
    this.#changed = changed;
  }

  /** Looks for names that begin with a text, when no other has been given for a moment. */
  look(text, wait = pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(text), wait);
  }

  /** Looks again if those who are shown may have gone meanwhile. Those who came by "Show more" would be lost by it. */
  refresh(text) {
    const seen = document.visibilityState === "visible" && this.users.length <= portion;
    if (this.#asked === undefined || (seen && performance.now() - this.#asked > stale)) this.#begin(text);
  }

  /** Those who are shown are another connection's. */
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

  /** Shows the next portion as well. */
  async next() {
    const before = this.users;
    await this.#take(this.#portions, (found) => [...before, ...found]);
  }

  async #begin(text) {
    clearTimeout(this.#timer);
    this.#asked = performance.now();
    this.#portions = look(this.#list, text);
    await this.#take(this.#portions, (found) => {
      this.text = text;
      return found;
    });
  }

  async #take(portions, place) {
    let part, error;
    try {
      part = (await portions.next()).value;
    } catch (err) {
      error = err;
    }
    if (portions !== this.#portions) return; // something else is looked for by now
    this.error = error;
    if (part) this.users = place(part.users);
    this.more = part?.more ?? false;
    this.#changed();
  }
}

// The server compares byte by byte, but people do not heed capitals when they look for a name.
function spellings(text) {
  const small = text.toLocaleLowerCase();
  const [first = "", ...others] = small;
  return [...new Set([text, small, first.toLocaleUpperCase() + others.join("")])];
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
