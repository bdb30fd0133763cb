/** What became of a signal that did not arrive: docs/protocol.md, Outcomes. */
export type Outcome = "offline" | "slow" | "refused" | "unavailable" | "unknown" | "disconnected";

/** Everything that `BeckonError.code` can be. */
export type ErrorCode =
  | Outcome
  /** The gateway did not accept what was sent: docs/protocol.md, Error codes. */
  | "bad_user" | "bad_room" | "bad_frame" | "bad_utf8" | "binary" | "unknown_event" | "bad_field" | "rate_limited"
  /** The connection to the gateway. `blocked`: something on the way lets no WebSockets through; `origin`: see `--origins`. */
  | "unreachable" | "restarting" | "blocked" | "origin" | "closed"
  /** Camera and microphone. */
  | "permission_denied" | "no_device" | "no_camera" | "no_microphone" | "device_busy" | "insecure_page" | "unsupported" | "media"
  /** A call. */
  | "bad_state" | "failed";

/** `message` is English for people; `code` is for programs. */
export class BeckonError extends Error {
  readonly code: ErrorCode;
  readonly name: "BeckonError";
}

export interface Options {
  /** The gateway's `/ws`; http(s) and ws(s) are both fine, relative to the page. Default: `/ws`. */
  url?: string | URL;
  /** 1 to 128 bytes of UTF-8. Default: a random id, kept as long as this object lives. */
  user?: string;
  /** Default: `lobby`. */
  room?: string;
  /** Used in place of those that the gateway names. */
  iceServers?: RTCIceServer[];
}

export interface MediaOptions {
  /** Default: true. */
  audio?: boolean;
  /** Default: true for `call`, what the caller wants for `accept`. */
  video?: boolean;
  /** Sent in place of camera and microphone. Its tracks are stopped when the call ends. */
  stream?: MediaStream;
}

/** `connecting` until it has been online for the first time. */
export type ConnectionState = "closed" | "connecting" | "online" | "reconnecting";

export interface StateChange {
  state: ConnectionState;
  /** Why it is not online. */
  reason?: BeckonError;
  /** Milliseconds until the next attempt, while one is waited for. */
  retryIn?: number;
}

export interface UserChange {
  /** Everybody in the room, oneself included, in the order in which they came. Empty in a large room. */
  users: readonly string[];
  /** Compared with the last list that there was, also after a reconnect, and when a room is no longer large. */
  joined: readonly string[];
  left: readonly string[];
  /** How many are in the room. */
  count: number;
  /** The room has too many for a list: see `Beckon.list`. */
  large: boolean;
}

export interface UserQuery {
  /** Of the user ids, as they are written. Default: all. */
  prefix?: string;
  /** Those that come after this id, who need not be there: the last of the page before. */
  after?: string;
  /** Most users on the page, 1 to 500. Default: 100. */
  limit?: number;
}

export interface UserPage {
  /** In ascending order of their ids' bytes. */
  users: string[];
  /** There are others behind them. */
  more: boolean;
  /** How many are in the whole room. */
  count: number;
  /** Of the list, and only within one connection; pages of different versions may overlook somebody. */
  version: number;
}

/** `degraded`: the gateway does not hear who comes and goes elsewhere, so that the list may be out of date. */
export type PresenceState = "ok" | "degraded";

export interface Message {
  from: string;
  /** Absent when a backend sent it and named none. */
  fromSession?: string;
  data: unknown;
}

export interface BeckonEvents {
  state: StateChange;
  users: UserChange;
  presence: { state: PresenceState };
  /** Somebody is calling; the call is `ringing`. */
  call: Call;
  message: Message;
}

export class Beckon {
  constructor(options?: Options);

  /**
   * Connects, and comes back by itself from then on. Resolves when online for the first time, however long that takes.
   * Rejects with a `BeckonError` when the gateway does not accept user or room, the page may not connect to such a URL, or
   * `close` was called.
   */
  connect(): Promise<void>;
  /** Ends every call and the connection. */
  close(): void;

