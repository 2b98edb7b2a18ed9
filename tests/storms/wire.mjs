// One connection that is kept, and asked one thing after the other: as little as a client can do, for there are to be
// many requests, and little else that is busy.
import { connect } from "node:net";

export class Wire {
  #socket;
  #read = "";
  #waiting;
  // How often it had to connect.
  connections = 0;

  constructor(port) {
    this.port = port;
    this.host = `localhost:${port}`;
  }

  // Sends one request and reads one answer: its status, its head in lower case up to the values, its `Set-Cookie` lines
  // and its body. What a server closed before it said a word is asked once more.
  async ask(method, path, headers, body = "") {
    const length = method === "GET" ? "" : `content-length: ${Buffer.byteLength(body)}\r\n`;
    const text = `${method} ${path} HTTP/1.1\r\nhost: ${this.host}\r\n${headers}${length}\r\n${body}`;
    const old = this.#socket;
    try {
      return await this.#exchange(text);
    } catch (fault) {
      if (!old || fault.begun) throw fault;
      return this.#exchange(text);
    }
  }

  close() {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #exchange(text) {
    this.#socket ??= await this.#connected();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(text, "latin1");
    });
  }

  #connected() {
    this.connections += 1;
    this.#read = "";
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: this.port, noDelay: true });
      socket.setEncoding("latin1").once("error", reject).once("connect", () => resolve(socket));
      socket.on("data", (part) => {
        this.#read += part;
        this.#look();
      });
      socket.once("close", () => {
        if (this.#socket === socket) this.#socket = undefined;
        this.#fail(Object.assign(new Error("the connection was closed"), { begun: this.#read !== "" }));
      });
      socket.on("error", () => {});
    });
  }

  #fail(fault) {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(fault);
  }

  #look() {
    const end = this.#read.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#read.slice(0, end);
    const rest = this.#read.slice(end + 4);
    const status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    let body = "";
    if (length) {
      if (rest.length < Number(length[1])) return;
      body = rest;
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      body = whole(rest);
      if (body === undefined) return;
    }
    const waiting = this.#waiting;
    if (!waiting || (length && rest.length > Number(length[1]))) {
      // Somebody else's, or nobody's: what must never be.
      this.#fail(Object.assign(new Error(`more came than was asked for: ${this.#read.slice(0, 500)}`), { begun: true }));
      return this.close();
    }
    this.#waiting = undefined;
    this.#read = "";
    const cookies = /\r\nset-cookie:/i.test(head) ? [...head.matchAll(/\r\nset-cookie: *([^\r]*)/gi)].map(([, line]) => line) : [];
    if (/\r\nconnection: *close/i.test(head)) this.close();
    waiting.resolve({ status, head, cookies, body });
  }
}

// What the chunks come to, when the last of them is there.
function whole(rest) {
  let body = "";
  for (let at = 0; ;) {
    const line = rest.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(rest.slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (rest.length < next) return undefined;
    if (size === 0) return body;
    body += rest.slice(line + 2, line + 2 + size);
    at = next;
  }
}
