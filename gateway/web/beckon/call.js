import { Emitter } from "./emitter.js";
import { arrived, BeckonError, outcomeError } from "./errors.js";
import { openCamera, openMedia } from "./media.js";
import { displayName } from "./names.js";

const ringWait = 45_000; // until nobody has answered
const connectWait = 30_000; // without media, at the start or later, until the call is given up
const goneWait = 4_000; // off the user list, until we believe it: a restarting gateway loses its users for a moment
const restartEvery = 8_000; // between attempts at another path
const wobble = 2_000; // an interruption shorter than this mends itself
const resendFirst = 500;
const againWait = 5_000; // for a description to lead to something; it may have died with its receiver's connection
const olderWait = 1_000; // for an older client, whose call has crossed ours, to take ours
const mostQueued = 256; // signals of one call that wait their turn; a peer has no use for more

// Ours, at the end of an SDP; others must ignore what they do not know (RFC 8866, section 5.13). Offers reach all devices of
// a user, so that all but a call's first say that they are no reason to ring. They may come twice, so that answers say to what.
const goesOn = "a=beckon:goes-on\r\n";
const answers = (offer) => `a=beckon:answers-${versionOf(offer)}\r\n`;

// Of several devices that accept at once all would begin the DTLS handshake with us, and spoil it for the one whose answer
// comes first. So it is for us to begin it (RFC 4145, section 4).
const begins = (sdp) => sdp.replaceAll("a=setup:actpass", "a=setup:active");

// RFC 8866, section 5.2: one RTCPeerConnection says all with the same origin, and each in another version.
const originOf = (sdp) => /^o=\S+ \S+/m.exec(sdp)?.[0];
const versionOf = (sdp) => /^o=\S+ \S+ (\d+)/m.exec(sdp)?.[1];

/** Why a call can end. */
const endings = {
  hung_up: () => "You hung up.",
  peer_hung_up: (p) => `${p} hung up.`,
  cancelled: (p) => `${p} stopped calling.`,
  refused: (p) => `${p} cannot talk now.`,
  declined: () => "You declined.",
  elsewhere: () => "Taken on another device.",
  no_answer: (p) => `${p} did not answer.`,
  peer_left: (p) => `${p} is gone.`,
  lost: (p) => `The connection to ${p} was lost.`,
  no_path: (p) => `No way to reach ${p} was found. A firewall may be between you; a TURN server helps.`,
};

/**
 * One call with one user, from the first ring to the end.
 *
 * The caller names it with a random id, which every signal of it carries, so that it outlives the sessions of its two ends.
 * The callee is the polite one (W3C WebRTC, section 10.7, perfect negotiation). A peer that names no id is an older client,
 * which takes every offer for a new call: to it we never offer twice.
 */
export class Call extends Emitter {
  #line; // to the gateway: {request, unsaid, iceServers, self}
  #pc;
  #polite;
  #plain = false; // the peer names no call ids
  #offer; // the peer's, until it is accepted
  #answers; // which offer our answer is for
  #origin; // of the peer's descriptions: which of the peer's devices it is, whatever its session
  #contested = false; // another device of ours took the call as well
  #answered = false; // a description has come back, or gone
  #makingOffer = false;
  #ignoring = false; // the candidates of an offer that we ignored
  #ready = Promise.resolve(); // signals are taken one after the other
  #queued = 0;
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

