// Requests that two readers could take for different ones, written byte by byte, on workerd: node tests/smuggling.mjs
// The origin notes every byte that it is sent. Whatever comes, it is one request, or none and an answer of 4xx; or 502, where
// the request was good and its body breaks off.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { later, subject } from "./foreign/checks.mjs";
import { freePorts, pair, serveBare } from "./foreign/pair.mjs";

const crlf = "\r\n";
// Nobody may reach this without a session.
const hidden = `GET /smuggled HTTP/1.1${crlf}Host: HOST${crlf}X-User-Id: admin${crlf}${crlf}`;

// An origin that reads as simply as it can: the head, then by `Content-Length` or in chunks. It keeps the raw text.
async function origin(port) {
  const heads = [];
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => {}).on("data", (part) => {
      text += part.toString("latin1");
      for (;;) {
        const end = text.indexOf(crlf + crlf);
        if (end < 0) return;
        const head = text.slice(0, end);
        const rest = text.slice(end + 4);
        const length = /^content-length: *(\d+)$/im.exec(head);
        const chunked = /^transfer-encoding: *chunked$/im.test(head);
        let size = 0;
        if (chunked) {
          const last = /(?:^|\r\n)0\r\n\r\n/.exec(rest);
          if (!last) return;
          size = last.index + last[0].length;
        } else if (length) {
          size = Number(length[1]);
        }
        if (rest.length < size) return;
        heads.push(head);
        text = rest.slice(size);
        socket.write(`HTTP/1.1 200 OK${crlf}Content-Length: 4${crlf}Content-Type: text/plain${crlf}${crlf}ok${crlf}`);
      }
    });
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  later(async () => server.close());
  return heads;
}

// Everything that comes back on a connection of its own: until the other side closes it, or says nothing for a while.
function say(port, bytes) {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    const parts = [];
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(parts).toString("latin1"));
    };
    socket.setTimeout(1500, done).on("data", (part) => parts.push(part)).on("error", done).on("close", done);
    socket.write(Buffer.from(bytes, "latin1"));
  });
}

const post = (headers, body) => [`POST /public/first HTTP/1.1`, `Host: HOST`, ...headers, "", body].join(crlf);
const chunks = `1${crlf}x${crlf}0${crlf}${crlf}`;

const ambiguous = {
  "Content-Length and chunks": post(["Content-Length: 6", "Transfer-Encoding: chunked"], `0${crlf}${crlf}${hidden}`),
  "chunks and Content-Length": post(["Transfer-Encoding: chunked", "Content-Length: 3"], `8${crlf}SMUGGLED${crlf}0${crlf}${crlf}${hidden}`),
  "Content-Length of 0, and chunks": post(["Content-Length: 0", "Transfer-Encoding: chunked"], chunks + hidden),
  "a coding beside chunked": post(["Transfer-Encoding: chunked, xchunked"], chunks + hidden),
  "a coding that is not chunked": post(["Transfer-Encoding: xchunked"], chunks + hidden),
  "chunked twice": post(["Transfer-Encoding: chunked, chunked"], chunks + hidden),
  "chunked in two headers": post(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], chunks + hidden),
  "a space before the colon": post(["Transfer-Encoding : chunked", "Content-Length: 5"], chunks + hidden),
  "a tab before the word": post(["Transfer-Encoding:\tchunked", "Content-Length: 5"], chunks + hidden),
  "a vertical tab before the word": post(["Transfer-Encoding:\x0bchunked", "Content-Length: 5"], chunks + hidden),
  "two lengths": post(["Content-Length: 1", "Content-Length: 5"], `x${hidden}`),
  "two lengths in one": post(["Content-Length: 1, 5"], `x${hidden}`),
  "a length with a sign": post(["Content-Length: +1"], `x${hidden}`),
  "a negative length": post(["Content-Length: -1"], `x${hidden}`),
  "a length in hexadecimal": post(["Content-Length: 0x1"], `x${hidden}`),
  "a length too large to count": post([`Content-Length: ${2n ** 64n + 1n}`], `x${hidden}`),
  "a length with a space in it": post(["Content-Length: 1 0"], `x${hidden}`),
  "a folded length": post(["Content-Length:", " 1"], `x${hidden}`),
  "chunked in a folded line": post(["X-Folded: x", " Transfer-Encoding: chunked", "Content-Length: 1"], `x${hidden}`),
  "a line that begins with a space": post([" Content-Length: 1"], `x${hidden}`),
  "only line feeds": post(["Content-Length: 1"], `x${hidden}`).replaceAll(crlf, "\n"),
  "a line feed in front of chunked": post(["X-Line: x\nTransfer-Encoding: chunked", "Content-Length: 1"], `x${hidden}`),
  "a carriage return in front of chunked": post(["X-Line: x\rTransfer-Encoding: chunked", "Content-Length: 1"], `x${hidden}`),
  "a NUL in a header": post(["X-Line: x\0y", "Content-Length: 1"], `x${hidden}`),
  "a chunk with an extension": post(["Transfer-Encoding: chunked"], `1;a="${crlf}x${crlf}0${crlf}${crlf}${hidden}`),
  "a chunk with a line feed in its extension": post(["Transfer-Encoding: chunked"], `1;\nx${crlf}0${crlf}${crlf}${hidden}`),
  "a chunk too large to count": post(["Transfer-Encoding: chunked"], `10000000000000001${crlf}x${crlf}0${crlf}${crlf}${hidden}`),
  "a chunk with a sign": post(["Transfer-Encoding: chunked"], `+1${crlf}x${crlf}0${crlf}${crlf}${hidden}`),
  "a chunk that is longer than it says": post(["Transfer-Encoding: chunked"], `1${crlf}xx${crlf}0${crlf}${crlf}${hidden}`),
  "trailers": post(["Transfer-Encoding: chunked", "Trailer: X-User-Id"], `1${crlf}x${crlf}0${crlf}X-User-Id: admin${crlf}Content-Length: 9${crlf}${crlf}${hidden}`),
  "a body of a GET": `GET /public/first HTTP/1.1${crlf}Host: HOST${crlf}Content-Length: ${hidden.length}${crlf}${crlf}${hidden}`,
  "a body without a length": post([], hidden),
  "a length of 0, and a body": post(["Content-Length: 0"], hidden),
};

