// Large bodies through the gateway, up and down, and what workerd keeps in memory meanwhile: node tests/bodies.mjs [--full]
// 64 MiB each way; with --full 1 GiB. On Linux, whose /proc says how much a process keeps.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { platform } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryOf } from "./bench/processes.mjs";
import { figure, later, notRun, subject } from "./foreign/checks.mjs";
import { alice, freePorts, pair, serveBare } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { full } from "./storms/client.mjs";

const mebibyte = 2 ** 20;
const size = (full ? 1024 : 64) * mebibyte;
// What may be under way between three processes, and what a collector of garbage leaves lying about for a while.
const most = 48;

if (platform !== "linux") {
  console.log("NOT RUN: only Linux says what a process keeps in memory");
  process.exit(notRun);
}

const chunk = Buffer.from(Uint8Array.from({ length: mebibyte }, (_, index) => index % 251));

// Writes so many bytes of a pattern, as fast as the other side takes them. `wrote` is told how many there are so far.
async function pour(to, bytes, wrote = () => {}) {
  for (let done = 0; done < bytes; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, bytes - done));
    const more = to.write(part);
    wrote(done + part.length);
    if (!more) await writable(to);
    if (to.destroyed) return;
  }
  to.end();
}

// Resolves when there is room again, or nobody who would take it.
function writable(to) {
  return new Promise((resolve) => {
    const over = () => {
      for (const event of ["drain", "close"]) to.off(event, over);
      resolve();
    };
    for (const event of ["drain", "close"]) to.on(event, over);
  });
}

// Counts what comes, and holds each byte against the pattern.
async function drain(from) {
  let bytes = 0;
  for await (const part of from) {
    for (let at = 0; at < part.length; at += 4093) assert.equal(part[at], ((bytes + at) % mebibyte) % 251);
    bytes += part.length;
  }
  return bytes;
}

// GET /down?bytes=N answers with so many bytes (as a stream of events with &events), PUT /up says how many came.
async function origin(port, told) {
  const server = createServer(async (asked, answer) => {
    const url = new URL(asked.url, "http://origin");
    const path = url.pathname.replace(/^\/public/, "");
    if (path === "/up") return answer.end(String(await drain(asked)));
    if (path !== "/down") return answer.end();
    const bytes = Number(url.searchParams.get("bytes"));
    answer.setHeader("content-type", url.searchParams.has("events") ? "text/event-stream" : "application/octet-stream");
    if (url.searchParams.has("length")) answer.setHeader("content-length", bytes);
    await pour(answer, bytes, (count) => { told.sent = count; });
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  later(async () => {
    server.closeAllConnections();
    server.close();
  });
}

await subject(`bodies of ${size / mebibyte} MiB`, async (it) => {
  const [port] = await freePorts(1);
  const told = { sent: 0 };
  await origin(port, told);
  const at = `http://localhost:${port}`;
  const { config, app } = await pair({
    gateway: () => ({
      ROUTES: [{ prefix: "/public", origin: at, access: "public" }, { prefix: "/", origin: at, access: "signed-in" }],
    }),
  });
  const { workerd } = await serveBare(config);
  const visitor = new Visitor();
  const page = await visitor.follow(await visitor.open(`${app}/`));
  assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);

  const headers = { origin: app, cookie: visitor.cookie };
  const ask = (path, options = {}) => request(`${app}${path}`, { agent: false, ...options, headers: { ...headers, ...options.headers } });
  const answerOf = async (asked) => (await once(asked, "response"))[0];
  const down = async (path) => {
    const asked = ask(path);
    asked.end();
    const answer = await answerOf(asked);
    assert.equal(answer.statusCode, 200);
    return drain(answer);
  };
  const up = async (path, bytes, more = {}) => {
    const asked = ask(path, { method: "PUT", headers: more });
    const answered = answerOf(asked);
    await pour(asked, bytes);
    const answer = await answered;
    assert.equal(answer.statusCode, 200);
    let text = "";
    for await (const part of answer) text += part;
    return Number(text);
  };

  // How much more workerd keeps at the most while something goes on, in MiB.
  const grows = async (act) => {
    const before = memoryOf(workerd);
    let [peak, over] = [before, false];
    const done = act().finally(() => { over = true; });
    done.catch(() => {});
    while (!over) {
      peak = Math.max(peak, memoryOf(workerd));
      await sleep(20);
    }
    await done;
    return { before, more: Math.max(0, peak - before) };
  };

  const ways = {
    "down, chunked, signed in": (bytes) => down(`/down?bytes=${bytes}`),
    "down with its length, public": (bytes) => down(`/public/down?bytes=${bytes}&length`),
    "down as a stream of events, signed in": (bytes) => down(`/down?bytes=${bytes}&events`),
    "up, chunked, signed in": (bytes) => up("/up", bytes),
    "up with its length, public": (bytes) => up("/public/up", bytes, { "content-length": bytes }),
  };
  for (const [how, act] of Object.entries(ways)) {
    await it(`${how}: all of it arrives, and nothing of it is kept`, async () => {
      // What the first of its kind makes workerd allocate is there before it counts.
      assert.equal(await act(8 * mebibyte), 8 * mebibyte);
      const { before, more } = await grows(async () => assert.equal(await act(size), size));
      figure(`${how}: workerd before, and at the most besides, MiB`, `${before.toFixed(0)}, ${more.toFixed(0)}`);
      assert.ok(more < most, `${more.toFixed(0)} MiB more`);
    }, 600);
  }

  await it("who reads slowly holds up the origin, and nothing piles up in between", async () => {
    const asked = ask(`/down?bytes=${size}`);
    asked.end();
    const answer = await answerOf(asked);
    told.sent = 0;
    const { more } = await grows(() => sleep(2000));
    assert.ok(told.sent < size, "the origin has sent all of it");
    assert.ok(more < most, `${more.toFixed(0)} MiB more`);
    figure("sent by the origin while nobody reads, MiB", (told.sent / mebibyte).toFixed(0));
    answer.destroy();
  });
});
