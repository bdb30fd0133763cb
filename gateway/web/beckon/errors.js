import { displayName } from "./names.js";

/** What went wrong: a code of those in beckon.d.ts, for programs, and a message for people. */
export class BeckonError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "BeckonError";
    this.code = code;
  }
}

/** Outcomes that mean that a signal has arrived (docs/protocol.md, Outcomes). */
export const arrived = (outcome) => outcome === "delivered" || outcome === "held";

/** Says what became of a signal that did not arrive. */
export function outcomeError(outcome, user) {
  const name = displayName(user);
  const message = {
    offline: `${name} is not here.`,
    slow: `${name}'s connection is too slow to take this now.`,
    refused: `${name} cannot take this.`,
    unavailable: "The server cannot reach the others at the moment. Nothing was sent.",
    disconnected: "There is no connection to the server at the moment. Nothing was sent.",
  }[outcome] ?? `It is not known whether this reached ${name}.`;
  return new BeckonError(outcome, message);
}

/** Translates what getUserMedia rejects with (W3C Media Capture and Streams, section 10.2). */
export function mediaError(err) {
  const [code, message] = {
    NotAllowedError: ["permission_denied",
      "This page may not use the camera or the microphone. Allow it in the browser's settings for this page, and try again."],
    SecurityError: ["permission_denied", "This browser does not let pages use the camera or the microphone."],
    NotFoundError: ["no_device", "No microphone or camera was found."],
    OverconstrainedError: ["no_device", "No microphone or camera was found that fits."],
    NotReadableError: ["device_busy", "The camera or the microphone could not be started. Another program may be using it."],
    AbortError: ["device_busy", "The camera or the microphone stopped working."],
  }[err?.name] ?? ["media", "The camera or the microphone could not be started."];
  return new BeckonError(code, message, { cause: err });
}
