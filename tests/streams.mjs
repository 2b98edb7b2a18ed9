// Streams through a session, on workerd: what passes, and that they end with the session, whoever ended it, wherever
// sessions are kept.
// node tests/streams.mjs [STREAMS]: so many are open when the spread of their ends is measured.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { figure, later, subject } from "./foreign/checks.mjs";
import { alice, freePorts, ourPair } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { database } from "./postgres.mjs";
import { postgres } from "../scripts/postgres.mjs";
import { bearer, read } from "./storms/client.mjs";

const many = Number(process.argv[2] ?? 100);
const forEver = "/sse?n=1000";
// Longer than any machine takes, and shorter than a stream of events lasts.
const patience = 60_000;

// Where sessions are that can be ended elsewhere.
const { missing } = postgres();
const stores = ["hybrid", "durable", "kv", ...(missing ? [] : ["postgres"])];

// A database for all of them.
let url;
async function databaseUrl() {
  if (url) return url;
  const [port] = await freePorts(1);
  const server = await database(port);
  later(server.stop);
  return (url = server.url);
}

// A pair of ours whose client is told of logouts, and which has these settings besides.
async function world(mode, { gateway = {}, idp = {}, told = true } = {}) {
  const kept = mode === "postgres" ? { DATABASE_URL: await databaseUrl() } : {};
  const { app, issuer } = await ourPair({
    idp, gateway: () => ({ SESSION_MODE: mode, REFRESH_TOKENS: "repeated", ...kept, ...gateway }), told, kv: mode === "kv",
  });
  const enter = async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/`));
    const landed = await visitor.follow(await visitor.submit(page, alice));
    assert.equal(landed.status, 200, landed.body.slice(0, 300));
    return visitor;
  };
  return { app, issuer, enter };
}

// A WebSocket of somebody, which is open; `ended` resolves to the code that it was closed with.
async function socket({ app }, visitor, path = "/ws") {
  const headers = { origin: app, ...(visitor && { cookie: visitor.cookie }) };
  const made = new WebSocket(app.replace("http", "ws") + path, { headers });
  later(() => made.terminate());
  const ended = new Promise((resolve) => made.once("close", (code) => resolve({ code, at: performance.now() })));
  await once(made, "open");
  return { made, ended, heard: () => once(made, "message").then(([data, binary]) => binary ? [...data] : String(data)) };
}

// A stream of events of somebody, which has begun; `ended` resolves to how it ended: "end", or an error.
async function events({ app }, visitor, path = forEver) {
  const headers = { accept: "text/event-stream", ...(visitor && { cookie: visitor.cookie }) };
  const asked = request(`${app}${path}`, { headers, agent: false });
  later(() => asked.destroy());
  asked.end();
  const [answer] = await once(asked, "response");
  assert.equal(answer.statusCode, 200);
  let text = "";
  const begun = once(answer, "data");
  answer.on("data", (part) => { text += part; });
  const ended = new Promise((resolve) => {
    answer.once("end", () => resolve({ how: "end", at: performance.now() }));
    answer.once("error", ({ code }) => resolve({ how: code, at: performance.now() }));
  });
  await begun;
  return { ended, close: () => asked.destroy(), said: () => text };
}

// Somebody's stream of events and their WebSocket.
const both = async (here, visitor) => [await socket(here, visitor), await events(here, visitor)];

async function areOver([one, two]) {
  assert.equal((await within(one.ended)).code, 1008);
  assert.equal((await within(two.ended)).how, "end");
}

async function areOpen([one, two]) {
  one.made.send("still here");
  assert.equal(await one.heard(), "still here");
  const before = two.said();
  for (let looks = 0; two.said() === before; looks += 1) {
    assert.ok(looks < 200, "the stream of events says nothing more");
    await sleep(50);
  }
}

// What a session does that lasts so many seconds, or twice or four or eight times as many, on a machine that takes its time.
async function inTime(seconds, act, most = 8 * seconds) {
  try {
    return await act(seconds);
  } catch (fault) {
    if (seconds >= most) throw fault;
    return inTime(2 * seconds, act, most);
  }
}

const within = (promise) => Promise.race([promise, sleep(patience, { how: "still open", code: "still open" }, { ref: false })]);

async function signOut({ app }, visitor) {
  const answer = await visitor.fetch(`${app}/auth/logout`, { method: "POST" });
  assert.equal(answer.status, 303, answer.body.slice(0, 300));
}

// By the person's own page at the issuer: the gateway hears of it by the back channel.
async function signOutAbove({ issuer }, visitor) {
  const page = await visitor.open(`${issuer}/end_session`);
  const answer = await visitor.submit(page, { confirm: "yes" });
  assert.ok(answer.status < 400, answer.body.slice(0, 300));
}

await subject("streams end with their session", async (it) => {
  if (missing) console.log(`  NOT RUN with postgres: ${missing}`);
  for (const mode of stores) {
    const here = await world(mode);
    const { app, enter } = here;

    await it(`${mode}: a WebSocket passes texts and bytes both ways, and its closing`, async () => {
      const { made, ended, heard } = await socket(here, await enter());
      made.send("caf\u00e9");
      assert.equal(await heard(), "caf\u00e9");
      made.send(Uint8Array.of(0, 255, 7));
      assert.deepEqual(await heard(), [0, 255, 7]);
      made.close(4001, "enough");
      assert.equal((await within(ended)).code, 4001);
    });

    await it(`${mode}: a stream of events that its origin ends, ends`, async () => {
      const { ended, said } = await events(here, await enter(), "/sse?n=3");
      assert.equal((await within(ended)).how, "end");
      assert.match(said(), /event 3 of 3\n\n$/);
    });

    const endings = {
      "signing out in another tab": signOut,
      "signing out at the issuer": signOutAbove,
      "a session ended from another browser": async () => {
        const other = await enter();
        const answer = await other.fetch(`${app}/auth/sessions`, { method: "DELETE" });
        assert.ok(answer.status < 300, `${answer.status} ${answer.body}`);
      },
    };
    for (const [how, end] of Object.entries(endings)) {
      await it(`${mode}: ${how} closes a WebSocket with 1008 and ends a stream of events, and nobody else's`, async () => {
        const visitor = await enter();
        const [one, two, open] = [await socket(here, visitor), await events(here, visitor), await socket(here, null, "/public/ws")];
        await end(here, visitor);
        assert.equal((await within(one.ended)).code, 1008);
        assert.equal((await within(two.ended)).how, "end");
        assert.equal(open.made.readyState, WebSocket.OPEN);
        const bystander = await enter();
        const still = await socket(here, bystander);
        still.made.send("here");
        assert.equal(await still.heard(), "here");
        open.made.close();
        still.made.close();
      });
    }

    await it(`${mode}: ${many} streams of one session end when it ends`, async () => {
      const visitor = await enter();
      const open = await Promise.all(Array.from({ length: many }, (_, n) => n % 2 ? socket(here, visitor) : events(here, visitor)));
      const began = performance.now();
      await signOut(here, visitor);
      const ends = await Promise.all(open.map(({ ended }) => within(ended)));
      for (const { how, code } of ends) assert.ok(how === "end" || code === 1008, `${how} ${code}`);
      const took = ends.map(({ at }) => at - began).sort((a, b) => a - b);
      figure(`${mode}: until ${many} streams had ended, p50 and p99, ms`, `${took[many >> 1].toFixed(0)}, ${took[Math.floor(many * 0.99)].toFixed(0)}`);
    });

    await it(`${mode}: a session that is over opens no stream`, async () => {
      const visitor = await enter();
      const { cookie } = visitor;
      await signOut(here, visitor);
      const made = new WebSocket(`${app.replace("http", "ws")}/ws`, { headers: { origin: app, cookie } });
      const [code] = await Promise.race([
        once(made, "close"), once(made, "unexpected-response").then(([, answer]) => [answer.statusCode]),
      ]);
      // What hybrid and kv believe for a while opens one, and its watch closes it.
      const right = { hybrid: [1008], kv: [401, 1008], durable: [401], postgres: [401] };
      assert.ok(right[mode].includes(code), code);
    });
  }

  // An issuer that tells nobody who has signed out there, and whose refresh tokens end with that: the next refresh finds out.
  const untold = { idp: { ACCESS_TOKEN_SECONDS: 6 }, gateway: { SCOPE: "openid profile email" }, told: false };
  for (const mode of stores) {
    const here = await world(mode, untold);
    const { app, enter } = here;

    await it(`gr_20, ${mode}: a stream outlives the access token that it began with, and no request has a token that is over`, async () => {
      const visitor = await enter();
      const first = read(bearer(await visitor.fetch(`${app}/echo`)));
      const open = await both(here, visitor);
      while (Date.now() / 1000 < first.exp + 1) {
        await sleep(500);
        const now = Math.floor(Date.now() / 1000);
        const { exp } = read(bearer(await visitor.fetch(`${app}/echo`)));
        assert.ok(exp > now, `${now - exp} s too old`);
      }
      await areOpen(open);
      await signOut(here, visitor);
      await areOver(open);
    }, 120);

    await it(`cs_13, ${mode}: a refresh that is refused for good ends what is open`, async () => {
      const visitor = await enter();
      const open = await both(here, visitor);
      await signOutAbove(here, visitor);
      await areOpen(open);
      let status;
      for (const end = Date.now() + patience; status !== 401 && Date.now() < end; await sleep(200)) {
        ({ status } = await visitor.fetch(`${app}/echo`));
      }
      assert.equal(status, 401);
      await areOver(open);
    }, 120);
  }

  const sleepers = await Promise.all(stores.map((mode) => inTime(8, async (idle) => {
    const here = await world(mode, { gateway: { SESSION_IDLE_SECONDS: String(idle) } });
    const visitor = await here.enter();
    return { mode, here, visitor, open: await both(here, visitor), idle };
  })));
  await sleep((Math.max(...sleepers.map(({ idle }) => idle)) + 1) * 1000);
  for (const { mode, here, visitor, open } of sleepers) {
    await it(`cs_13, ${mode}: idling alone ends nothing that is open, and being found idle does`, async () => {
      await areOpen(open);
      assert.equal((await visitor.fetch(`${here.app}/echo`)).status, 401);
      await areOver(open);
    });
  }

  for (const mode of ["hybrid", "postgres", "sealed"].filter((mode) => mode === "sealed" || stores.includes(mode))) {
    await it(`${mode}: the absolute end closes what is open`, async () => {
      await areOver(await inTime(6, async (life) => {
        const here = await world(mode, { gateway: { SESSION_ABSOLUTE_SECONDS: String(life), SESSION_IDLE_SECONDS: String(life) } });
        return both(here, await here.enter());
      }));
    }, 200);
  }
});
