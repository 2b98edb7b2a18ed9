// GR-02: many sessions, each with many requests at once, all of them when their access tokens have expired.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { flood } from "./burst.mjs";
import { bearer, full, people, read, userinfo } from "./client.mjs";
import { arrive, deploy, stores } from "./stores.mjs";

const [sessions, each] = full ? [200, 50] : [20, 50];
// Longer than a storm may take: who has a token of this round needs no other.
const accessTokenSeconds = full ? 120 : 15;
const script = { accept: "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", connection: "close" };

async function begin({ app }, person) {
  const { visitor, page } = await arrive(app, person, "/echo");
  return { visitor, claims: read(bearer(page)) };
}

// Everybody is there, and nobody's token is alive any more.
async function gather(mode) {
  const world = await deploy(mode, { idp: { ACCESS_TOKEN_SECONDS: accessTokenSeconds } });
  world.guests = [];
  while (world.guests.length < sessions) {
    world.guests.push(...await Promise.all(people.map((person) => begin(world, person))));
  }
  world.guests.length = sessions;
  return world;
}

// One generation on, of the same sign-in.
function isNext(claims, before) {
  assert.deepEqual([claims.sub, claims.sid, claims.family], [before.sub, before.sid, before.family], "somebody else's token");
  assert.equal(claims.generation, before.generation + 1, "more than one step");
}

async function storm({ mode, app, issuer, line, guests }) {
  const ends = Math.max(...guests.map(({ claims }) => claims.exp));
  await sleep(Math.max(0, ends * 1000 + 1100 - Date.now()));
  const before = line.calls.length;
  const started = Date.now();
  // One of each in turn, so that nobody comes first.
  const asked = Array.from({ length: sessions * each }, (_, index) => guests[index % sessions]);
  const answers = await flood(asked.map(({ visitor }, index) => ({ url: `${app}/echo?${index}`, headers: { ...script, cookie: visitor.cookie } })));
  const milliseconds = Date.now() - started;
  // Whoever looks later may find the token after it, which is right as well.
  const inTime = () => Date.now() < started + accessTokenSeconds * 900;
  const calls = line.calls.slice(before).map(({ form }) => form.get("refresh_token"));
  if (inTime()) assert.equal(calls.length, sessions, `${calls.length} token calls`);
  else console.log(`  ${milliseconds} ms is too long to say that there was one token call each`);
  assert.ok(new Set(calls).size >= sessions, "somebody was left out");

  const tokens = new Map(guests.map((guest) => [guest, new Set()]));
  let busy = 0;
  for (const [index, answer] of answers.entries()) {
    // Who has waited for ten seconds is told to come back, which a busy machine may lead to; nothing else is right.
    if (answer.status === 503 && Number(answer.headers["retry-after"]) >= 1) {
      busy += 1;
      assert.equal(answer.headers["set-cookie"], undefined);
      continue;
    }
    tokens.get(asked[index]).add(bearer(answer));
    asked[index].visitor.take(answer);
  }
  for (const [{ claims }, got] of tokens) {
    if (!inTime()) break;
    assert.ok(got.size <= 1, "one session has two tokens");
    for (const token of got) isNext(read(token), claims);
  }
  // And everybody is still there, with the token of this storm.
  for (const guest of guests) {
    const page = await guest.visitor.fetch(`${app}/echo`);
    const token = bearer(page);
    const claims = read(token);
    assert.deepEqual([claims.sub, claims.sid, claims.family], [guest.claims.sub, guest.claims.sid, guest.claims.family]);
    if (inTime()) isNext(claims, guest.claims);
    const who = await userinfo(issuer, token);
    if (Date.now() < claims.exp * 1000) assert.equal(who.sub, guest.claims.sub);
  }
  figure(`many, ${mode}: sessions, requests, right answers, 503, token calls, lost`, `${sessions}, ${answers.length}, ${answers.length - busy}, ${busy}, ${calls.length}, 0`);
  figure(`many, ${mode}: milliseconds for ${answers.length} answers`, milliseconds);
}

await subject("many sessions", async (it) => {
  const worlds = await Promise.all(stores.map(gather));
  for (const world of worlds) {
    await it(`gr_02, ${world.mode}: ${sessions} sessions with ${each} requests each, whose tokens expired at the same time, make ${sessions} token calls, and none is lost`, () => storm(world), 300);
  }
});