await subject("requests that could be two", async (it) => {
  const [port] = await freePorts(1);
  const heads = await origin(port);
  const at = `http://localhost:${port}`;
  const { config, app } = await pair({
    gateway: () => ({
      ROUTES: [{ prefix: "/public", origin: at, access: "public" }, { prefix: "/", origin: at, access: "signed-in" }],
    }),
  });
  await serveBare(config);
  const { host, port: door } = new URL(app);
  const ask = (text) => say(Number(door), text.replaceAll("HOST", host));
  const answered = (said) => [...said.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  const headers = (head, name) => head.match(new RegExp(`^${name}:`, "gim"))?.length ?? 0;

  const ordinary = async () => {
    const said = await ask(`GET /public/after HTTP/1.1${crlf}Host: HOST${crlf}Connection: close${crlf}${crlf}`);
    assert.deepEqual(answered(said), [200]);
    assert.match(heads.pop(), /^GET \/public\/after /);
  };
  const judge = async (text) => {
    heads.length = 0;
    const statuses = answered(await ask(text));
    for (const head of heads) {
      assert.match(head, /^(POST|GET) \/public\/first HTTP\/1\.1/);
      assert.ok(headers(head, "content-length") + headers(head, "transfer-encoding") <= 1, head);
      assert.ok(!/admin/.test(head), head);
    }
    assert.ok(heads.length <= 1, `${heads.length} requests`);
    assert.ok(statuses.filter((status) => status === 200).length <= heads.length, statuses.join());
    if (heads.length === 0) assert.ok(statuses.every((status) => status >= 400 && status <= 502 && status !== 500), statuses.join());
    heads.length = 0;
    await ordinary();
  };

  await it("an ordinary request is one", async () => {
    await ordinary();
    const said = await ask(post(["Transfer-Encoding: chunked", "Connection: close"], chunks));
    assert.deepEqual(answered(said), [200]);
    assert.equal(heads.length, 1);
  });

  await it("two ordinary requests in one packet are two, and each is judged", async () => {
    heads.length = 0;
    const statuses = answered(await ask(post(["Content-Length: 1"], "x") + hidden));
    assert.deepEqual(statuses, [200, 401]);
    assert.equal(heads.length, 1);
  });

  for (const [what, text] of Object.entries(ambiguous)) {
    await it(`gp_17: ${what}: one request at the origin, or 4xx`, () => judge(text));
  }

  const odd = {
    "an absolute target at another host": `GET http://evil.test/smuggled HTTP/1.1${crlf}Host: HOST${crlf}${crlf}`,
    "an absolute target here": `GET http://HOST/smuggled HTTP/1.1${crlf}Host: HOST${crlf}${crlf}`,
    "a pseudo-header of the path": `GET /smuggled HTTP/1.1${crlf}Host: HOST${crlf}:path: /public/first${crlf}${crlf}`,
    "a pseudo-header of the authority": `GET /smuggled HTTP/1.1${crlf}Host: HOST${crlf}:authority: evil.test${crlf}${crlf}`,
    "a call of gRPC": `POST /smuggled HTTP/1.1${crlf}Host: HOST${crlf}Content-Type: application/grpc${crlf}TE: trailers${crlf}Content-Length: 5${crlf}${crlf}\0\0\0\0\0`,
    "the beginning of HTTP/2": `PRI * HTTP/2.0${crlf}${crlf}SM${crlf}${crlf}`,
    "an upgrade to HTTP/2": `GET /smuggled HTTP/1.1${crlf}Host: HOST${crlf}Connection: Upgrade, HTTP2-Settings${crlf}Upgrade: h2c${crlf}HTTP2-Settings: AAMAAABkAAQAAP__${crlf}${crlf}`,
    "two hosts": `GET /smuggled HTTP/1.1${crlf}Host: HOST${crlf}Host: evil.test${crlf}${crlf}`,
    "an asterisk": `OPTIONS * HTTP/1.1${crlf}Host: HOST${crlf}${crlf}`,
    "a target without a slash": `GET smuggled HTTP/1.1${crlf}Host: HOST${crlf}${crlf}`,
  };
  for (const [what, text] of Object.entries(odd)) {
    await it(`gp_34: ${what}: the same policy, and nothing reaches the origin`, () => judge(text));
  }
});
