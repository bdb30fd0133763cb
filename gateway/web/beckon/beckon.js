/**
 * Beckon in the browser: who is there, messages, and calls, over one WebSocket to a gateway. README.md has an example,
 * beckon.d.ts describes every member, and docs/protocol.md of the Beckon repository says what goes over the wire.
 */
import { Call } from "./call.js";
import { Emitter } from "./emitter.js";
import { arrived, BeckonError, outcomeError } from "./errors.js";
import { Signaling } from "./signaling.js";
import { Userlist } from "./userlist.js";

export { cameras } from "./media.js";
export { displayName } from "./names.js";
export { BeckonError, Call };

const mostRinging = 8; // calls that ring here at once; more are refused for us
const mostEarly = 256; // candidates kept for calls that we have not heard of yet
const earlyWait = 10_000;
const refusalEvery = 100; // or a flood of calls would make us flood the gateway
const callEvents = new Set(["answer", "remoteIceCandidate", "refuse", "disconnectPeer"]);

export class Beckon extends Emitter {
  #signaling;
  #list = new Userlist();
  #calls = new Set();
  #early = []; // {signal, since}: candidates that overtook their offer
  #refused = -Infinity; // when a call was last refused for us
  #syncing = false; // the whole list has been asked for
  #line; // what calls know of the gateway
  #ownServers; // the application brought ICE servers of its own
  #networkType = navigator.connection?.type;
  #watching; // the network and the page, until it is aborted

