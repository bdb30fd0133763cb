// An older client, written as tutorials write it: no call ids, no sessions, and every offer is a new call. With asks its user
// is asked before an offer is answered.
globalThis.join = async (user, asks) => {
  const socket = new WebSocket(`ws://${location.host}/ws?user=${user}`);
  await new Promise((open) => (socket.onopen = open));
  const send = (event, data) => socket.send(JSON.stringify({ event, data }));
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });

  const begin = (to) => {
    older.pc?.close();
    older.pc = new RTCPeerConnection();
    older.ended = undefined;
    older.pc.onicecandidate = ({ candidate }) => candidate && send("iceCandidate", { to, ...candidate.toJSON() });
    older.pc.ontrack = ({ streams }) => show(streams[0]);
    for (const track of stream.getTracks()) older.pc.addTrack(track, stream);
    older.peer = to;
    return older.pc;
  };

  const on = {
    async offer({ from, offerSDP, offerType }) {
      older.asked = from;
      if (asks) await new Promise((yes) => (older.accept = yes));
      const pc = begin(from);
      await pc.setRemoteDescription({ type: offerType, sdp: offerSDP });
      const answer = await pc.createAnswer();
      await pc.setLocalDescription(answer);
      send("answer", { to: from, answerSDP: answer.sdp, answerType: answer.type });
    },
    answer: ({ answerSDP, answerType }) => older.pc.setRemoteDescription({ type: answerType, sdp: answerSDP }),
    remoteIceCandidate: (init) => older.pc?.addIceCandidate(init),
    refuse: () => end("refuse"),
    disconnectPeer: () => end("disconnectPeer"),
  };
  // What a tutorial does not catch is not what these tests are about.
  socket.onmessage = ({ data: text }) => {
    const { event, data } = JSON.parse(text);
    on[event]?.(data)?.catch?.((error) => older.faults.push(`${event}: ${error.message}`));
  };
  const end = (why) => {
    older.pc?.close();
    older.ended = why;
  };

  globalThis.older = {
    faults: [],
    async call(to) {
      const pc = begin(to);
      const offer = await pc.createOffer();
      await pc.setLocalDescription(offer);
      send("offer", { to, offerSDP: offer.sdp, offerType: offer.type, audioOnly: false });
    },
    hangUp() {
      send("disconnectPeer", { to: older.peer });
      end("hungUp");
    },
    close() {
      older.pc?.close();
      stream.getTracks().forEach((track) => track.stop());
      socket.close();
    },
  };
};
