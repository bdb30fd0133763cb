import { BeckonError, mediaError } from "./errors.js";

/** Asks for microphone and camera. Where only one of them is there it is content with that. */
export async function openMedia({ audio = true, video = false } = {}) {
  if (!navigator.mediaDevices) {
    throw globalThis.isSecureContext === false
      ? new BeckonError("insecure_page", "Browsers give camera and microphone only to pages on HTTPS or on localhost. Open this page there.")
      : new BeckonError("unsupported", "This browser has no camera and microphone for pages.");
  }
  const wanted = [{ audio, video: video && camera() }];
  if (audio && video) wanted.push({ audio, video: false }, { audio: false, video: camera() });
  let first;
  for (const constraints of wanted) {
    try {
      return await navigator.mediaDevices.getUserMedia(constraints);
    } catch (err) {
      first ??= err;
      if (err.name !== "NotFoundError" && err.name !== "NotReadableError") break; // less would be denied, too
    }
  }
  throw mediaError(first);
}

/** Opens a camera: the next one after deviceId, if that is given and there is another. */
export async function openCamera(deviceId) {
  let exact;
  if (deviceId) {
    const ids = (await cameras()).map((d) => d.deviceId);
    exact = ids[(ids.indexOf(deviceId) + 1) % ids.length];
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: camera(exact) });
    return stream.getVideoTracks()[0];
  } catch (err) {
    throw mediaError(err);
  }
}

export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter((d) => d.kind === "videoinput");
}

function camera(exact) {
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  return exact ? { ...size, deviceId: { exact } } : { ...size, facingMode: "user" };
}
