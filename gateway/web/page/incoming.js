import { displayName } from "./beckon/beckon.js";
import { $, notify, portray, setIcon } from "./dom.js";

const tooSoon = 700; // ms in which an answer to a question that has just appeared was meant for something else
const respite = 4000; // ms in which somebody whose call was missed cannot open the question again

/** Asks about calls that ring here, one after the other. */
export class Incoming {
  #ring;
  #accept;
  #current;
  #waiting = [];
  #missed = new Map(); // user -> when a call of theirs was missed
  #heed; // timer until it may be answered
  #title = document.title;

  /** current says which call an accepted one would end. */
  constructor({ ring, accept, current }) {
    this.#ring = ring;
    this.#accept = accept;
    this.#current = current;
    $("accept").addEventListener("click", () => this.#say(true));
    $("accept-sound").addEventListener("click", () => this.#say(false));
    $("refuse").addEventListener("click", () => this.#waiting[0].refuse());
    $("incoming").addEventListener("cancel", (event) => {
      event.preventDefault(); // Escape does not choose
    });
  }

  /** Rings. */
  add(call) {
    const wait = (this.#missed.get(call.peer) ?? -respite) + respite - performance.now();
    if (wait > 0) setTimeout(() => call.state === "ringing" && this.#ringing(call), wait);
    else this.#ringing(call);
  }

  /** Says again what accepting would mean, after the current call has changed. */
  refresh() {
    const [call] = this.#waiting;
    if (!call) return;
    const other = this.#current();
    $("incoming-what").textContent = (call.video ? "With video." : "With sound only.")
      + (other ? ` Accepting ends your call with ${displayName(other.peer)}.` : "");
  }

  #ringing(call) {
    this.#waiting.push(call);
    const off = call.on("state", () => {
      off(); // it rings no more, whatever became of it
      const asked = this.#waiting[0] === call;
      this.#waiting = this.#waiting.filter((c) => c !== call);
      if (call.ended && !["declined", "elsewhere"].includes(call.ended.code)) this.#miss(call);
      if (asked) this.#ask();
    });
    if (this.#waiting[0] === call) this.#ask();
  }

  #miss(call) {
    const now = performance.now();
    for (const [user, at] of this.#missed) if (now - at > respite) this.#missed.delete(user);
    this.#missed.set(call.peer, now);
    notify(`${call.ended.message} You missed the call.`);
  }

  #ask() {
    const [call] = this.#waiting;
    this.#ring.stop("incoming");
    clearTimeout(this.#heed);
    $("incoming-fault").textContent = "";
    if (!call) {
      document.title = this.#title;
      $("incoming").close();
      return;
    }
    const name = displayName(call.peer);
    portray($("incoming-avatar"), call.peer);
    $("incoming-title").textContent = `${name} is calling`;
    this.refresh();
    $("accept").querySelector("span").textContent = call.video ? "Accept with video" : "Accept";
    setIcon($("accept"), call.video ? "video" : "phone");
    $("accept-sound").hidden = !call.video;
    document.title = `${name} is calling`;
    this.#settle(true);
    $("refuse").disabled = true;
    this.#heed = setTimeout(() => {
      this.#settle(false);
      $("refuse").disabled = false;
    }, tooSoon);
    if (!$("incoming").open) $("incoming").showModal();
    $("incoming-title").focus(); // on no button: a key that was meant for something else must not answer
    this.#ring.start("incoming");
  }

  async #say(video) {
    const [call] = this.#waiting;
    this.#settle(true);
    try {
      await this.#accept(call, video && call.video);
    } catch (error) {
      if (this.#waiting[0] !== call) return;
      this.#settle(false);
      $("incoming-fault").textContent = error.message;
    }
  }

  #settle(busy) {
    for (const id of ["accept", "accept-sound"]) $(id).disabled = busy;
  }
}
