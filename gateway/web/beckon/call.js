import { Emitter } from "./emitter.js";
import { arrived, BeckonError, outcomeError } from "./errors.js";
import { openCamera, openMedia } from "./media.js";

const ringWait = 45_000; // until nobody has answered
const connectWait = 30_000; // without media, at the start or later, until the call is given up
const goneWait = 4_000; // off the user list, until we believe it: a restarting gateway loses its users for a moment
const restartEvery = 8_000; // between attempts at another path
const wobble = 2_000; // an interruption shorter than this mends itself
const resendFirst = 500;

/** Why a call can end: code -> what is said of it. */
const endings = {
  hung_up: () => "You hung up.",
  peer_hung_up: (p) => `${p} hung up.`,
  cancelled: (p) => `${p} stopped calling.`,
  refused: (p) => `${p} cannot talk now.`,
  declined: () => "You declined.",
  elsewhere: () => "Taken on another device.",
  offline: (p) => `${p} is not here.`,
  no_answer: (p) => `${p} did not answer.`,
  peer_left: (p) => `${p} is gone.`,
  lost: (p) => `The connection to ${p} was lost.`,
  no_path: (p) => `No way to reach ${p} was found. A firewall may be between you; a TURN server helps.`,
};

/**
 * One call with one user, from the first ring to the end. Made by Beckon; beckon.d.ts says what an application may use.
 *
 * The caller names the call with a random id, and every signal of it carries that id, so that the call outlives the
 * sessions by which its two ends are connected. The callee is the polite one (W3C WebRTC, section 10.7, perfect negotiation).
 * A peer that names no id is an older client, which takes every offer for a new call: to it we never offer twice.
 */
export class Call extends Emitter {
  #line; // to the gateway: {request, iceServers, self}
  #pc;
  #polite;
  #plain = false; // the peer names no call ids
  #offer; // the peer's, until it is accepted
  #peerSession; // by which the peer last took part
  #answered = false; // a description has come back, or gone
  #makingOffer = false;
  #ignoring = false; // the candidates of an offer that we ignored
  #ready = Promise.resolve(); // signals are taken one after the other
  #early = []; // candidates that came before the description that they belong to
  #unsent = new Set(); // candidates that did not arrive
  #undelivered; // the last description that is not known to have arrived
  #resends = 0;
  #timers = new Map();
  #present = true;
  #accepting = false;
  #camera; // the transceiver that sends our picture

  constructor(line, fields) {
    super();
    this.#line = line;
    this.id = fields.id;
    this.peer = fields.peer;
    this.outgoing = fields.outgoing;
    this.video = fields.video; // whether the call is meant to have video
    this.state = this.outgoing ? "calling" : "ringing";
    this.localStream = new MediaStream();
    this.remoteStream = new MediaStream();
    this.connectedAt = undefined; // performance.now() of the first connection
    this.ended = undefined; // {code, message, error?} once it has
    this.#polite = !this.outgoing;
  }

  // ---- what an application does with a call

  /** Accepts an incoming call. Rejects with a BeckonError if there is no microphone; the call rings on then. */
  async accept({ audio = true, video = this.video, stream } = {}) {
    if (this.outgoing || this.state !== "ringing" || this.#accepting) {
      throw new BeckonError("bad_state", "Only a call that is ringing here can be accepted.");
    }
    this.#accepting = true;
    try {
      await this.#take(stream ?? openMedia({ audio, video }), video);
    } finally {
      this.#accepting = false;
    }
    if (this.ended) return;
    this.#enter("connecting");
    this.#tellOwnDevices();
    await this.#enqueue(() => this.#answer());
  }

  /** Says no to an incoming call. */
  refuse() {
    if (this.outgoing || this.state !== "ringing") return;
    this.#say("refuse");
    this.#tellOwnDevices();
    this.#end("declined");
  }

  /** Ends the call, whatever it is doing. */
  hangUp() {
    if (!this.outgoing && this.state === "ringing") {
      this.refuse();
    } else if (!this.ended) {
      this.#say("disconnectPeer");
      this.#end("hung_up");
    }
  }

  get muted() {
    return !this.localStream.getAudioTracks().some((t) => t.enabled);
  }

  /** Stops sending sound, or sends it again. */
  set muted(muted) {
    for (const track of this.localStream.getAudioTracks()) track.enabled = !muted;
    this.emit("media");
  }

  /** Whether our picture is sent. */
  get camera() {
    return this.localStream.getVideoTracks().some((t) => t.enabled);
  }

  /** Whether a picture of the peer is coming. */
  get remoteCamera() {
    return this.remoteStream.getVideoTracks().some((t) => !t.muted);
  }

