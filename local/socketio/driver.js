// Moves Socket.IO clients for the Go tests beside this file. Commands come on standard input, what the clients live to see goes
// to standard output: JSON, a line each. It ends when its input does.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const clients = new Map(); // name -> socket
const reached = new Set(); // "name moment"
const waiting = []; // commands for a moment that has not come yet

// A function among an event's arguments is a server's wish for an acknowledgement, which JSON would not show.
const visible = (key, value) => (typeof value === "function" ? { function: true } : value);

// What JSON cannot say: {"base64"} are bytes.
const revived = (key, value) => (typeof value?.base64 === "string" ? Buffer.from(value.base64, "base64") : value);

function tell(client, is, ...args) {
  process.stdout.write(`${JSON.stringify({ client, is, args }, visible)}\n`);
}

// reach notes that a client has come to a moment, "connect", "upgrading" or "upgrade", and runs the commands that waited for
// that. Whatever the moment, they wait until the client is connected, too, because before that nobody reaches it.
function reach(client, moment) {
  reached.add(`${client} ${moment}`);
  const ready = ({ when }) => clients.get(when.client)?.connected && reached.has(`${when.client} ${when.moment}`);
  for (const command of waiting.filter(ready)) {
    waiting.splice(waiting.indexOf(command), 1);
    run(command);
  }
}

function connect({ client, url, options }) {
  const socket = io(url, options);
  clients.set(client, socket);
  socket.io.on("open", () => {
    const { engine } = socket.io; // a new one for each connection; one that is left may still be closing
    const on = (event, then) => engine.on(event, (arg) => engine === socket.io.engine && then(arg));
    tell(client, "opened", engine.transport.name);
    on("upgrading", () => reach(client, "upgrading"));
    on("upgrade", ({ name }) => {
      tell(client, "upgraded", name);
      reach(client, "upgrade");
    });
    on("upgradeError", ({ message }) => tell(client, "upgradeError", message));
  });
  socket.on("connect", () => {
    tell(client, "connect", socket.id);
    reach(client, "connect");
  });
  socket.on("connect_error", ({ message, data }) => tell(client, "connect_error", { message, data }));
  socket.on("disconnect", (reason) => tell(client, "disconnect", reason));
  socket.onAny((...args) => tell(client, "event", ...args));
}

// What the test numbers it wants the answer to.
function emit({ client, event, args, number }) {
  if (number) args.push((...answer) => tell(client, "ack", number, ...answer));
  clients.get(client).emit(event, ...args);
}

const commands = {
  connect,
  emit,
  auth: ({ client, auth }) => (clients.get(client).auth = auth),
  close: ({ client }) => clients.get(client).disconnect(),
  open: ({ client }) => clients.get(client).connect(),
};

function run(command) {
  commands[command.do](command);
}

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const command = JSON.parse(line, revived);
  if (command.when) waiting.push(command);
  else run(command);
});
input.on("close", () => clients.forEach((socket) => socket.disconnect()));
