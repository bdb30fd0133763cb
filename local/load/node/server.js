// The common Node server, as tutorials of WebRTC teach it: one file, Socket.IO, every user a socket id, the whole list to
// everybody at every login and logout. What the gateway costs is measured beside it.
//
//	node [--expose-gc] server.js HOST:PORT [--no-lists]
//
// With --no-lists nobody is sent lists, whose cost grows with the square of the users and would hide that of a session.
// With --expose-gc GET /memory collects the garbage, and says what is left.
"use strict";

const http = require("node:http");
const { Server } = require("socket.io");

const [address, option, ...more] = process.argv.slice(2);
const [, host, port] = /^(.+):(\d+)$/.exec(address ?? "") ?? [];
if (!host || more.length > 0 || (option ?? "--no-lists") !== "--no-lists") {
  console.error("usage: node server.js HOST:PORT [--no-lists]");
  process.exit(2);
}

const server = http.createServer((req, res) => {
  if (req.url !== "/memory" || !globalThis.gc) {
    res.writeHead(404).end();
    return;
  }
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ resident: rss, live: heapUsed + external }));
});

const io = new Server(server, { cors: { origin: "*" } });
const sockets = new Map(); // by id, in the order in which they came

function tellEverybody() {
  if (option !== "--no-lists") io.emit("updateUserlist", { userList: [...sockets.keys()] });
}

io.on("connection", (socket) => {
  sockets.set(socket.id, socket);
  tellEverybody();

  socket.on("offer", ({ to, from, offerSDP, offerType, audioOnly }) => {
    io.to(to).emit("offer", { from, offerSDP, offerType, audioOnly });
  });
  socket.on("answer", ({ to, answerSDP, answerType }) => {
    io.to(to).emit("answer", { answerSDP, answerType });
  });
  socket.on("iceCandidate", ({ to, candidate, sdpMid, sdpMLineIndex }) => {
    io.to(to).emit("remoteIceCandidate", { candidate, sdpMid, sdpMLineIndex, to });
  });
  socket.on("refuse", ({ to }) => io.to(to).emit("refuse"));
  socket.on("disconnectPeer", ({ to }) => io.to(to).emit("disconnectPeer"));

  socket.on("disconnect", () => {
    sockets.delete(socket.id);
    tellEverybody();
  });
});

process.on("SIGTERM", () => process.exit(0));
server.listen(Number(port), host, () => console.log(`ready at http://${address}`));