  // ---- what an application does with a call: see beckon.d.ts

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
    this.#enqueue(() => this.#answer());
  }

  refuse() {
    if (this.outgoing || this.state !== "ringing") return;
    this.#tellOwnDevices();
    this.#leave("declined", undefined, "refuse");
  }

  hangUp() {
    if (!this.outgoing && this.state === "ringing") this.refuse();
    else this.#leave("hung_up");
  }

  get muted() {
    return !this.localStream.getAudioTracks().some((t) => t.enabled);
  }

  set muted(muted) {
    for (const track of this.localStream.getAudioTracks()) track.enabled = !muted;
    this.emit("media");
  }

  get camera() {
    return this.localStream.getVideoTracks().some((t) => t.enabled);
  }

  get remoteCamera() {
    // By what was negotiated: in Chromium a track may stay muted when a camera went on and off quickly.
    return this.connectedAt !== undefined && this.#pc.getTransceivers().some(({ receiver, currentDirection }) => (
      receiver.track.kind === "video" && currentDirection?.includes("recv")
    ));
  }

  async setCamera(on) {
    if (on === this.camera || this.ended || !this.#pc) return;
    if (this.#plain) {
      for (const track of this.localStream.getVideoTracks()) track.enabled = on;
    } else if (on) {
      await this.#show(await openCamera());
    } else {
      await this.#show(undefined);
    }
    this.emit("media");
  }

  async switchCamera() {
    const [now] = this.localStream.getVideoTracks();
    if (!now || this.ended) return;
    const id = now.getSettings().deviceId;
    now.stop(); // many phones open one camera at a time
    try {
      await this.#show(await openCamera(id));
    } catch (error) {
      await this.#show(undefined); // it is off now
      throw error;
    } finally {
      this.emit("media");
    }
  }

  // ---- what Beckon does with it

  async start({ audio = true, video = this.video, stream } = {}) {
    if (this.ended) return; // in the same breath
    this.#enter("calling");
    try {
      await this.#take(stream ?? openMedia({ audio, video }), video);
    } catch (error) {
      if (this.#offer) this.#say("refuse");
      this.#end(error.code, error);
      return;
    }
    if (this.ended) return;
    this.#arm("ring", ringWait, () => this.#leave("no_answer"));
    this.#enqueue(() => (this.#offer ? this.#yield() : this.#connect())); // the peer may have called us meanwhile
  }

  /** Takes the offer that begins an incoming call. */
  ring(signal) {
    this.#offer = signal;
    this.#plain = signal.callId === undefined;
    this.#arm("ring", ringWait + goneWait, () => this.#end("cancelled")); // the caller's own limit comes first
  }

  static goesOn({ offerSDP }) {
    return offerSDP.endsWith(goesOn);
  }

  /** Whether a signal belongs to this call. */
  owns({ from, callId }) {
    if (this.ended || from !== this.peer) return false;
    return callId === undefined ? this.#plain || (this.outgoing && !this.#answered) : callId === this.id;
  }

  /** Whether it is our own call to a user, of whom nothing has come yet. */
  waitsFor(user) {
    return this.outgoing && !this.#answered && !this.#offer && !this.ended && this.peer === user;
  }

  /**
   * Takes the peer's own call in place of ours, which has crossed it, or not: both ends keep the one with the smaller id. An
   * older client may be taking ours already.
   */
  giveWay(signal) {
    const { callId } = signal;
    if (this.#pc && callId > this.id) return; // without #pc ours has not left yet
    this.#offer = signal;
    this.#early = [];
    const give = () => this.#enqueue(() => this.#yield());
    if (callId === undefined) {
      if (this.#pc) this.#arm("yield", olderWait, give);
      return;
    }
    if (this.#pc) this.#say("disconnectPeer"); // the peer's other devices ring for it
    this.id = callId;
    if (this.#pc) give();
  }

  receive(event, signal) {
    const on = {
      offer: () => this.#onOffer(signal),
      answer: () => this.#onAnswer(signal),
      remoteIceCandidate: () => this.#onCandidate(signal),
    }[event];
    if (on) {
      if (this.#queued < mostQueued) this.#enqueue(on);
    } else if (event === "refuse") {
      if (this.outgoing && !this.#answered) this.#end("refused");
    } else if (!this.outgoing && this.state === "ringing") {
      this.#end("cancelled");
    } else {
      this.#end(this.#contested && this.state === "connecting" ? "elsewhere" : "peer_hung_up");
    }
  }

  /** Ends the call with the page. What rings here may ring on at our other devices. */
  abandon() {
    if (!this.outgoing && this.state === "ringing") this.#end("cancelled");
    else this.hangUp();
  }

  /** Another device of ours has taken the call. */
  taken() {
    if (!this.outgoing && this.state === "ringing") this.#end("elsewhere");
    else this.#contested = true; // the caller will say which of us it is
  }

  /** The user list says that the peer is there, or not, which counts if there is nothing better to go by. */
  presence(here) {
    this.#present = here;
    if (here || this.state === "connected") this.#disarm("gone");
    else if (!this.#timers.has("gone")) this.#arm("gone", goneWait, () => this.#end("peer_left"));
  }

  /** The gateway is there again. */
  online() {
    this.#resends = 0;
    this.#resend();
    if (this.state === "reconnecting") this.#restart();
  }

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
      this.emit("notice", new BeckonError("no_camera", `No camera was found: ${displayName(this.peer)} will hear you, but not see you.`));
    } else if (this.camera && this.localStream.getAudioTracks().length === 0) {
      this.emit("notice", new BeckonError("no_microphone", `No microphone was found: ${displayName(this.peer)} will see you, but not hear you.`));
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
      // By direction, not by a black picture, so that the peer is told.
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
    this.#tellOwnDevices();
    this.#connect();
    this.#offer = undefined;
    this.#answered = true;
    this.#origin = originOf(sdp);
    this.#answers = answers(sdp);
    const pc = this.#pc;
    this.#arm("media", connectWait, () => this.#leave("no_path"));
    await pc.setRemoteDescription({ type: "offer", sdp });
    this.#addTracks(); // now, so that they find the offer's places
    await this.#addEarly();
    await pc.setLocalDescription();
    this.#describe();
  }

  async #yield() {
    if (!this.#offer || this.#answered) return;
    this.#pc?.close();
    this.#undelivered = undefined;
    this.#unsent.clear();
    this.id = this.#offer.callId;
    this.#plain = this.id === undefined;
    this.#polite = true;
    this.#disarm("ring");
    this.#enter("connecting");
    await this.#answer();
  }

  async #onOffer({ offerSDP: sdp }) {
    const pc = this.#pc;
    if (!pc) {
      if (this.#offer) this.#offer.offerSDP = sdp; // told again before we accepted
      return;
    }
    const collision = this.#makingOffer || pc.signalingState !== "stable";
    this.#ignoring = !this.#polite && collision;
    if (this.#ignoring) return;
    this.#answers = answers(sdp);
    await pc.setRemoteDescription({ type: "offer", sdp });
    await this.#addEarly();
    await pc.setLocalDescription();
    this.#describe();
    this.emit("media");
  }

  async #onAnswer({ answerSDP: sdp, fromSession, callId }) {
    const pc = this.#pc;
    const origin = originOf(sdp);
    if (this.#answered && origin !== this.#origin) { // a second device that accepted as well
      if (fromSession) this.#say("disconnectPeer", { toSession: fromSession });
      return;
    }
    if (pc?.signalingState !== "have-local-offer") return;
    if (sdp.includes("a=beckon:") && !sdp.endsWith(answers(pc.localDescription.sdp))) return; // it came twice, too
    this.#undelivered = undefined;
    if (!this.#answered) {
      this.#answered = true;
      this.#offer = undefined;
      this.#origin = origin;
      this.#plain = callId === undefined;
      this.#disarm("ring");
      this.#resend(); // candidates that did not arrive while it rang
      this.#enter("connecting");
      this.#arm("media", connectWait, () => this.#leave("no_path"));
    }
    await pc.setRemoteDescription({ type: "answer", sdp });
    await this.#addEarly();
    this.emit("media");
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
      // One path fewer; expected, if it is of an offer that we ignored.
      if (!this.#ignoring) console.debug("beckon: a candidate was not taken:", err.message);
    }
  }

  #enqueue(step) {
    this.#queued++;
    this.#ready = this.#ready.then(() => (this.ended ? undefined : step()))
      .catch((err) => this.#failed(this.#pc, err)).finally(() => this.#queued--);
  }

  #failed(pc, err) {
    if (this.ended || pc !== this.#pc) return; // it was closed under the step's feet
    this.#leave("failed", new BeckonError("failed", `The call could not be set up: ${err.message}`, { cause: err }));
  }

  // ---- sending

  #say(event, more) {
    return this.#line.request(event, { to: this.peer, callId: this.id, ...more }).catch((err) => {
      console.warn(`beckon: ${event} was not accepted:`, err.message);
      return err;
    });
  }

  // They stop ringing. A call to oneself has both ends there.
  #tellOwnDevices() {
    const { self } = this.#line;
    if (!this.#plain && this.peer !== self) this.#say("disconnectPeer", { to: self });
  }

  #describe() {
    const { type, sdp } = this.#pc.localDescription;
    this.#undelivered = type === "offer"
      ? ["offer", { offerSDP: this.#answered ? sdp + goesOn : begins(sdp), offerType: type, audioOnly: !this.video }]
      : ["answer", { answerSDP: sdp + this.#answers, answerType: type }];
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
      if (!first) this.#arm("again", againWait, () => this.#sayAgain());
      else if (this.state === "calling") this.#enter("ringing");
    } else if (first && outcome !== "unknown") {
      const error = outcome instanceof BeckonError ? outcome : outcomeError(outcome, this.peer);
      this.#end(error.code, error);
    } else if (!first) {
      this.#later(); // a call that stands is worth another try
    }
  }

  #sayAgain() {
    const { signalingState, localDescription } = this.#pc;
    const lost = signalingState === "have-local-offer" || (localDescription.type === "answer" && this.connectedAt === undefined);
    if (lost && !this.#plain) this.#describe();
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
        this.emit("media");
        this.#watchEnd(pc);
        break;
      case "disconnected":
      case "failed":
        if (this.connectedAt !== undefined && this.state !== "reconnecting") {
          this.#enter("reconnecting");
          this.#arm("media", connectWait, () => this.#leave("lost"));
          this.presence(this.#present);
        }
        if (!this.#timers.has("restart") || pc.connectionState === "failed") {
          this.#arm("restart", pc.connectionState === "failed" ? 0 : wobble, () => this.#restart());
        }
    }
  }

  // A peer that closes its connection says so within it, even if it can say nothing else.
  #watchEnd(pc) {
    const transport = pc.getSenders().find((s) => s.transport)?.transport;
    if (!transport) return;
    transport.onstatechange = () => {
      if (transport.state === "closed") this.#arm("closed", wobble, () => this.#end("peer_left")); // unless it says why
    };
  }

  #restart() {
    if (this.#plain || !this.#pc) return;
    this.#pc.setConfiguration({ iceServers: this.#line.iceServers }); // with the credentials of today
    this.#pc.restartIce();
    this.#arm("restart", restartEvery, () => this.state !== "connected" && this.#restart());
  }

  // ---- states

  #enter(state) {
    this.state = state;
    this.emit("state", state);
  }

  // Ends the call and tells the peer: once more when the gateway is back, if it is away.
  #leave(code, error, event = "disconnectPeer") {
    if (this.ended) return;
    const say = () => this.#say(event);
    say().then((outcome) => {
      if (!this.#plain && (outcome === "disconnected" || outcome === "unknown")) this.#line.unsaid.push(say);
    });
    this.#end(code, error);
  }

  #end(code, error) {
    if (this.ended) return;
    this.ended = { code, message: error?.message ?? endings[code](displayName(this.peer)), error };
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
