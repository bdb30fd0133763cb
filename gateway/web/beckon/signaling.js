import { Emitter } from "./emitter.js";
import { BeckonError } from "./errors.js";

const openWait = 10_000; // from the first byte to the welcome
const ackWait = 5_000; // a gateway answers within about a second
const quiet = 20_000; // without a frame from the gateway, after which it is asked whether it is there
const stable = 10_000; // a connection that lasted this long starts the backoff anew
const firstBackoff = 500;
const mostBackoff = 15_000;
const mostRetryAfter = 60; // seconds

// Close codes of docs/protocol.md.
const restarting = 1012;
const badLogin = 4400;
const clientFaults = new Set([1007, 1009, 4429]); // coming back at once would only repeat them
const faultBackoff = 10_000;

/** Milliseconds before attempt n = 0, 1, ...: doubling, and somewhere in the upper half so that a crowd spreads out. */
export function backoff(n, random = Math.random) {
  return Math.min(mostBackoff, firstBackoff * 2 ** n) * (0.5 + random() / 2);
}

/**
 * One client's connection to a gateway, for good: it comes back by itself until it is closed or sent away for what it asked.
 *
 * Events: "state" {state, reason?, retryIn?}, "welcome" data, "frame" {event, data}.
 */
export class Signaling extends Emitter {
  #url;
  #login;
  #socket;
  #state = "closed";
  #attempt = 0;
  #epoch = 0; // of the socket in use; what belongs to an older one is ignored
  #online = 0; // when the welcome came, by performance.now()
  #timer; // for the welcome, the next silence, or the next attempt; one of them at a time
  #asked = new Map(); // frame id -> what takes the answer
  #nextId = 0;
  #mostBytes; // of a frame
  #refusal; // the last error frame without an id of ours
  #wake = () => this.#check();
  #listening; // until it is aborted

  constructor(url, { user, room }) {
    super();
    this.#url = url;
    this.#login = { user, room };
  }

  get state() {
    return this.#state;
  }

