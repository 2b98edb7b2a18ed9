// GR-16: many requests at once of a session that is in the browser alone. There is nowhere where they could meet: each
// makes a token call, and the issuer has to make one step of all of them. ROUNDS=n makes so many.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { burst } from "./burst.mjs";
import { bearer, claimsOf, full, people, userinfo } from "./client.mjs";
import { arrive, deploy } from "./stores.mjs";

const count = full ? 1000 : 200;
const rounds = Number(process.env.ROUNDS ?? (full ? 100 : 1));
// Rounds take turns with sessions: while one is stormed the tokens of the others expire.
const sessions = full ? 6 : 1;
const accessTokenSeconds = full ? 60 : 10;
const script = { accept: "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", connection: "close" };

async function round({ app, issuer, line }, session) {
  const { visitor, claims } = session;
  await sleep(Math.max(0, claims.exp * 1000 + 1100 - Date.now()));
  const before = line.calls.length;
  const answers = await burst(Array.from({ length: count }, (_, index) => ({ url: `${app}/echo?${index}`, headers: { ...script, cookie: visitor.cookie } })));
  const calls = line.calls.slice(before);

  // What the issuer gave is one successor, to whom presented one token.
  const one = (values) => assert.equal(new Set(values).size, 1);
  one(calls.map(({ form }) => form.get("refresh_token")));
  one(calls.filter(({ brought }) => brought).map(({ brought }) => brought.refresh_token));
  assert.ok(calls.every(({ status }) => status === undefined || status === 200), "the issuer refused");
  // A token call that the gateway did not wait for to its end is trouble, and nobody's end.
  const good = answers.filter(({ status }) => status === 200);
  const busy = answers.filter(({ status, headers }) => status === 503 && Number(headers["retry-after"]) >= 1 && !headers["set-cookie"]);
  const other = answers.filter((answer) => !good.includes(answer) && !busy.includes(answer));
  assert.deepEqual(other.map(({ status, body }) => `${status} ${body.slice(0, 80)}`), []);
  assert.ok(good.length > 0, "nobody was served");

  // One generation on, whichever answer the browser obeys last.
  const last = good[Math.floor(Math.random() * good.length)];
  visitor.take(last);
  const ids = new Set(good.map((answer) => JSON.parse(Buffer.from(bearer(answer).split(".")[1], "base64url")).jti));
  assert.equal(ids.size, 1, "access tokens of different steps");
  const token = bearer(last);
  const next = await claimsOf(issuer, token);
  assert.deepEqual([next.sub, next.sid, next.family, next.generation], [claims.sub, claims.sid, claims.family, claims.generation + 1]);
  if (Date.now() < next.exp * 1000) assert.equal((await userinfo(issuer, token)).sub, claims.sub);
  session.claims = next;
  return { good: good.length, busy: busy.length, calls: calls.length };
}

await subject("storms without an object", async (it) => {
  const world = await deploy("sealed", { idp: { ACCESS_TOKEN_SECONDS: accessTokenSeconds } });
  const guests = [];
  while (guests.length < sessions) {
    const { visitor, page } = await arrive(world.app, people[0], "/echo");
    guests.push({ visitor, claims: await claimsOf(world.issuer, bearer(page)) });
  }
  await it(`gr_16, sealed: ${count} parallel requests of one session whose access token has expired are one step at the issuer, and nobody is signed out`, async () => {
    const seen = { good: 0, busy: 0, calls: 0 };
    for (let index = 0; index < rounds; index += 1) {
      try {
        const counted = await round(world, guests[index % sessions]);
        for (const what of Object.keys(seen)) seen[what] += counted[what];
      } catch (fault) {
        throw new Error(`round ${index + 1}`, { cause: fault });
      }
      if (full && (index + 1) % 10 === 0) console.log(`  sealed: ${index + 1} rounds, ${JSON.stringify(seen)}`);
    }
    figure("storm, sealed: rounds, requests, right answers, 503, token calls, steps at the issuer, signed out", `${rounds}, ${rounds * count}, ${seen.good}, ${seen.busy}, ${seen.calls}, ${rounds}, 0`);
  }, 240 * rounds);
});
