// An origin that tells whoever asks what it was told of them, in its body, in a header and in a cookie.
import { createServer } from "node:http";
import { later } from "../foreign/checks.mjs";

// Who an access token is about, without a look at its signature: here the question is whose it is.
const known = new Map();
export function subjectOf(token) {
  let subject = known.get(token);
  if (subject === undefined) {
    subject = JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;
    // Tokens that are over are asked about no more.
    if (known.size > 10_000) known.clear();
    known.set(token, subject);
  }
  return subject;
}

// Its URL. `asked` is how often it was asked anything.
export async function mirror() {
  const told = { asked: 0, url: "" };
  const server = createServer((request, answer) => {
    const parts = [];
    request.on("data", (part) => parts.push(part)).once("end", () => {
      told.asked += 1;
      const { authorization, cookie } = request.headers;
      const subject = authorization ? subjectOf(authorization) : null;
      const body = JSON.stringify({ subject, url: request.url, cookie, body: Buffer.concat(parts).toString("latin1") });
      answer.writeHead(200, {
        "content-type": "application/json", "content-length": Buffer.byteLength(body), "x-person": subject ?? "nobody",
        ...(subject && request.url.includes("/cookies") && { "set-cookie": `whose=${subject}; Path=/` }),
      }).end(body);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  later(() => {
    server.close();
    server.closeAllConnections();
  });
  told.url = `http://localhost:${server.address().port}`;
  return told;
}