  /**
   * Calls a user. Listeners that are put on before the next task miss nothing. If that user is calling us, this accepts; if
   * we are talking already, it is that call.
   */
  call(user: string, options?: MediaOptions): Call;
  /**
   * Sends any JSON of at most `limits.message` bytes. Resolves when it is queued on a live connection of the user; rejects
   * with a `BeckonError` otherwise. With `unknown` it may have arrived all the same.
   */
  send(user: string, data: unknown, options?: { toSession?: string }): Promise<void>;
  /**
   * Asks for a part of the user list by user id, in a room of any size. Rejects with a `BeckonError`: `disconnected`,
   * `unknown` when no answer came or the connection was lost, or what the gateway did not accept.
   */
  list(query?: UserQuery): Promise<UserPage>;

  readonly state: ConnectionState;
  /** From the first time online. */
  readonly userId?: string;
  /** Another one after each reconnect. */
  readonly sessionId?: string;
  readonly room?: string;
  readonly limits?: Readonly<Record<string, number>>;
  /** While reconnecting, as it was last known; so are `count` and `large`. */
  readonly users: readonly string[];
  readonly count: number;
  readonly large: boolean;
  /** `ok` after each reconnect, until the gateway says otherwise. */
  readonly presence: PresenceState;
  /** Those that have not ended. */
  readonly calls: readonly Call[];

  /** Returns what takes the listener away again. */
  on<T extends keyof BeckonEvents>(type: T, listener: (event: BeckonEvents[T]) => void): () => void;
  off<T extends keyof BeckonEvents>(type: T, listener: (event: BeckonEvents[T]) => void): void;
}

/**
 * An outgoing call is `calling`, `ringing` (it has reached a device of the peer), `connecting`, `connected`; an incoming one
 * `ringing`, `connecting`, `connected`. `reconnecting` while media do not flow, at most 30 s. `ended` is the last.
 */
export type CallState = "calling" | "ringing" | "connecting" | "connected" | "reconnecting" | "ended";

export type EndCode =
  | "hung_up" | "peer_hung_up" | "cancelled" | "refused" | "declined" | "elsewhere" | "no_answer" | "peer_left"
  /** Media stopped for 30 s; they never began. */
  | "lost" | "no_path"
  | ErrorCode;

export interface Ending {
  code: EndCode;
  /** English for people, with the peer's name where it belongs. */
  message: string;
  error?: BeckonError;
}

export interface CallEvents {
  state: CallState;
  /** Something may have changed about pictures and sound: tracks, `muted`, `camera`, `remoteCamera`. */
  media: void;
  /** Something that does not end the call, such as a camera that is missing. */
  notice: BeckonError;
  ended: Ending;
}

export class Call {
  /** Absent for a call from a client that names none. */
  readonly id?: string;
  readonly peer: string;
  readonly outgoing: boolean;
  /** Whether the caller means it to have video. */
  readonly video: boolean;
  readonly state: CallState;
  readonly localStream: MediaStream;
  readonly remoteStream: MediaStream;
  /** `performance.now()` when media first flowed. */
  readonly connectedAt?: number;
  readonly ended?: Ending;

  /** Rejects with a `BeckonError` when camera and microphone cannot be had; the call rings on, and may be accepted again. */
  accept(options?: MediaOptions): Promise<void>;
  refuse(): void;
  /** Ends the call in any state; refuses one that is ringing here. */
  hangUp(): void;

  /** Whether our sound is kept back. May be set. */
  muted: boolean;
  /** Whether our picture is sent. */
  readonly camera: boolean;
  /** Whether the peer's picture is coming. */
  readonly remoteCamera: boolean;
  /**
   * Off, the camera's light goes out. On, a call with sound only gets a picture. Rejects with a `BeckonError`. Does nothing
   * before the call has its microphone.
   */
  setCamera(on: boolean): Promise<void>;
  /** Goes on to the next camera of this device. Rejects with a `BeckonError`; the camera is off then. */
  switchCamera(): Promise<void>;

  on<T extends keyof CallEvents>(type: T, listener: (event: CallEvents[T]) => void): () => void;
  off<T extends keyof CallEvents>(type: T, listener: (event: CallEvents[T]) => void): void;
}

/**
 * A user id as people may be shown it: ids are any text, and what cannot be seen or turns the text around it is replaced.
 */
export function displayName(user: string): string;

/** The cameras of this device; their labels are empty until the page may use one. */
export function cameras(): Promise<MediaDeviceInfo[]>;
