/** The sounds of a call, made on the spot: no files, and nothing to load when somebody calls. */
export class Ring {
  #audio;
  #timer;

  constructor() {
    // Browsers let a page sound only after its user has touched it. Until then it rings in silence.
    for (const touch of ["click", "keydown"]) addEventListener(touch, () => (this.#audio ??= new AudioContext()), { once: true });
  }

  /** Rings until stop: "incoming", or "outgoing" for what a caller hears. */
  start(kind) {
    this.stop();
    const play = kind === "incoming" ? () => this.#chime() : () => this.#tone(425, 0, 0.9, 0.05);
    play();
    this.#timer = setInterval(play, kind === "incoming" ? 2400 : 4000);
  }

  stop() {
    clearInterval(this.#timer);
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
