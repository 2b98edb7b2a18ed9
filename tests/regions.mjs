// Signing in without a page, and sessions that follow their person to another continent, on workerd: node tests/regions.mjs.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { from, serveElsewhere } from "./elsewhere.mjs";
import { subject } from "./foreign/checks.mjs";
import { alice, pair } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";

const sessionCookie = "__Host-gatelatch-session";
const issuerCookie = "__Host-gatelatch-sign-in";
const europe = from({ continent: "EU", colo: "ZRH" });
const america = from({ continent: "NA", colo: "SEA" });
const freshness = 1;

async function world(settings) {
  const { config, app, issuer } = await pair({
    gateway: () => ({ FRESHNESS_SECONDS: freshness, ...settings }), kv: settings.SESSION_MODE === "kv",
  });
  await serveElsewhere(config);
  return { app, issuer };
}

// Goes to a page as a link does, and on to wherever it leads; says where it ended and which redirects led there.
async function go(visitor, url, headers = {}) {
  const redirects = [];
  for (let answer = await visitor.open(url, headers); ;) {
    const next = answer.headers.location;
    if (!next) return { answer, redirects };
    redirects.push(new URL(answer.url).origin);
    assert.ok(redirects.length < 12, `it never ends: ${answer.url}`);
    answer = await visitor.open(new URL(next, answer.url), headers);
  }
}

async function enter({ app }, headers) {
  const visitor = new Visitor();
  const { answer } = await go(visitor, `${app}/echo`, headers);
  const submitted = await visitor.submit(answer, alice);
  const { answer: landed } = await go(visitor, new URL(submitted.headers.location, submitted.url), headers);
  assert.deepEqual([landed.status, landed.url], [200, `${app}/echo`], landed.body.slice(0, 300));
  return visitor;
}

const ofSession = (visitor) => [...visitor.cookies].filter(([name]) => name.startsWith(sessionCookie)).sort();
const flows = (visitor) => [...visitor.cookies.keys()].filter((name) => name.startsWith("__Host-gatelatch-flow-"));
const whoami = async ({ app }, visitor) => JSON.parse((await visitor.fetch(`${app}/auth/session`)).body);
const list = async ({ app }, visitor) => JSON.parse((await visitor.fetch(`${app}/auth/sessions`)).body).sessions;

// The same browser with the cookies that it has now.
function copy(visitor) {
  const other = new Visitor();
  other.cookies = new Map(visitor.cookies);
  return other;
}

