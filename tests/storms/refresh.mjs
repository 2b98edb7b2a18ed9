// A thousand requests at once of a session whose access token has expired.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { freePorts, key, routesTo, serve } from "../foreign/pair.mjs";
import { foreignIssuer } from "../foreign/provider.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { burst } from "./burst.mjs";
import { bearer, claimsOf, full, people, quantile, userinfo } from "./client.mjs";
import { deploy, stores } from "./stores.mjs";

const count = 1000;
// With our issuer, and with the other one.
const rounds = full ? { ours: 100, foreign: 20, others: 100 } : { ours: 3, foreign: 1, others: 1 };
// Rounds take turns with sessions: while one is stormed the tokens of the others expire. One more is left for
// when the issuer is away.
const sessions = full ? 8 : 3;
// Long enough that the new token outlives the round that brings it.
const accessTokenSeconds = full ? 30 : 12;
// A round that took longer says nothing, for then a second call may be right: it is made again, so often.
const patience = 5;
const modes = stores.filter((mode) => ["hybrid", "durable"].includes(mode));
// With our issuer alone, and with tokens that live longer: a thousand requests to a database take their time.
const otherSeconds = 40;
const others = stores.filter((mode) => !modes.includes(mode));

// Ours, with the proxy before it that counts.
async function withOurs(mode) {
  const isOther = others.includes(mode);
  const seconds = isOther ? otherSeconds : accessTokenSeconds;
  const { app, issuer, line } = await deploy(mode, { idp: { ACCESS_TOKEN_SECONDS: seconds } });
  return {
    name: `${mode}, our issuer`,
    rounds: isOther ? rounds.others : rounds.ours,
    seconds,
    app,
    line,
    calls: () => line.calls.filter(({ form }) => form.get("grant_type") === "refresh_token").length,
    async signIn(visitor) {
      const page = await visitor.follow(await visitor.open(`${app}/echo`));
      return visitor.follow(await visitor.submit(page, people[0]));
    },
    // Signed, alive, of this very session, and one generation on.
    async judge(token, before) {
      const claims = await claimsOf(issuer, token);
      assert.deepEqual([claims.iss, claims.aud.includes(issuer)], [issuer, true]);
      assert.equal((await userinfo(issuer, token)).sub, claims.sub);
      if (before) {
        assert.deepEqual([claims.sub, claims.sid, claims.family], [before.sub, before.sid, before.family]);
        assert.equal(claims.generation, before.generation + 1);
      }
      return claims;
    },
  };
}

