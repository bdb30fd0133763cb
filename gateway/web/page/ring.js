/** The sounds of a call, made on the spot: no files, and nothing to load when somebody calls. */
export class Ring {
  #audio;
  #timer;
  #wanted = new Set(); // of "incoming", which comes first, and "outgoing"

  constructor() {
    // Browsers let a page sound only after its user has touched it, and may stop it later. Until then it rings in silence.
    for (const touch of ["click", "keydown"]) {
      addEventListener(touch, () => {
        if (!navigator.userActivation?.hasBeenActive) return; // Escape, for one, does not count
        this.#audio ??= new AudioContext();
        this.#audio.resume().catch(() => {});
      });
    }
  }

  /** Rings until stop: for an "incoming" call, or an "outgoing" one, as its caller hears it. */
  start(kind) {
    this.#wanted.add(kind);
    this.#play();
  }

  stop(kind) {
    if (this.#wanted.delete(kind)) this.#play();
  }

  #play() {
    clearInterval(this.#timer);
    if (this.#wanted.size === 0) return;
    const [ring, every] = this.#wanted.has("incoming") ? [() => this.#chime(), 2400] : [() => this.#tone(425, 0, 0.9, 0.05), 4000];
    ring();
    this.#timer = setInterval(ring, every);
  }

  #chime() {
    [659.3, 830.6, 987.8, 830.6].forEach((pitch, i) => this.#tone(pitch, i * 0.16, 0.5, 0.12));
    navigator.vibrate?.([180, 120, 180]);
  }

  #tone(pitch, after, length, loudness) {
    if (this.#audio?.state !== "running") return;
    const begin = this.#audio.currentTime + after;
    const tone = new OscillatorNode(this.#audio, { frequency: pitch });
    const volume = new GainNode(this.#audio, { gain: 0 });
    volume.gain.linearRampToValueAtTime(loudness, begin + 0.03);
    volume.gain.setValueAtTime(loudness, begin + length * 0.5);
    volume.gain.linearRampToValueAtTime(0, begin + length);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(begin);
    tone.stop(begin + length);
  }
}
