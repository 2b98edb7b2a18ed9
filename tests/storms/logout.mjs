// GS-13, GR-14: somebody signs out while the token call of their session is under way.
// SEED=number repeats the moments of a run, which prints its own; ROUNDS=n makes so many.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { Client, bearer, full, people, send, userinfo } from "./client.mjs";
import { dice, seed } from "./dice.mjs";
import { arrive, deploy, stores } from "./stores.mjs";

const rounds = Number(process.env.ROUNDS ?? (full ? 100 : 8));
const accessTokenSeconds = 5;
const script = { accept: "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" };
// Where the token call is when they sign out: before the issuer has heard it, when the issuer has done it all and the
// gateway knows nothing of it, or let go at about the same time, so that either may be first.
const moments = ["coming", "going", "race"];

async function begin(mode) {
  const world = await deploy(mode, { idp: { ACCESS_TOKEN_SECONDS: accessTokenSeconds } });
  world.client = new Client(world.id, world.secret);
  world.random = dice(seed);
  world.guests = [];
  while (world.guests.length < rounds) {
    const pages = await Promise.all(people.map((person) => arrive(world.app, person, "/echo")));
    world.guests.push(...pages.map(({ visitor, page }) => ({ visitor, tokens: [bearer(page)] })));
  }
  world.guests.length = rounds;
  await sleep(accessTokenSeconds * 1000 + 1100);
  world.seen = { won: 0, lost: 0, brought: 0 };
  return world;
}

// The next token call stands still at `stage` until it is let go.
function holding(line, stage) {
  const held = {};
  held.here = new Promise((resolve) => {
    held.let = new Promise((release) => {
      held.go = release;
      line.hold = async (call, at) => {
        if (call.form.get("grant_type") !== "refresh_token" || at !== stage) return undefined;
        held.call = call;
        resolve(true);
        return held.let;
      };
    });
  });
  return held;
}

async function round(world, guest, index) {
  const { app, issuer, line, client, random, seen } = world;
  const moment = moments[index % moments.length];
  const stage = moment === "race" ? moments[Math.floor(random() * 2)] : moment;
  const held = holding(line, stage);
  const kept = guest.visitor.cookie;
  const ask = (cookie) => fetch(`${app}/api/echo`, { headers: { ...script, cookie }, redirect: "manual" });
  const asked = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ask(kept));
  await held.here;

  const wait = { logout: 0, go: 0 };
  if (moment === "race") for (const who of Object.keys(wait)) wait[who] = random() * 25;
  const left = sleep(wait.logout).then(() => fetch(`${app}/auth/logout`, {
    method: "POST", redirect: "manual", headers: { ...script, origin: app, cookie: kept }, signal: AbortSignal.timeout(60_000),
  }));
  // Whoever signs out waits for nobody's token call.
  if (moment === "race") await sleep(wait.go);
  else assert.equal((await left).status, 303, "signing out");
  // The old token is revoked behind the answer: the call may come to the issuer before that, or after it.
  if (moment === "coming") await sleep(random() * 80);
  held.go();
  assert.equal((await left).status, 303, "signing out");
  const answers = await Promise.all(asked);

  // What the requests were answered is the old session, or nothing; and no cookie of theirs brings it back.
  const cookies = [kept];
  for (const answer of answers) {
    assert.ok([200, 401, 503].includes(answer.status), `${answer.status}`);
    if (moment !== "race") assert.notEqual(answer.status, 200, "it was served after the end");
    const browser = new Visitor();
    browser.take({ headers: { "set-cookie": answer.headers.getSetCookie() } });
    if (browser.cookies.size) cookies.push(browser.cookie);
    if (answer.status === 200) guest.tokens.push(bearer({ status: 200, body: await answer.text() }));
  }
  seen[answers.some(({ status }) => status === 200) ? "lost" : "won"] += 1;
  guest.cookies = cookies;
  guest.refresh = [held.call.form.get("refresh_token"), held.call.brought?.refresh_token].filter(Boolean);
  if (held.call.brought) seen.brought += 1;

  // What it brought is revoked, soon after.
  for (const token of guest.refresh) {
    for (let looks = 0; ; looks += 1) {
      const { status, body } = await send(client.introspection(issuer, token));
      assert.equal(status, 200);
      if (!body.active) break;
      assert.ok(looks < 200, `${moment}, ${stage}: what the token call brought lives on`);
      await sleep(25);
    }
  }
}

// Nobody is back, by any cookie that was ever seen, and no token leads anywhere.
async function look({ app, issuer, client }, { cookies, refresh, tokens }) {
  for (const cookie of cookies) {
    const answer = await fetch(`${app}/api/echo`, { headers: { ...script, cookie }, redirect: "manual" });
    assert.equal(answer.status, 401, "who signed out is signed in");
    const who = await (await fetch(`${app}/auth/session`, { headers: { ...script, cookie } })).json();
    assert.equal(who.signed_in, false);
  }
  for (const token of refresh) {
    const { status, body } = await send(client.refresh(issuer, token));
    assert.deepEqual([status, body.error], [400, "invalid_grant"]);
  }
  for (const token of tokens) assert.equal((await userinfo(issuer, token)).status, 401);
}

await subject("signing out in the middle of a refresh", async (it) => {
  console.log(`  SEED=${seed}`);
  const worlds = await Promise.all(stores.map(begin));
  for (const world of worlds) {
    const { mode, guests, seen } = world;
    await it(`gs_13, ${mode}: signing out wins, wherever the token call is; the session stays dead, and what the call brought is revoked`, async () => {
      for (const [index, guest] of guests.entries()) {
        try {
          await round(world, guest, index);
        } catch (fault) {
          throw new Error(`round ${index + 1}`, { cause: fault });
        }
      }
      world.line.hold = async () => {};
      // No cookie that was given meanwhile is believed by then: its token is over.
      await sleep(accessTokenSeconds * 1000 + 1100);
      for (const guest of guests) await look(world, guest);
      assert.ok(seen.brought > 0, "no token call brought anything");
      figure(`logout, ${mode}: rounds, token calls that brought tokens, requests served before the end, sessions alive`, `${rounds}, ${seen.brought}, ${seen.lost}, 0`);
    }, 15 * rounds + 120);
  }
});
