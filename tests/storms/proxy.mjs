// Stands between the gateway and our issuer, counts token calls, and does to them what it is told.
import { Agent, createServer, request } from "node:http";
import { later } from "../foreign/checks.mjs";
import { freePorts } from "../foreign/pair.mjs";

// `next` holds what happens to the next token calls, the first first; with nothing there a call passes.
//   before    the connection breaks before the issuer has heard anything
//   after     it breaks when the issuer has done it all, and nothing of the answer arrives
//   cut       it breaks in the middle of the answer's body
//   silent    the connection stays, and nothing ever comes
//   a number  that status, with `Retry-After`, and the issuer hears nothing
// `calls` is what became of each token call: `status`, when the issuer had answered (`at`), when that was let go (`left`),
// and the tokens that it `brought`. `hold(call, stage)` is waited for with each of them, when the issuer is about to hear it
// (`coming`) and when it has done it all (`going`).
export async function proxy() {
  const [port] = await freePorts(1);
  // workerd closes what has been idle for five seconds, perhaps just as it is used again.
  const agent = new Agent({ keepAlive: true, timeout: 2000 });
  const line = { url: `http://localhost:${port}`, calls: [], next: [], retryAfter: 2, issuerPort: 0, hold: async () => {} };

  const server = createServer((asked, answer) => {
    const parts = [];
    // Whoever asks may go away; that is no fault of ours.
    asked.on("error", () => {}).on("data", (part) => parts.push(part)).once("end", () => {
      pass(line, agent, asked, Buffer.concat(parts), answer).catch(() => answer.destroy());
    });
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  later(() => {
    server.close();
    server.closeAllConnections();
    agent.destroy();
  });
  return line;
}

async function pass(line, agent, asked, body, answer) {
  if (asked.method !== "POST" || asked.url !== "/token") return send(answer, await forward(line, agent, asked, body));
  // Noted when it arrives: that a call is made is what is counted, not that it ends well.
  const call = { form: new URLSearchParams(body.toString()), fate: line.next.shift() ?? "pass" };
  line.calls.push(call);
  if (call.fate === "before") return answer.destroy();
  if (call.fate === "silent") return;
  if (typeof call.fate === "number") {
    answer.writeHead(call.fate, { "retry-after": line.retryAfter });
    return answer.end();
  }
  await line.hold(call, "coming");
  const got = await forward(line, agent, asked, body);
  call.status = got.status;
  call.at = Date.now();
  if (got.status === 200) call.brought = JSON.parse(got.body);
  await line.hold(call, "going");
  call.left = Date.now();
  if (call.fate === "after") return answer.destroy();
  if (call.fate === "cut") {
    answer.writeHead(got.status, { ...got.headers, "content-length": got.body.length });
    // Not before it has left us.
    return answer.write(got.body.subarray(0, got.body.length / 2), () => answer.destroy());
  }
  send(answer, got);
}

function send(answer, { status, headers, body }) {
  answer.writeHead(status, { ...headers, "content-length": body.length });
  answer.end(body);
}

// The same request, with the `Host` that it came with: to the issuer its URL is ours.
function forward({ issuerPort }, agent, asked, body) {
  return new Promise((resolve, reject) => {
    const { method, url: path, headers } = asked;
    const sent = request({ host: "127.0.0.1", port: issuerPort, method, path, headers, agent }, (got) => {
      const parts = [];
      got.on("data", (part) => parts.push(part)).once("error", reject).once("end", () => {
        const { "transfer-encoding": _, connection: __, "keep-alive": ___, ...headers } = got.headers;
        resolve({ status: got.statusCode, headers, body: Buffer.concat(parts) });
      });
    });
    sent.once("error", reject).end(body);
  });
}
