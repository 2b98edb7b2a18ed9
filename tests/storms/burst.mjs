// Many requests that are really under way at once.
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";

// Every connection is open before the first request is written, and every request is written in the same turn
// of the event loop, so none of their answers is read before the last of them is sent.
export async function burst(requests) {
  const sockets = await Promise.all(requests.map(({ url }) => connected(new URL(url))));
  let first = true;
  const unsent = () => sockets.filter((socket) => socket.bytesWritten === 0 || socket.writableLength > 0).length;
  try {
    return await Promise.all(requests.map((asked, index) => exchange(asked, sockets[index], () => {
      if (first) assert.equal(unsent(), 0, "an answer was read before all requests were sent");
      first = false;
    })));
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

// More than a server keeps waiting for their first word, each sent as soon as its connection is open.
export function flood(requests) {
  return Promise.all(requests.map(async (asked) => {
    const socket = await connected(new URL(asked.url));
    try {
      return await exchange(asked, socket, () => {});
    } finally {
      socket.destroy();
    }
  }));
}

function connected({ port }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port), noDelay: true });
    socket.once("error", reject).once("connect", () => resolve(socket));
  });
}

function exchange({ url, method = "GET", headers = {}, form }, socket, answered) {
  return new Promise((resolve, reject) => {
    const body = form && new URLSearchParams(form).toString();
    const sent = request(url, {
      method,
      createConnection: () => socket,
      headers: {
        ...(body && { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) }),
        ...headers,
      },
    }, (answer) => {
      try {
        answered();
      } catch (fault) {
        reject(fault);
      }
      const parts = [];
      answer.on("data", (part) => parts.push(part)).once("error", reject).once("end", () => resolve({
        status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString("utf8"), at: Date.now(),
      }));
    });
    sent.once("error", reject).end(body);
  });
}
