// Token answers that are lost on the way from our issuer to our gateway.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { ourPair } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { accounts, bearer, claimsOf, full, people } from "./client.mjs";
import { proxy } from "./proxy.mjs";

// The last tenth of it is when a token is renewed although it is alive: two losses need nine seconds.
const accessTokenSeconds = full ? 90 : 30;
// When the gateway first asks for the next one, after the latest moment that it may choose.
const renewal = accessTokenSeconds * 0.9 + accessTokenSeconds / 40;
const fates = ["before", "after", "cut"];
const modes = ["hybrid", "durable"];
const sessionCookie = "__Host-gatelatch-session";

async function deploy(mode) {
  const line = await proxy();
  const { app, issuer } = await ourPair({
    idp: { ACCOUNTS: accounts, ACCESS_TOKEN_SECONDS: accessTokenSeconds },
    gateway: () => ({ SESSION_MODE: mode, FRESHNESS_SECONDS: 2 }),
    between: (port) => {
      line.issuerPort = port;
      return line.url;
    },
  });
  return { mode, line, app, issuer, turn: Promise.resolve() };
}

// The next token call may be anybody's: whoever has one lost has the line alone.
function alone(world, step) {
  world.turn = world.turn.then(step, step);
  return world.turn;
}

// A person on the way: at the issuer's page, with everything filled in.
async function approach({ app }) {
  const visitor = new Visitor();
  return { visitor, page: await visitor.follow(await visitor.open(`${app}/echo?from=here`)) };
}

const signIn = async ({ visitor, page }) => visitor.follow(await visitor.submit(page, people[0]));

async function arrive(world) {
  const person = await approach(world);
  const token = bearer(await signIn(person));
  return { world, visitor: person.visitor, token, claims: await claimsOf(world.issuer, token) };
}

const until = async (time) => sleep(Math.max(0, time - Date.now()));
const renewing = ({ claims }) => until((claims.iat + renewal) * 1000 + 1000);
const expiry = ({ claims }) => until(claims.exp * 1000 + 1000);

// Opens a page while the next token call has this fate. With a token that is alive the person gets the page with
// it; after its end they are told to wait. Nobody is signed out. Returns how many were told to wait.
const losing = (session, fate) => alone(session.world, async () => {
  const { world: { line, app }, visitor } = session;
  const calls = line.calls.length;
  line.next.push(fate);
  const page = await visitor.open(`${app}/echo`);
  assert.equal(line.calls.length, calls + 1, "one token call, and no second one of itself");
  assert.equal(line.calls.at(-1).fate, fate);
  assert.deepEqual(line.next, []);
  if (["after", "cut"].includes(fate)) assert.equal(line.calls.at(-1).status, 200, "the issuer did rotate");
  assert.ok(visitor.cookies.has(sessionCookie));
  const alive = Date.now() < session.claims.exp * 1000;
  if (alive || page.status === 200) {
    assert.equal(bearer(page), session.token);
    return 0;
  }
  assert.equal(page.status, 503, `${page.status} ${page.headers.location}`);
  const wait = Number(page.headers["retry-after"]);
  assert.ok(wait >= 1 && wait <= 8, `Retry-After: ${wait}`);
  return 1;
});

// The call that is not lost: the family is the same, and one generation on, however many answers were lost.
const recovering = (session) => alone(session.world, async () => {
  const { world: { line, app, issuer }, visitor, claims } = session;
  const calls = line.calls.length;
  const token = bearer(await visitor.open(`${app}/echo`));
  assert.equal(line.calls.length, calls + 1);
  const now = await claimsOf(issuer, token);
  assert.deepEqual([now.sub, now.sid, now.family, now.generation], [claims.sub, claims.sid, claims.family, claims.generation + 1]);
  Object.assign(session, { token, claims: now });
});

// Loses as many answers of each session as there are pauses, then none. Returns how many pages said to wait.
async function lose(sessions, moment, ...pauses) {
  let waited = 0;
  for (const pause of pauses) {
    for (const { session, fate } of sessions) {
      await moment(session);
      waited += await losing(session, fate);
    }
    await sleep(pause);
  }
  for (const { session } of sessions) await recovering(session);
  return waited;
}