await subject("signing in without a page, and following a person to another continent", async (it) => {
  const plain = await world({ SESSION_MODE: "hybrid" });
  const silent = (to) => `${plain.app}/auth/login?prompt=none&return_to=${encodeURIComponent(to)}`;

  await it("a silent sign-in of nobody leads back to where it came from, without a page and without a session", async () => {
    const visitor = new Visitor();
    const { answer, redirects } = await go(visitor, silent("/public/echo?x=1"));
    assert.deepEqual([answer.status, answer.url], [200, `${plain.app}/public/echo?x=1`]);
    assert.deepEqual(redirects, [plain.app, plain.issuer, plain.app]);
    assert.deepEqual([ofSession(visitor), flows(visitor)], [[], []]);
  });

  await it("a silent sign-in of somebody whom the issuer knows is a sign-in", async () => {
    const visitor = await enter(plain);
    for (const [name] of ofSession(visitor)) visitor.cookies.delete(name);
    const { answer, redirects } = await go(visitor, silent("/echo?x=1"));
    assert.deepEqual([answer.status, answer.url, redirects.length], [200, `${plain.app}/echo?x=1`, 3]);
    assert.equal((await whoami(plain, visitor)).signed_in, true);
  });

  await it("a silent sign-in that comes to nothing leaves a session as it was", async () => {
    const visitor = await enter(plain);
    const before = ofSession(visitor);
    visitor.cookies.delete(issuerCookie);
    const { answer } = await go(visitor, silent("/public/echo"));
    assert.deepEqual([answer.status, answer.url], [200, `${plain.app}/public/echo`]);
    assert.deepEqual(ofSession(visitor), before);
    assert.equal((await whoami(plain, visitor)).signed_in, true);
  });

  await it("GL-05 a page that needs a session and is returned to without one asks for an ordinary sign-in", async () => {
    const { answer, redirects } = await go(new Visitor(), silent("/echo"));
    assert.equal(new URL(answer.url).origin, plain.issuer);
    assert.match(answer.body, /name="password"/);
    assert.deepEqual(redirects, [plain.app, plain.issuer, plain.app, plain.app, plain.app]);
  });

  for (const mode of ["hybrid", "durable", "kv"]) {
    const here = await world({ SESSION_MODE: mode, FOLLOW_REGION: "true" });
    const page = `${here.app}/echo?a=b%20c`;
    const stays = async (visitor, headers) => {
      const { answer, redirects } = await go(visitor, page, headers);
      assert.deepEqual([answer.status, redirects], [200, []]);
    };

    await it(`${mode}: GS-24 who has travelled comes back to the page with another session, by two redirects of the gateway`, async () => {
      const visitor = await enter(here, europe);
      await stays(visitor, europe);
      const old = copy(visitor);
      const [{ id: before }] = await list(here, visitor);
      const { answer, redirects } = await go(visitor, page, america);
      assert.deepEqual([answer.status, answer.url], [200, page]);
      assert.deepEqual(redirects, [here.app, here.issuer, here.app]);
      assert.deepEqual(flows(visitor), []);
      await stays(visitor, america);
      const sessions = await list(here, visitor);
      assert.equal(sessions.length, 1, "the old one is over");
      assert.notEqual(sessions[0].id, before);
      await sleep((freshness + 1) * 1000);
      assert.equal((await old.fetch(`${here.app}/api/me`)).status, 401, "whoever has its cookie");
      assert.equal((await visitor.fetch(`${here.app}/api/me`)).status, 200);
    });

    await it(`${mode}: GS-24 who comes from two continents in turn is sent once`, async () => {
      const visitor = await enter(here, europe);
      let sent = 0;
      for (let turn = 0; turn < 10; turn += 1) {
        const { answer, redirects } = await go(visitor, page, turn % 2 ? europe : america);
        assert.equal(answer.status, 200);
        sent += redirects.length;
      }
      assert.equal(sent, 3);
    });

    await it(`${mode}: who is nobody to the issuer any more goes on with the session there was, and is not sent again`, async () => {
      const visitor = await enter(here, europe);
      const [{ id: before }] = (await list(here, visitor)).filter(({ current }) => current);
      visitor.cookies.delete(issuerCookie);
      const { answer, redirects } = await go(visitor, page, america);
      assert.deepEqual([answer.status, answer.url], [200, page]);
      assert.deepEqual(redirects, [here.app, here.issuer, here.app]);
      await sleep((freshness + 1) * 1000);
      for (const from of [america, europe, america]) await stays(visitor, from);
      const [{ id: after }] = (await list(here, visitor)).filter(({ current }) => current);
      assert.equal(after, before);
    });

    await it(`${mode}: nobody is sent but who goes to a page, and nobody of whom it is not said where they are`, async () => {
      const visitor = await enter(here, europe);
      const { origin } = new URL(here.app);
      const script = await visitor.fetch(page, { headers: america });
      const frame = await visitor.open(page, { ...america, "sec-fetch-dest": "iframe" });
      const api = await visitor.open(`${here.app}/api/me`, america);
      const form = await visitor.send(page, { method: "POST", form: { a: "b" }, headers: { ...america, origin, "sec-fetch-mode": "navigate" } });
      assert.deepEqual([script, frame, api, form].map(({ status }) => status), [200, 200, 200, 200]);
      await stays(visitor, {});
      assert.equal((await go(visitor, page, america)).redirects.length, 3, "and who goes to a page is");
    });
  }
});