  /** Turns our camera on or off; off, its light goes out. In a call with sound only, turning it on adds the picture. */
  async setCamera(on) {
    if (on === this.camera || this.ended) return;
    if (this.#plain) {
      for (const track of this.localStream.getVideoTracks()) track.enabled = on;
    } else if (on) {
      await this.#show(await openCamera());
    } else {
      await this.#show(undefined);
    }
    this.emit("media");
  }

  /** Goes on to the next camera of this device. */
  async switchCamera() {
    const [now] = this.localStream.getVideoTracks();
    if (!now || this.ended) return;
    const id = now.getSettings().deviceId;
    now.stop(); // many phones open one camera at a time
    await this.#show(await openCamera(id));
    this.emit("media");
  }

  // ---- what Beckon does with it

  /** Starts an outgoing call. */
  async start({ audio = true, video = this.video, stream } = {}) {
    this.#enter("calling");
    try {
      await this.#take(stream ?? openMedia({ audio, video }), video);
    } catch (error) {
      this.#end(error.code, error);
      return;
    }
    if (this.ended) return;
    this.#arm("ring", ringWait, () => {
      this.#say("disconnectPeer");
      this.#end("no_answer");
    });
    if (this.#offer) this.#enqueue(() => this.#yield()); // the peer called us while we were asked for the camera
    else this.#connect();
  }

  /** Takes the offer that begins an incoming call. */
  ring(signal) {
    this.#offer = signal;
    this.#plain = signal.callId === undefined;
    this.#arm("ring", ringWait + goneWait, () => this.#end("cancelled")); // the caller's own limit comes first
  }

  /** Whether a signal belongs to this call. */
  owns({ from, callId }) {
    if (this.ended || from !== this.peer) return false;
    return callId === undefined ? this.#plain || (this.outgoing && !this.#answered) : callId === this.id;
  }

  /** Whether it is our own call to a user, who has not answered yet. */
  waitsFor(user) {
    return this.outgoing && !this.#answered && !this.ended && this.peer === user;
  }

  /**
   * Takes the peer's own call in place of ours, which has crossed it, or not: both ends compare the calls' ids and keep the
   * smaller, so that one of the two gives way.
   */
  giveWay(signal) {
    if (this.#pc && signal.callId > this.id) return; // without #pc ours has not left yet
    this.#offer = signal;
    if (this.#pc) this.#enqueue(() => this.#yield());
  }

  /** Takes a signal of this call. */
  receive(event, signal) {
    switch (event) {
      case "offer":
        return this.#enqueue(() => this.#onOffer(signal));
      case "answer":
        return this.#enqueue(() => this.#onAnswer(signal));
      case "remoteIceCandidate":
        return this.#enqueue(() => this.#onCandidate(signal));
      case "refuse":
        if (this.outgoing && !this.#answered) this.#end("refused");
        return;
      case "disconnectPeer":
        this.#end(!this.outgoing && this.state === "ringing" ? "cancelled" : "peer_hung_up");
    }
  }

  /** Ends the call because this page goes. What rings here may ring on at our other devices. */
  abandon() {
    if (!this.outgoing && this.state === "ringing") this.#end("cancelled");
    else this.hangUp();
  }

  /** Another device of ours has taken the call. */
  taken() {
    if (!this.outgoing && this.state === "ringing") this.#end("elsewhere");
  }

  /** The user list says that the peer is there, or not. It ends only calls that have nothing better to go by. */
  presence(here) {
    this.#present = here;
    if (here || this.state === "connected") this.#disarm("gone");
    else if (!this.#timers.has("gone")) this.#arm("gone", goneWait, () => this.#end("peer_left"));
  }

  /** The gateway is there again: what could not be sent is sent now. */
  online() {
    this.#resends = 0;
    this.#resend();
    if (this.state === "reconnecting") this.#restart();
  }

  /** The network has changed: look for a better path. */
  networkChanged() {
    if (this.state === "connected" || this.state === "reconnecting") this.#restart();
  }

  // ---- media

  async #take(opening, video) {
    const stream = await opening;
    for (const track of stream.getTracks()) {
      if (this.ended) track.stop();
      else this.localStream.addTrack(track);
    }
    if (this.ended) return;
    this.emit("media");
    if (video && !this.camera) {
      this.emit("notice", new BeckonError("no_camera", `No camera was found: ${this.peer} will hear you, but not see you.`));
    } else if (this.camera && this.localStream.getAudioTracks().length === 0) {
      this.emit("notice", new BeckonError("no_microphone", `No microphone was found: ${this.peer} will see you, but not hear you.`));
    }
  }

  async #show(track) {
    for (const old of this.localStream.getVideoTracks()) {
      old.stop();
      this.localStream.removeTrack(old);
    }
    if (track && this.ended) track.stop();
    if (this.ended) return;
    if (track) this.localStream.addTrack(track);
    if (this.#camera) {
      // By direction, not by a black picture: the peer's browser is told, and mutes the track that it shows.
      this.#camera.direction = track ? "sendrecv" : "recvonly";
      await this.#camera.sender.replaceTrack(track ?? null);
    } else if (track && this.#pc) {
      this.#pc.addTrack(track, this.localStream);
      this.#findCamera();
    }
  }

  #findCamera() {
    this.#camera = this.#pc.getTransceivers().find((t) => t.sender.track?.kind === "video");
  }

  // ---- negotiation

  #connect() {
    const pc = new RTCPeerConnection({ iceServers: this.#line.iceServers });
    this.#pc = pc;
    pc.onicecandidate = ({ candidate }) => candidate && this.#sendCandidate(candidate);
    pc.onconnectionstatechange = () => this.#connectionChanged();
    pc.ontrack = ({ track }) => {
      for (const old of this.remoteStream.getTracks()) {
        if (old.kind === track.kind && old !== track) this.remoteStream.removeTrack(old);
      }
      this.remoteStream.addTrack(track);
      track.onmute = track.onunmute = track.onended = () => this.emit("media");
      this.emit("media");
    };
    pc.onnegotiationneeded = () => this.#negotiate();
    if (!this.#offer) this.#addTracks();
  }

  #addTracks() {
    for (const track of this.localStream.getTracks()) this.#pc.addTrack(track, this.localStream);
    this.#findCamera();
  }

  async #negotiate() {
    const pc = this.#pc;
    if (this.#plain && this.#answered) return;
    try {
      this.#makingOffer = true;
      await pc.setLocalDescription();
      if (pc === this.#pc) this.#describe();
    } catch (err) {
      this.#failed(pc, err);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #answer() {
    const { offerSDP: sdp } = this.#offer;
    this.#connect();
    this.#offer = undefined;
    this.#answered = true;
    const pc = this.#pc;
    this.#arm("media", connectWait, () => this.#giveUp("no_path"));
    await pc.setRemoteDescription({ type: "offer", sdp });
    this.#addTracks(); // now, so that they find the offer's places
    await this.#addEarly();
    await pc.setLocalDescription();
    this.#describe();
  }

  async #yield() {
    if (!this.#offer || this.#answered) return;
    if (this.#offer.callId) this.#say("disconnectPeer"); // the peer's other devices ring for it
    this.#pc?.close();
    this.#early = [];
    this.#unsent.clear();
    this.id = this.#offer.callId;
    this.#plain = this.id === undefined;
    this.#polite = true;
    this.#disarm("ring");
    this.#enter("connecting");
    await this.#answer();
  }

  async #onOffer({ offerSDP: sdp, fromSession }) {
    const pc = this.#pc;
    this.#peerSession = fromSession;
    if (!pc) {
      if (this.#offer) this.#offer.offerSDP = sdp; // told again before we accepted
      return;
    }
    const collision = this.#makingOffer || pc.signalingState !== "stable";
    this.#ignoring = !this.#polite && collision;
    if (this.#ignoring) return;
    await pc.setRemoteDescription({ type: "offer", sdp });
    await this.#addEarly();
    await pc.setLocalDescription();
    this.#describe();
  }

  async #onAnswer({ answerSDP: sdp, fromSession, callId }) {
    const pc = this.#pc;
    if (pc?.signalingState !== "have-local-offer") {
      // Either told twice, or a second device that accepted as well.
      if (this.#answered && fromSession !== this.#peerSession) this.#say("disconnectPeer", { toSession: fromSession });
      return;
    }
    this.#peerSession = fromSession;
    if (!this.#answered) {
      this.#answered = true;
      this.#plain = callId === undefined;
      this.#disarm("ring");
      this.#enter("connecting");
      this.#arm("media", connectWait, () => this.#giveUp("no_path"));
    }
    await pc.setRemoteDescription({ type: "answer", sdp });
    await this.#addEarly();
  }

  async #onCandidate({ candidate, sdpMid = null, sdpMLineIndex = null, usernameFragment = null }) {
    const init = { candidate: candidate ?? "", sdpMid, sdpMLineIndex, usernameFragment };
    if (sdpMid === null && sdpMLineIndex === null) init.sdpMLineIndex = 0;
    if (this.#pc?.remoteDescription) await this.#add(init);
    else if (this.#early.length < 256) this.#early.push(init);
  }

  async #addEarly() {
    for (const init of this.#early.splice(0)) await this.#add(init);
  }

  async #add(init) {
    try {
      await this.#pc.addIceCandidate(init);
    } catch (err) {
      // One path fewer. Of an offer that we ignored, or of one that was rolled back, it is expected.
      if (!this.#ignoring) console.debug("beckon: a candidate was not taken:", err.message);
    }
  }

  #enqueue(step) {
    const pc = this.#pc;
    this.#ready = this.#ready.then(() => (this.ended ? undefined : step())).catch((err) => this.#failed(pc, err));
    return this.#ready;
  }

  #failed(pc, err) {
    if (this.ended || (pc && pc !== this.#pc)) return; // it was closed under the step's feet
    this.#say("disconnectPeer");
    this.#end("failed", new BeckonError("failed", `The call could not be set up: ${err.message}`, { cause: err }));
  }

  // ---- sending

  #say(event, more) {
    return this.#line.request(event, { to: this.peer, callId: this.id, ...more }).catch((err) => {
      console.warn(`beckon: ${event} was not accepted:`, err.message);
      return "rejected";
    });
  }

  // Calls that ring at our other devices stop when one of us has taken the call. A call to oneself has both ends there.
  #tellOwnDevices() {
    const { self } = this.#line;
    if (!this.#plain && this.peer !== self) this.#say("disconnectPeer", { to: self });
  }

  #describe() {
    const { type, sdp } = this.#pc.localDescription;
    this.#undelivered = type === "offer"
      ? ["offer", { offerSDP: sdp, offerType: type, audioOnly: !this.video }]
      : ["answer", { answerSDP: sdp, answerType: type }];
    this.#resends = 0;
    this.#deliver();
  }

  async #deliver() {
    const description = this.#undelivered;
    const first = !this.#answered && this.outgoing;
    const outcome = await this.#say(...description);
    if (this.ended || description !== this.#undelivered) return;
    if (arrived(outcome)) {
      this.#undelivered = undefined;
      if (first && this.state === "calling") this.#enter("ringing");
    } else if (first && outcome !== "unknown") {
      if (outcome === "offline") this.#end("offline");
      else this.#end(outcome, outcomeError(outcome, this.peer));
    } else if (!first) {
      this.#later(); // a call that stands is worth another try
    }
  }

  async #sendCandidate(candidate) {
    if (!arrived(await this.#say("iceCandidate", candidate.toJSON())) && !this.ended) {
      this.#unsent.add(candidate);
      if (this.#answered) this.#later();
    }
  }

  #later() {
    if (!this.#timers.has("resend")) this.#arm("resend", resendFirst * 2 ** Math.min(this.#resends++, 4), () => this.#resend());
  }

  #resend() {
    this.#disarm("resend");
    if (this.#undelivered) this.#deliver();
    const candidates = [...this.#unsent];
    this.#unsent.clear();
    const current = this.#pc?.localDescription?.sdp ?? "";
    for (const c of candidates) if (current.includes(`a=ice-ufrag:${c.usernameFragment}`)) this.#sendCandidate(c);
  }

  // ---- the media's path

  #connectionChanged() {
    const pc = this.#pc;
    switch (pc.connectionState) {
      case "connected":
        this.#disarm("media");
        this.#disarm("restart");
        this.#disarm("gone");
        this.connectedAt ??= performance.now();
        this.#enter("connected");
        this.#watchEnd(pc);
        break;
      case "disconnected":
      case "failed":
        if (this.connectedAt !== undefined && this.state !== "reconnecting") {
          this.#enter("reconnecting");
          this.#arm("media", connectWait, () => this.#giveUp("lost"));
          this.presence(this.#present);
        }
        if (!this.#timers.has("restart") || pc.connectionState === "failed") {
          this.#arm("restart", pc.connectionState === "failed" ? 0 : wobble, () => this.#restart());
        }
    }
  }

  // A peer that closes its connection says so within it, even when it can say nothing else any more.
  #watchEnd(pc) {
    const transport = pc.getSenders().find((s) => s.transport)?.transport;
    if (!transport) return;
    transport.onstatechange = () => {
      if (transport.state === "closed") this.#arm("closed", wobble, () => this.#end("peer_left")); // unless it says why
    };
  }

  #restart() {
    if (this.#plain || !this.#pc) return;
    this.#pc.restartIce();
    this.#arm("restart", restartEvery, () => this.state !== "connected" && this.#restart());
  }

  #giveUp(code) {
    this.#say("disconnectPeer");
    this.#end(code);
  }

  // ---- states

  #enter(state) {
    this.state = state;
    this.emit("state", state);
  }

  #end(code, error) {
    if (this.ended) return;
    this.ended = { code, message: error?.message ?? endings[code](this.peer), error };
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#pc?.close();
    for (const track of this.localStream.getTracks()) track.stop();
    this.#enter("ended");
    this.emit("ended", this.ended);
  }

  #arm(name, delay, then) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      then();
    }, delay));
  }

  #disarm(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