await subject("lost answers", async (it) => {
  const worlds = await Promise.all(modes.map(deploy));
  const everywhere = (check) => Promise.all(worlds.map(async (world) => {
    await check(world).catch((fault) => { throw new Error(world.mode, { cause: fault }); });
  }));

  // Signed in first, so that their tokens age while people sign in below.
  const [once, twice, late] = [new Map(), new Map(), new Map()];
  await everywhere(async (world) => {
    for (const some of [once, twice, late]) {
      some.set(world, []);
      for (const fate of fates) some.get(world).push({ fate, session: await arrive(world) });
    }
  });

  // All of it is on its way before the first is judged, or their waits would add up.
  const under = {
    once: everywhere(async (world) => {
      const waited = await lose(once.get(world), renewing, 2100);
      figure(`lost once, ${world.mode}: answers lost, sessions lost, pages with 503`, `${fates.length}, 0, ${waited}`);
      if (full) assert.equal(waited, 0);
    }),
    twice: everywhere(async (world) => {
      const waited = await lose(twice.get(world), renewing, 2100, 4100);
      figure(`lost twice, ${world.mode}: answers lost, sessions lost, pages with 503`, `${2 * fates.length}, 0, ${waited}`);
      if (full) assert.equal(waited, 0);
    }),
    late: everywhere(async (world) => {
      const waited = await lose(late.get(world), expiry, 2100);
      figure(`lost after the token's end, ${world.mode}: answers lost, sessions lost, pages with 503`, `${fates.length}, 0, ${waited}`);
      assert.equal(waited, fates.length);
    }),
  };
  for (const promise of Object.values(under)) promise.catch(() => {});

  for (const fate of fates) {
    await it(`at a sign-in a token answer is lost (${fate}): a page offers another try, nobody is half signed in, and the try works`, () => everywhere((world) => alone(world, async () => {
      const { line, app, issuer } = world;
      const person = await approach(world);
      const calls = line.calls.length;
      line.next.push(fate);
      const page = await signIn(person);
      assert.deepEqual([page.status, new URL(page.url).pathname], [502, "/auth/callback"]);
      const [, again] = /<a class="button" href="([^"]+)">Sign in again<\/a>/.exec(page.body);
      assert.deepEqual(line.calls.slice(calls).map(({ fate }) => fate), [fate], "a code is redeemed once, answer or not");
      const { visitor } = person;
      assert.deepEqual([...visitor.cookies.keys()].filter((name) => name === sessionCookie || name.includes("-flow-")), []);
      assert.equal((await visitor.fetch(`${app}/api/me`)).status, 401);

      // The issuer knows them by now: the button is enough, and leads to where they were going.
      const there = await visitor.follow(await visitor.open(app + again));
      assert.deepEqual([there.status, there.url], [200, `${app}/echo?from=here`], there.body.slice(0, 500));
      const claims = await claimsOf(issuer, bearer(there));
      assert.equal(claims.sub, once.get(world)[0].session.claims.sub);
      assert.equal(claims.generation, 0);
    })));
  }

  await it("a reloaded callback whose token answer was lost makes no second token call", () => everywhere((world) => alone(world, async () => {
    const person = await approach(world);
    world.line.next.push("after");
    const page = await signIn(person);
    const calls = world.line.calls.length;
    const again = await person.visitor.open(page.url);
    assert.equal(again.status, 400);
    assert.equal(world.line.calls.length, calls);
  })));

  const longest = accessTokenSeconds + 120;
  await it("a refresh whose answer is lost costs nothing: the page comes with the old token, the next one with the new", () => under.once, longest);
  await it("a refresh whose answer is lost twice leaves the session alive, in the same generation", () => under.twice, longest);
  await it("when the token is over and its refresh is lost the browser is told to wait, and then goes on as the same person", () => under.late, longest);

  await it("an issuer that says nothing holds nobody for longer than ten seconds, and takes no session along", () => everywhere(async (world) => {
    const [{ session }] = once.get(world);
    await expiry(session);
    const started = Date.now();
    await losing(session, "silent");
    const seconds = (Date.now() - started) / 1000;
    figure(`silent issuer, ${world.mode}: seconds until the browser was told to wait`, seconds.toFixed(1));
    assert.ok(seconds < 10, `${seconds} s`);
    await sleep(2100);
    await recovering(session);
  }), longest);

  if (!full) return;
  await it("a session that lost an answer refreshes again with what came after", () => everywhere(async (world) => {
    for (const { session } of late.get(world)) {
      assert.equal(session.claims.generation, 1);
      await expiry(session);
      await recovering(session);
    }
  }), longest);
});
