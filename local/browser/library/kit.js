// What the stories do and see in a page: evaluated in it before the library is loaded. Everything is a global, for short
// expressions in the tests.
(() => {
  // Small pictures: the tests' machine encodes and decodes them all. hold, if set, is what the user takes for the question.
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  globalThis.tracks = []; // all that were ever opened
  globalThis.hold = undefined;
  mediaDevices.getUserMedia = async (wanted) => {
    await hold;
    const small = wanted.video && { ...wanted.video, width: 160, height: 120, frameRate: 10 };
    const stream = await open({ ...wanted, video: small });
    tracks.push(...stream.getTracks());
    return stream;
  };

  // The library keeps its connections to itself.
  globalThis.pcs = [];
  globalThis.candidates = 0; // of the peer, that a connection took
  globalThis.tried = 0; // and those that it was given
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      pcs.push(this);
    }

    async addIceCandidate(init) {
      tried++;
      await super.addIceCandidate(init);
      if (init.candidate) candidates++;
    }
  };
  globalThis.pc = () => pcs.at(-1);

  /** How much of a kind has been received by now: pictures that were decoded, or packets of sound. */
  globalThis.received = async (kind) => {
    let sum = 0;
    for (const report of (await pc().getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === kind) sum += kind === "video" ? report.framesDecoded : report.packetsReceived;
    }
    return sum;
  };

  /** Waits until more of each kind has been received. */
  globalThis.flows = async (...kinds) => {
    for (const kind of kinds) {
      const before = await received(kind);
      await until(async () => (await received(kind)) >= before + 3, `${kind} flows`);
    }
  };

  // The gateway's version of the list, and a frame in its name.
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data: text, isTrusted }) => {
        const { data } = JSON.parse(text);
        if (isTrusted && data?.version !== undefined && !data.userId) globalThis.version = data.version;
      });
      globalThis.hear = (event, data) => {
        this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ event, data }) }));
      };
    }
  };

  // Timers of the library: those that wait, with their delays, and shorter delays for some.
  const set = setTimeout;
  const clear = clearTimeout;
  globalThis.timers = new Map();
  globalThis.shorten = {};
  globalThis.setTimeout = (then, delay, ...args) => {
    if (!new Error().stack.includes("/beckon/")) return set(then, delay, ...args);
    const id = set((...a) => {
      timers.delete(id);
      then(...a);
    }, shorten[delay] ?? delay, ...args);
    timers.set(id, delay);
    return id;
  };
  globalThis.clearTimeout = (id) => {
    timers.delete(id);
    clear(id);
  };

  globalThis.after = (ms) => new Promise((done) => set(done, ms));

  /** Waits until it holds, for things that take less than a drawing. */
  globalThis.until = async (holds, what = String(holds)) => {
    for (const end = performance.now() + 20_000; !(await holds()); await after(5)) {
      if (performance.now() > end) throw new Error(`in vain: ${what}`);
    }
  };

  /** mulberry32: random numbers from a seed, so that a failure can be had again. */
  globalThis.seeded = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  /** Makes the page's client; states, lists, standings and messages keep what it tells. */
  globalThis.make = async (options) => {
    const { Beckon } = await import("/beckon/beckon.js");
    globalThis.beckon = new Beckon(options);
    Object.assign(globalThis, { states: [], lists: [], standings: [], messages: [], incoming: [] });
    beckon.on("state", ({ state, reason, retryIn }) => states.push({ state, code: reason?.code, retryIn, at: performance.now() }));
    beckon.on("users", (change) => lists.push(change));
    beckon.on("presence", ({ state }) => standings.push(state));
    beckon.on("message", (message) => messages.push(message));
    beckon.on("call", (call) => {
      incoming.push(call);
      watch(call);
    });
  };

  globalThis.join = async (options) => {
    await make(options);
    await beckon.connect();
  };

  /** The call that came last, either way. Its states and notices are kept, and its picture is shown. */
  globalThis.call = undefined;
  globalThis.watch = (c) => {
    globalThis.call = c;
    c.history = [c.state];
    c.notices = [];
    c.on("state", (state) => c.history.push(state));
    c.on("notice", ({ code }) => c.notices.push(code));
    show(c.remoteStream);
  };

  globalThis.show = (stream) => {
    document.getElementById("seen")?.remove();
    const video = document.createElement("video");
    Object.assign(video, { id: "seen", autoplay: true, playsInline: true, srcObject: stream });
    document.body.append(video);
  };

  globalThis.dial = (user, options) => watch(beckon.call(user, options));

  /** Calls at a moment of the wall clock, which all pages share. */
  globalThis.dialAt = async (at, user, options) => {
    await after(at - Date.now());
    dial(user, options);
  };

  /** What has not been let go of, in words; "" when everything has. */
  globalThis.left = () => [
    ...pcs.filter((p) => p.connectionState !== "closed").map((p) => `a connection that is ${p.connectionState}`),
    ...tracks.filter((t) => t.readyState !== "ended").map((t) => `${t.kind} from ${t.label}`),
    ...[...beckon.calls].map((c) => `a call that is ${c.state}`),
    ...(beckon.state === "closed" ? [...timers.values()].map((delay) => `a timer of ${delay} ms`) : []),
  ].join(", ");

  /** Ends what a story has left. */
  globalThis.leave = () => {
    globalThis.beckon?.close();
    globalThis.older?.close();
  };

  globalThis.failure = (promise) => promise.then(() => "nothing", (error) => error.code ?? String(error));
})();
