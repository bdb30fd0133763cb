import { cameras, displayName } from "./beckon/beckon.js";
import { $, notify, portray, setIcon } from "./dom.js";

const narrow = matchMedia("(max-width: 45rem)"); // as in page.css

const statusOf = {
  calling: () => "Calling…",
  ringing: () => "Ringing…",
  connecting: () => "Connecting…",
  connected: () => "",
  reconnecting: () => "Connection lost. Reconnecting…",
  ended: (call) => call.ended.message,
};

/** One call on the stage, from its first ring until its end has been seen. */
export class CallView {
  call; // none when the stage is idle or shows how the last call ended
  #shown;
  #ring;
  #idle;
  #changed;
  #clock;

  constructor({ ring, again, idle, changed }) {
    this.#ring = ring;
    this.#idle = idle;
    this.#changed = changed;
    $("hang-up").addEventListener("click", () => this.call?.hangUp());
    $("mute").addEventListener("click", () => (this.call.muted = !this.call.muted));
    $("camera").addEventListener("click", () => this.#try(this.call.setCamera(!this.call.camera)));
    $("flip").addEventListener("click", () => this.#try(this.call.switchCamera()));
    $("again").addEventListener("click", () => again(this.#shown.peer, this.#shown.video));
    $("dismiss").addEventListener("click", () => this.clear());
    $("unblock").addEventListener("click", () => this.#play());
    $("remote").addEventListener("resize", () => this.#fit());
    narrow.addEventListener("change", () => this.#cover());
    addEventListener("resize", () => this.#fit());
  }

  show(call) {
    this.call = this.#shown = call;
    portray($("call-avatar"), call.peer);
    $("call").style.setProperty("--hue", $("call-avatar").style.getPropertyValue("--hue"));
    const name = displayName(call.peer);
    $("call-title").textContent = name;
    $("remote").ariaLabel = `Picture of ${name}`;
    $("local").srcObject = call.localStream;
    $("remote").srcObject = call.remoteStream;
    call.on("state", () => this.#current(call) && this.#state());
    call.on("media", () => this.#current(call) && this.#media());
    call.on("notice", (error) => notify(error.message));
    $("call").hidden = false;
    this.#state();
    this.#media();
    $("hang-up").focus();
  }

  #current(call) {
    return this.#shown === call;
  }

  #state() {
    const call = this.#shown;
    const { state } = call;
    $("stage").dataset.state = $("call").dataset.state = state;
    $("call-status").textContent = statusOf[state](call);
    if (state === "ringing") this.#ring.start("outgoing");
    else this.#ring.stop("outgoing");
    clearInterval(this.#clock);
    $("call-clock").textContent = "";
    if (call.connectedAt !== undefined && !call.ended) {
      const tick = () => ($("call-clock").textContent = clock(performance.now() - call.connectedAt));
      if (state === "connected") tick();
      this.#clock = setInterval(tick, 1000);
    }
    if (state === "connected") this.#play();
    $("controls").hidden = Boolean(call.ended);
    $("after").hidden = !call.ended;
    if (call.ended) this.#ended(call);
    this.#cover();
    this.#changed();
  }

  #ended(call) {
    this.call = undefined;
    $("call").classList.remove("seen", "showing");
    $("local").srcObject = $("remote").srcObject = null;
    $("unblock").hidden = true;
    if (["hung_up", "peer_hung_up", "elsewhere"].includes(call.ended.code)) {
      if (call.ended.code !== "hung_up") notify(call.ended.message);
      this.clear();
    } else {
      $("again").focus();
    }
  }

  async #media() {
    const call = this.#shown;
    if (call.ended) return;
    $("call").classList.toggle("seen", call.remoteCamera);
    $("call").classList.toggle("showing", call.camera);
    const waiting = call.localStream.getTracks().length === 0 && call.state === "calling"; // for the user to allow them
    const muted = call.muted && !waiting;
    press($("mute"), muted, muted ? "mic-off" : "mic");
    const off = waiting ? !call.video : !call.camera;
    press($("camera"), off, off ? "video-off" : "video");
    $("mute").disabled = $("camera").disabled = waiting;
    const [track] = call.localStream.getVideoTracks();
    $("local").classList.toggle("back", track?.getSettings().facingMode === "environment");
    const several = call.camera && (await cameras()).length > 1;
    if (this.#current(call)) $("flip").hidden = !several;
  }

  async #play() {
    try {
      await $("remote").play();
      $("unblock").hidden = true;
    } catch (err) {
      if (err.name === "NotAllowedError") $("unblock").hidden = false; // the browser wants a touch first
    }
  }

  // A picture fills the stage unless too much of it would be cut away.
  #fit() {
    const video = $("remote");
    const ratio = (video.videoWidth / video.videoHeight) / (video.clientWidth / video.clientHeight);
    video.classList.toggle("whole", Math.max(ratio, 1 / ratio) > 1.7);
  }

  #try(action) {
    action.catch((error) => notify(error.message));
  }

  /** Shows no call any more. */
  clear() {
    this.#shown = undefined;
    $("call").hidden = true;
    $("stage").dataset.state = "idle";
    this.#cover();
    this.#idle();
  }

  // On a phone the call covers everything else, and what it covers cannot be reached with a key either.
  #cover() {
    const covered = narrow.matches && this.#shown !== undefined;
    for (const part of document.querySelectorAll(".bar, .people")) part.inert = covered;
  }
}

function press(button, pressed, symbol) {
  button.ariaPressed = String(pressed);
  setIcon(button, symbol);
}

function clock(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const minutes = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? minutes : `${Math.floor(s / 3600)}:${minutes}`;
}