  open() {
    if (this.#state !== "closed") return;
    this.#listening = new AbortController();
    addEventListener("online", this.#wake, this.#listening);
    addEventListener("pageshow", this.#wake, this.#listening);
    document.addEventListener("visibilitychange", this.#wake, this.#listening);
    this.#attempt = this.#online = 0;
    this.#connect("connecting");
  }

  close(reason) {
    if (this.#state === "closed") return;
    this.#listening.abort();
    this.#drop(1000);
    this.#enter("closed", { reason });
  }

  /**
   * Sends a frame, now or never, and gives its outcome: one of docs/protocol.md, or "disconnected"; of a "list" the page, if
   * it came. Rejects when the gateway did not accept it.
   */
  request(event, data) {
    if (this.#state !== "online") return Promise.resolve("disconnected");
    const id = String(++this.#nextId);
    return new Promise((resolve, reject) => {
      const frame = JSON.stringify({ event, id, data });
      if (new Blob([frame]).size > this.#mostBytes) throw new BeckonError("bad_field", "This is too long to be sent."); // and would cost the connection
      const settle = (error, outcome) => {
        clearTimeout(timer);
        this.#asked.delete(id);
        error ? reject(error) : resolve(outcome);
      };
      const timer = setTimeout(settle, ackWait, undefined, "unknown");
      this.#asked.set(id, settle);
      this.#socket.send(frame);
    });
  }

  #enter(state, detail) {
    this.#state = state;
    this.emit("state", { state, ...detail });
  }

  #connect(state, reason) {
    const epoch = ++this.#epoch;
    const current = (f) => (e) => epoch === this.#epoch && f(e);
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries(this.#login)) if (value !== undefined) url.searchParams.set(name, value);
    this.#enter(state, { reason });
    if (epoch !== this.#epoch) return; // a listener has closed it
    let opened = false;
    this.#refusal = undefined;
    try {
      this.#socket = new WebSocket(url);
    } catch (err) {
      this.close(new BeckonError("unreachable", err.message, { cause: err })); // not from this page, or no such URL
      return;
    }
    this.#socket.onopen = current(() => (opened = true));
    this.#socket.onmessage = current((e) => this.#take(e.data));
    this.#socket.onclose = current((e) => (opened ? this.#closed(e) : this.#refused(url, epoch)));
    this.#arm(openWait, () => this.#retry(unreachable(), backoff(this.#attempt++)));
  }

  #take(text) {
    const { event, id, data } = JSON.parse(text);
    this.#arm(quiet, this.#wake);
    switch (event) {
      case "welcome":
        this.#login.user = data.userId; // if we let the gateway choose: we come back as the same
        this.#mostBytes = data.limits.frame;
        this.#online = performance.now();
        this.#state = "online";
        this.emit("welcome", data);
        this.#enter("online");
        break;
      case "ack":
        this.#asked.get(id)?.(undefined, data.status);
        break;
      case "userlistPage":
        this.#asked.get(id)?.(undefined, data);
        break;
      case "error": {
        const error = new BeckonError(data.code, data.message);
        if (this.#asked.has(id)) this.#asked.get(id)(error);
        else this.#refusal = error;
        break;
      }
      default:
        this.emit("frame", { event, data });
    }
  }

  #closed({ code }) {
    if (code === badLogin) {
      this.close(this.#refusal ?? new BeckonError("bad_user", "The server did not accept this name."));
      return;
    }
    if (this.#state === "online" && performance.now() - this.#online > stable) this.#attempt = 0;
    if (code === restarting) this.#retry(new BeckonError("restarting", "The server is restarting."), Math.random() * 1000);
    else if (clientFaults.has(code)) this.#retry(this.#refusal ?? unreachable(), faultBackoff * (1 + Math.random()));
    else this.#retry(this.#refusal ?? unreachable(), backoff(this.#attempt++));
  }

  // A page cannot see why an upgrade was refused, but it can ask the same URL without one.
  async #refused(url, epoch) {
    const delay = backoff(this.#attempt++);
    let reason = unreachable();
    let least = 0;
    try {
      const asked = new URL(url);
      asked.protocol = url.protocol.replace("ws", "http");
      const answer = await fetch(asked, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(openWait) });
      if (answer.status === 503) {
        reason = new BeckonError("unavailable", "The server cannot take anybody at the moment.");
        least = 1000 * Math.min(Number(answer.headers.get("Retry-After")) || 0, mostRetryAfter);
      } else if (answer.status === 403) {
        reason = new BeckonError("origin", "The server does not let pages of this address connect. Its --origins can.");
        least = faultBackoff;
      } else if (answer.status === 426) {
        reason = new BeckonError("blocked", "The server is there, but something on the way does not let WebSockets through.");
      }
    } catch {
      // Not even that: unreachable it is.
    }
    if (epoch === this.#epoch) this.#retry(reason, least + delay);
  }

  #retry(reason, delay) {
    this.#drop();
    this.#arm(delay, () => this.#connect(this.#state, reason));
    this.#enter(this.#online ? "reconnecting" : "connecting", { reason, retryIn: delay });
  }

  // Lets go of the socket at once: its close event may take minutes on a dead network.
  #drop(code) {
    this.#epoch++;
    clearTimeout(this.#timer);
    this.#socket?.close(code);
    this.#socket = undefined;
    for (const settle of [...this.#asked.values()]) settle(undefined, "unknown");
  }

  // Something happened that may have cost us the connection, or brought the network back: find out now.
  async #check() {
    if (document.visibilityState === "hidden" && this.#socket?.readyState !== WebSocket.OPEN) return;
    if (this.#state === "online") {
      const epoch = this.#epoch;
      this.#arm(quiet, this.#wake);
      const answered = await this.request("ping", {}).then((outcome) => outcome === "delivered", () => true);
      if (answered || epoch !== this.#epoch) return;
      this.#attempt = 0;
      this.#retry(unreachable(), 0);
    } else if (this.#socket === undefined && this.#state !== "closed") {
      this.#arm(Math.random() * 500, () => this.#connect(this.#state));
    }
  }

  #arm(delay, then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, delay);
  }
}

function unreachable() {
  return new BeckonError("unreachable", "The server cannot be reached.");
}
