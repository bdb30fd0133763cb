// A client as a reader of the tutorial would write it: a user is a socket id, and what comes from the server is believed.
// It is not as careful as it could be, on purpose. ?url= is where the server is, ?transports= what to connect by, unless
// the library shall choose.
const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const socket = io(query.get("url"), query.get("transports") ? { transports: query.get("transports").split(",") } : {});

let peer = null; // the user at the other end, or who rings
let pc;
let withoutVideo;

socket.on("connect", () => say(`You are ${socket.id}.`));
socket.on("disconnect", () => say("Disconnected."));
socket.on("updateUserlist", ({ userList }) => {
  $("users").replaceChildren(...userList.map((userId) => {
    const row = document.createElement("li");
    const me = userId === socket.id;
    row.append(element("span", me ? `${userId} (you)` : userId));
    if (!me) row.append(callButton(userId, "video", false), callButton(userId, "sound only", true));
    return row;
  }));
});
socket.on("offer", ring);
socket.on("answer", ({ answerSDP, answerType }) => pc.setRemoteDescription({ sdp: answerSDP, type: answerType }));
socket.on("remoteIceCandidate", ({ candidate, sdpMid, sdpMLineIndex }) => {
  pc?.addIceCandidate({ candidate, sdpMid, sdpMLineIndex });
});
// Bound as they are: an argument with one of these would be taken for a click.
socket.on("refuse", close);
socket.on("disconnectPeer", close);

$("accept").onclick = accept;
$("refuse").onclick = () => {
  socket.emit("refuse", { to: peer });
  end("You refused.");
};
$("hang-up").onclick = () => close(true);

async function call(userId, audioOnly) {
  begin(userId, audioOnly);
  say(`Calling ${peer}…`);
  await addMedia();
  await pc.setLocalDescription();
  const { sdp, type } = pc.localDescription;
  socket.emit("offer", { to: peer, from: socket.id, offerSDP: sdp, offerType: type, audioOnly });
  $("hang-up").hidden = false;
}

function ring({ from, offerSDP, offerType, audioOnly }) {
  begin(from, audioOnly);
  pc.setRemoteDescription({ sdp: offerSDP, type: offerType });
  $("caller").textContent = `${from} is calling`;
  $("accept").textContent = audioOnly ? "Accept" : "Accept with video";
  $("incoming").showModal();
}

async function accept() {
  $("incoming").close();
  await addMedia();
  await pc.setLocalDescription();
  const { sdp, type } = pc.localDescription;
  socket.emit("answer", { to: peer, answerSDP: sdp, answerType: type });
  $("hang-up").hidden = false;
}

// Called by a click on "Hang up", and as the listener of what the other one does about the call. It answers that, too,
// whether there is a call or not.
function close(isClicked = false) {
  socket.emit("disconnectPeer", { to: peer });
  if (peer !== null) end(isClicked ? "You hung up." : `${peer} ended the call.`);
}

function begin(userId, audioOnly) {
  peer = userId;
  withoutVideo = audioOnly;
  const connection = new RTCPeerConnection();
  connection.onicecandidate = ({ candidate }) => {
    if (!candidate) return;
    const { candidate: line, sdpMid, sdpMLineIndex } = candidate;
    socket.emit("iceCandidate", { to: userId, candidate: line, sdpMid, sdpMLineIndex });
  };
  connection.ontrack = ({ streams: [stream] }) => ($("remote").srcObject = stream);
  connection.oniceconnectionstatechange = () => {
    if (connection.iceConnectionState === "connected") say(`In a call with ${userId}.`);
    if (connection.iceConnectionState === "disconnected") end("The connection was lost."); // and nobody is told
  };
  pc = connection;
}

async function addMedia() {
  const video = withoutVideo ? false : { width: 320, height: 240 };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  $("local").srcObject = stream;
}

function end(why) {
  pc.close();
  for (const track of $("local").srcObject?.getTracks() ?? []) track.stop();
  $("local").srcObject = $("remote").srcObject = null;
  $("hang-up").hidden = true;
  $("incoming").close();
  pc = undefined;
  peer = null;
  say(why);
}

function callButton(userId, how, audioOnly) {
  const button = element("button", audioOnly ? "Audio" : "Video");
  button.ariaLabel = `Call ${userId} with ${how}`;
  button.onclick = () => call(userId, audioOnly);
  return button;
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function say(text) {
  $("status").textContent = text;
}