  constructor({ url = "/ws", user, room, iceServers } = {}) {
    super();
    const address = new URL(url, globalThis.document?.baseURI);
    address.protocol = address.protocol.replace(/^http/, "ws");
    this.room = room;
    this.presence = "ok";
    this.#signaling = new Signaling(address, { user, room });
    this.#line = { self: user, iceServers, unsaid: [], request: (event, data) => this.#signaling.request(event, data) };
    this.#ownServers = iceServers !== undefined;
    this.#signaling.on("welcome", (welcome) => this.#welcomed(welcome));
    this.#signaling.on("frame", ({ event, data }) => this.#take(event, data));
    this.#signaling.on("state", (change) => {
      if (change.state === "closed") this.#watching.abort();
      this.emit("state", change);
    });
  }

  get state() {
    return this.#signaling.state;
  }

  get users() {
    return this.#list.users;
  }

  get count() {
    return this.#list.count;
  }

  get large() {
    return this.#list.large;
  }

  get calls() {
    return [...this.#calls].filter((c) => !c.ended);
  }

  connect() {
    return new Promise((resolve, reject) => {
      if (this.state === "online") return resolve();
      const off = this.on("state", ({ state, reason }) => {
        if (state !== "online" && state !== "closed") return;
        off();
        if (state === "online") resolve();
        else reject(reason ?? new BeckonError("closed", "The connection was closed."));
      });
      if (this.state === "closed") {
        this.#watch();
        this.#signaling.open();
      }
    });
  }

  close() {
    this.#hangUpAll();
    this.#signaling.close();
  }

  call(user, { video = true, audio = true, stream } = {}) {
    const under = this.calls.find((c) => c.peer === user);
    if (under) {
      // Calling somebody who is calling us is to accept.
      if (!under.outgoing && under.state === "ringing") {
        under.accept({ audio, video, stream }).catch((error) => under.emit("notice", error));
      }
      return under;
    }
    const call = this.#add({ id: newId(), peer: user, outgoing: true, video });
    queueMicrotask(() => call.start({ audio, video, stream })); // after the caller has put its listeners on
    return call;
  }

  async send(user, data, { toSession } = {}) {
    const outcome = await this.#signaling.request("message", { to: user, toSession, data });
    if (!arrived(outcome)) throw outcomeError(outcome, user);
  }

  async list({ prefix, after, limit } = {}) {
    const page = await this.#signaling.request("list", { prefix, after, limit });
    if (page.users) return page;
    if (page === "disconnected") throw new BeckonError("disconnected", "There is no connection to the server at the moment.");
    throw new BeckonError("unknown", "The server has not answered.");
  }

  #welcomed({ userId, sessionId, room, iceServers, limits }) {
    this.userId = userId;
    this.sessionId = sessionId;
    this.room = room;
    this.limits = limits;
    this.#list.expect();
    this.#stands("ok");
    this.#syncing = false;
    this.#line.self = userId;
    if (!this.#ownServers) this.#line.iceServers = iceServers; // with their credentials, which change
    // After the state has become "online", so that they can send.
    queueMicrotask(() => {
      for (const say of this.#line.unsaid.splice(0)) say();
      for (const call of this.#calls) call.online();
    });
  }

  #take(event, data) {
    switch (event) {
      case "updateUserlist":
        this.#syncing = false;
        this.#listChanged(this.#list.replace(data));
        break;
      case "userlistDelta": {
        const change = this.#list.apply(data);
        if (change) this.#listChanged(change);
        else this.#sync();
        break;
      }
      case "userCount":
        this.#syncing = false;
        this.#list.replaceByCount(data);
        for (const call of this.#calls) call.presence(true); // nobody says otherwise any more
        this.#listChanged({ joined: [], left: [] });
        break;
      case "presence":
        if (["ok", "degraded"].includes(data.state)) this.#stands(data.state); // others a later version may explain
        break;
      case "message":
        this.emit("message", data);
        break;
      case "offer":
        this.#offered(data);
        break;
      default:
        if (callEvents.has(event)) this.#signal(event, data);
    }
  }

  async #sync() {
    if (this.#syncing) return;
    this.#syncing = true;
    const outcome = await this.#signaling.request("sync", {}).catch(() => {});
    if (!arrived(outcome)) this.#syncing = false; // refused for its rate, or lost: the next delta asks again
  }

  #listChanged(change) {
    for (const call of this.#calls) {
      if (change.left.includes(call.peer)) call.presence(false);
      else if (change.joined.includes(call.peer)) call.presence(true);
    }
    const { users, count, large } = this.#list;
    this.emit("users", { users, ...change, count, large });
  }

  #stands(state) {
    if (state === this.presence) return;
    this.presence = state;
    this.emit("presence", { state });
  }

  #offered(signal) {
    const { from, callId } = signal;
    const under = this.calls.find((c) => c.owns(signal));
    if (under && callId !== undefined) return under.receive("offer", signal);
    if (Call.goesOn(signal)) return; // a call that another device of ours has taken, or that is over
    const crossing = this.calls.find((c) => c.waitsFor(from));
    if (crossing) {
      crossing.giveWay(signal);
      this.#claim(crossing);
      return;
    }
    under?.receive("disconnectPeer"); // a client that names no calls has begun another one

    const rings = (c) => !c.outgoing && c.state === "ringing";
    this.calls.find((c) => rings(c) && c.peer === from)?.receive("disconnectPeer"); // one call of each at a time
    if (this.calls.filter(rings).length >= mostRinging) return this.#refuse(from, callId);
    const call = this.#add({ id: callId, peer: from, outgoing: false, video: !signal.audioOnly });
    call.ring(signal);
    this.#claim(call);
    this.emit("call", call);
  }

  #refuse(to, callId) {
    const now = performance.now();
    if (now - this.#refused < refusalEvery) return;
    this.#refused = now;
    this.#line.request("refuse", { to, callId }).catch(() => {});
  }

  // Gives a call the candidates that came before it.
  #claim(call) {
    const mine = ({ signal }) => call.owns(signal);
    for (const { signal } of this.#early.filter(mine)) call.receive("remoteIceCandidate", signal);
    this.#early = this.#early.filter((early) => !mine(early));
  }

  #signal(event, signal) {
    const call = this.calls.find((c) => c.owns(signal));
    if (call) {
      call.receive(event, signal);
    } else if (event === "disconnectPeer" && signal.from === this.userId) {
      this.calls.find((c) => c.id !== undefined && c.id === signal.callId)?.taken();
    } else if (event === "remoteIceCandidate") {
      const now = performance.now();
      this.#early = this.#early.filter((early) => now - early.since < earlyWait).slice(1 - mostEarly);
      this.#early.push({ signal, since: now });
    }
  }

  #add(fields) {
    const call = new Call(this.#line, fields);
    this.#calls.add(call);
    call.on("ended", () => this.#calls.delete(call));
    return call;
  }

  #networkChanged({ type: event }) {
    // "change" comes with every change of speed as well; only another kind of network asks for another path.
    const type = navigator.connection?.type;
    if (event === "change" && type === this.#networkType) return;
    this.#networkType = type;
    for (const call of this.#calls) call.networkChanged();
  }

  #hangUpAll() {
    for (const call of this.#calls) call.abandon();
  }

  #watch() {
    this.#watching = new AbortController();
    const networkChanged = (event) => this.#networkChanged(event);
    addEventListener("pagehide", () => this.#hangUpAll(), this.#watching);
    addEventListener("online", networkChanged, this.#watching);
    navigator.connection?.addEventListener?.("change", networkChanged, this.#watching);
  }
}

// Not crypto.randomUUID, which pages without HTTPS do not have.
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
