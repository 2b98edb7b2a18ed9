// What a client asks the issuer behind the browser's back: an HTTP proxy that the client is told to go through.
import { createServer, request } from "node:http";
import { later } from "./checks.mjs";
import { freePorts } from "./pair.mjs";

// In what it returns, `calls` are the requests that came by. While `together` is set, refreshes wait for so many of
// them, though not for long; while `lost` is set, the issuer refreshes and nobody hears of it.
export async function watch() {
  const [port] = await freePorts(1);
  const seen = {
    port, calls: [], together: 1, lost: false,
    to: (path) => seen.calls.filter((call) => call.path === path),
    refreshes: () => seen.calls.filter(isRefresh),
    forget: () => { seen.calls = []; },
  };
  const gathered = gathering(seen);

  const server = createServer(async (asked, answer) => {
    const call = { path: new URL(asked.url).pathname, headers: asked.headers };
    const body = await whole(asked);
    call.form = new URLSearchParams(body.toString());
    seen.calls.push(call);
    if (isRefresh(call)) await gathered();

    const onward = request(asked.url, { method: asked.method, headers: endToEnd(asked.headers) }, async (said) => {
      const text = await whole(said);
      Object.assign(call, { status: said.statusCode, answer: json(text) });
      if (isRefresh(call) && seen.lost) asked.socket.destroy();
      else answer.writeHead(said.statusCode, { ...endToEnd(said.headers), "content-length": text.length }).end(text);
    });
    onward.once("error", () => asked.socket.destroy());
    onward.end(body);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  later(() => {
    server.close();
    server.closeAllConnections();
  });
  return seen;
}

const isRefresh = ({ path, form }) => path === "/token" && form.get("grant_type") === "refresh_token";

// A client that asks fewer times than we wait for is not kept waiting: it may share the answer among its requests.
function gathering(seen) {
  const patience = 2000;
  let waiting = [];
  let timer;
  const go = () => {
    clearTimeout(timer);
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  return () => new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length >= seen.together) go();
    else if (waiting.length === 1) timer = setTimeout(go, patience);
  });
}

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

// Without what concerns one connection alone.
function endToEnd({ connection, "proxy-connection": proxy, "keep-alive": alive, "transfer-encoding": coding, ...headers }) {
  return headers;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
