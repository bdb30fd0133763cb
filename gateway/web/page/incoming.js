import { $, notify, portray, setIcon } from "./dom.js";

/** Asks about calls that ring here, one after the other. */
export class Incoming {
  #ring;
  #accept;
  #waiting = [];
  #title = document.title;
  #busy = false; // the question has been answered, and the browser asks for the camera

  constructor({ ring, accept }) {
    this.#ring = ring;
    this.#accept = accept;
    $("accept").addEventListener("click", () => this.#say(true));
    $("accept-sound").addEventListener("click", () => this.#say(false));
    $("refuse").addEventListener("click", () => this.#waiting[0].refuse());
    $("incoming").addEventListener("cancel", (event) => {
      event.preventDefault(); // Escape does not choose
    });
  }

  /** Rings. current says which call this would end. */
  add(call, current) {
    this.#waiting.push(call);
    const off = call.on("state", () => {
      off(); // it rings no more, whatever became of it
      const asked = this.#waiting[0] === call;
      this.#waiting = this.#waiting.filter((c) => c !== call);
      if (call.ended && !["declined", "elsewhere"].includes(call.ended.code)) notify(`${call.ended.message} You missed the call.`);
      if (asked) this.#ask(current);
    });
    if (this.#waiting[0] === call) this.#ask(current);
  }

  #ask(current) {
    const [call] = this.#waiting;
    this.#ring.stop();
    this.#settle(false);
    $("incoming-fault").textContent = "";
    if (!call) {
      document.title = this.#title;
      $("incoming").close();
      return;
    }
    const other = current();
    portray($("incoming-avatar"), call.peer);
    $("incoming-title").textContent = `${call.peer} is calling`;
    $("incoming-what").textContent = (call.video ? "With video." : "With sound only.")
      + (other ? ` Accepting ends your call with ${other.peer}.` : "");
    $("accept").querySelector("span").textContent = call.video ? "Accept with video" : "Accept";
    setIcon($("accept"), call.video ? "video" : "phone");
    $("accept-sound").hidden = !call.video;
    document.title = `${call.peer} is calling`;
    if (!$("incoming").open) $("incoming").showModal();
    $("accept").focus();
    this.#ring.start("incoming");
  }

  async #say(video) {
    const [call] = this.#waiting;
    if (this.#busy) return;
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
    this.#busy = busy;
    for (const id of ["accept", "accept-sound"]) $(id).disabled = busy;
  }
}