// Somebody else's, which counts by itself, and whose refresh tokens work strictly once.
async function withForeign(mode) {
  const [gatewayPort, originPort] = await freePorts(2);
  const [app, origin] = [gatewayPort, originPort].map((port) => `http://localhost:${port}`);
  const secret = key();
  const issuer = await foreignIssuer({
    client_id: "gateway", client_secret: secret, id_token_signed_response_alg: "ES256",
    redirect_uris: [`${app}/auth/callback`], grant_types: ["authorization_code", "refresh_token"],
  }, { accessTokenSeconds, idTokenOnRefresh: true });
  await serve({
    gateway: {
      port: gatewayPort,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer.issuer, CLIENT_ID: "gateway", CLIENT_SECRET: secret, SESSION_MODE: mode,
        SEALING_KEYS: key(), ROUTES: routesTo(origin),
      },
    },
    origin: { port: originPort },
  });
  let guests = 0;
  return {
    name: `${mode}, npm's oidc-provider`,
    rounds: rounds.foreign,
    seconds: accessTokenSeconds,
    app,
    calls: () => issuer.refreshes + issuer.refused.length,
    async signIn(visitor) {
      guests += 1;
      let page = await visitor.follow(await visitor.open(`${app}/echo`));
      page = await visitor.follow(await visitor.submit(page, { login: `guest-${guests}`, password: "any" }));
      return visitor.follow(await visitor.submit(page));
    },
    async judge(token, before) {
      const answer = await fetch(`${issuer.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 200);
      const { sub } = await answer.json();
      if (before) assert.equal(sub, before.sub);
      return { sub, exp: Date.now() / 1000 + accessTokenSeconds };
    },
  };
}

// Somebody who is signed in, with the token that the origin got last.
async function arrive(world) {
  const visitor = new Visitor();
  const token = bearer(await world.signIn(visitor));
  return { world, visitor, token, claims: await world.judge(token) };
}

async function expiry({ claims }) {
  await sleep(Math.max(0, claims.exp * 1000 + 1100 - Date.now()));
}

// The requests that scripts of one page send, all with the cookies that the browser has now.
async function storm({ world, visitor }) {
  const before = world.calls();
  const headers = { accept: "*/*", cookie: visitor.cookie, "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", connection: "close" };
  const started = Date.now();
  const answers = await burst(Array.from({ length: count }, (_, index) => ({ url: `${world.app}/echo?${index}`, headers })));
  return { answers, calls: world.calls() - before, milliseconds: Date.now() - started };
}

// How many answers have which status.
function statuses(answers) {
  const counts = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

// One round, right in every respect.
async function round(session, tries = patience) {
  await expiry(session);
  const { answers, calls, milliseconds } = await storm(session);
  assert.deepEqual(statuses(answers), { 200: count });
  const tokens = new Set(answers.map(bearer));
  // Any of them: a browser obeys all, and the last one stays.
  const last = answers[Math.floor(Math.random() * count)];
  session.visitor.take(last);
  if (milliseconds > session.world.seconds * 900 && tries > 1) {
    console.log(`  a round took ${milliseconds} ms, which is too long to judge it: once more`);
    session.token = bearer(last);
    session.claims = await session.world.judge(session.token);
    return round(session, tries - 1);
  }
  assert.equal(calls, 1, `${calls} token calls`);
  assert.equal(tokens.size, 1, "different tokens reached the origin");
  const [token] = tokens;
  assert.notEqual(token, session.token);
  const claims = await session.world.judge(token, session.claims);
  assert.ok(answers.every(({ at }) => at < claims.exp * 1000), "a token reached the origin dead");
  Object.assign(session, { token, claims });
  return milliseconds;
}

await subject("storms", async (it) => {
  const worlds = await Promise.all([...modes.flatMap((mode) => [withOurs(mode), withForeign(mode)]), ...others.map(withOurs)]);
  const guests = new Map(worlds.map((world) => [world, []]));
  await Promise.all(worlds.map(async (world) => {
    for (let index = 0; index <= sessions; index += 1) guests.get(world).push(await arrive(world));
  }));

  let slowest = 0;
  await it("1,000 parallel requests of one session whose access token has expired cause exactly 1 token call and get 1,000 right answers", async () => {
    const took = new Map(worlds.map((world) => [world, []]));
    for (let index = 0; index < Math.max(...Object.values(rounds)); index += 1) {
      for (const world of worlds.filter(({ rounds }) => index < rounds)) {
        try {
          took.get(world).push(await round(guests.get(world)[index % sessions]));
        } catch (fault) {
          throw new Error(`round ${index + 1}, ${world.name}`, { cause: fault });
        }
      }
      if (full && (index + 1) % 10 === 0) console.log(`  ${index + 1} rounds`);
    }
    slowest = Math.max(...[...took.values()].flat());
    for (const world of worlds) {
      figure(`storm, ${world.name}: rounds, requests, token calls`, `${world.rounds}, ${world.rounds * count}, ${world.calls()}`);
      figure(`storm, ${world.name}: milliseconds for ${count} answers, median and worst`, `${quantile(took.get(world))}, ${quantile(took.get(world), 1)}`);
    }
  }, full ? 7200 : 300);

  await it("1,000 parallel requests while the issuer answers 503 make one call; nobody is signed out, and no call follows before Retry-After", async () => {
    // Two storms of two worlds have to be over before it is.
    const pause = 3 + Math.ceil(slowest * 4 / 1000);
    await Promise.all(worlds.filter(({ line }) => line).map(async (world) => {
      const session = guests.get(world).at(-1);
      await expiry(session);
      world.line.retryAfter = pause;
      world.line.next.push(503);
      const away = await storm(session);
      assert.deepEqual([statuses(away.answers), away.calls], [{ 503: count }, 1], world.name);
      for (const { headers } of away.answers) {
        const wait = Number(headers["retry-after"]);
        // Counted from when a request came, which may be the second before that of the one that made the call.
        assert.ok(wait >= 1 && wait <= pause + 1, `Retry-After: ${headers["retry-after"]}`);
        assert.equal(headers["set-cookie"], undefined);
      }
      const resting = await storm(session);
      assert.deepEqual([statuses(resting.answers), resting.calls], [{ 503: count }, 0], world.name);

      await sleep(Math.max(...resting.answers.map(({ headers, at }) => at + Number(headers["retry-after"]) * 1000)) + 100 - Date.now());
      await round(session);
      assert.deepEqual(world.line.next, []);
      figure(`storm, ${world.name}, 503 first: answers of 503 and of 200, token calls`, `${2 * count} and ${count}, 2`);
    }));
  }, 300);
});
