// Issuers that are right, but not as one is used to: what has to work all the same.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { subject } from "../foreign/checks.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { claiming, telling } from "./behaviour.mjs";
import { alice } from "./issuer.mjs";
import { everyMode, world } from "./world.mjs";

// Every printable character of ASCII, which RFC 6749 appendix A allows in codes, tokens, names and secrets.
const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index)).join("");
const visible = printable.slice(1);

await subject("unusual issuers, on workerd", async (it) => {
  const inEach = await everyMode();
  const shared = await world();

  await it("discovery_4_1: an issuer that ends with a slash is asked without doubling it, and keeps it in its tokens", async () => {
    const slashed = await world({ issuer: { path: "/" } });
    await slashed.signsIn();
    assert.deepEqual(slashed.issuer.asked("discovery").map(({ path }) => path), ["/.well-known/openid-configuration"]);
    await slashed.refuses(claiming({ iss: slashed.issuer.identifier.replace(/\/$/, "") }), /^NotVouched\(IdToken\(Issuer\)\)$/);
  });
  await it("rfc6749_2_3_1: a name and a secret of any printable characters are encoded before they are joined", async () => {
    const [basic, post] = await Promise.all(["client_secret_basic", "client_secret_post"].map((CLIENT_AUTH) =>
      world({ id: visible, secret: visible, settings: { CLIENT_AUTH } })));
    await basic.signsIn();
    await post.signsIn();
  });
  await it("rfc6749_a_11: a code of any printable characters comes back as it was", async () => {
    const { issuer } = shared;
    await shared.signsIn({
      authorize({ code, ...right }) {
        issuer.codes.set(printable, issuer.codes.get(code));
        return { ...right, code: printable };
      },
    });
    const [redeemed] = issuer.asked("token");
    assert.equal(redeemed.form.get("code"), printable);
  });
  await it("rfc6749_a_17: and so does a refresh token", () => inEach(async (world) => {
    const { issuer } = world;
    // Not before it is known there, on a slow machine either.
    const { visitor } = await world.signsIn(telling({ expires_in: 4, refresh_token: printable }));
    issuer.refreshTokens.set(printable, {});
    await sleep(5100);
    issuer.behaviour = {};
    assert.equal((await visitor.fetch(`${world.app}/api/me`)).status, 200);
    assert.equal(issuer.asked("token").pop().form.get("refresh_token"), printable);
  }));
  await it("rfc6750_2_1: an access token of the characters that a header may hold reaches the origin as it was, and another is refused at once", async () => {
    const { issuer } = shared;
    const odd = "aZ09-._~+/==";
    issuer.accessTokens.set(odd, {});
    const { token } = await shared.signsIn({ ...telling({ access_token: odd }), ...claiming({ at_hash: undefined }) });
    assert.equal(token, odd);
    for (const character of [...visible].filter((one) => !/[\w.~+/=-]/.test(one))) {
      await shared.refuses(telling({ access_token: `a${character}b` }), /^NotVouched\(Token\(Misconfigured\(None\)\)\)$/);
    }
  });
  await it("oidc_core_2: a subject of 255 printable characters is a subject", async () => {
    const sub = `${printable}${"s".repeat(160)}`;
    const { visitor, page } = await shared.attempt({ ...claiming({ sub }), userinfo: () => ({ body: { ...alice, sub } }) });
    assert.equal(page.status, 200);
    assert.equal((await shared.session(visitor)).subject, sub);
  });
  await it("names of any script are told as they are", async () => {
    const name = "Алиса Лиддел 爱丽丝 \u202e \"<b>&amp;\\ \u0001 🐇";
    const { session } = await shared.signsIn({ userinfo: () => ({ body: { ...alice, name } }) });
    assert.equal(session.claims.name, name);
  });

  await it("gs: tokens that no cookie holds are kept where there is room: eight kilobytes reach the origin whole", async () => {
    const inObjects = await everyMode(["hybrid", "durable"]);
    await inObjects(async (world) => {
      for (const length of [1000, 3000, 5000, 8000]) {
        const long = `t${length}-`.padEnd(length, "x");
        world.issuer.accessTokens.set(long, {});
        const { token, visitor } = await world.signsIn({ ...telling({ access_token: long }), ...claiming({ at_hash: undefined, padding: "y".repeat(8000) }) });
        assert.equal(token.length, length);
        for (const [name, value] of visitor.cookies) assert.ok(name.length + value.length < 4096, `${name}: ${value.length}`);
        const page = await visitor.fetch(`${world.app}/page`);
        assert.deepEqual([page.status, JSON.parse(page.body).authorization], [200, `Bearer ${long}`]);
      }
    });
  });
  await it("gs: what fits into no cookie and has no other place signs nobody in, and a page says so", async () => {
    const sealed = await world({ settings: { SESSION_MODE: "sealed", REFRESH_TOKENS: "reusable" } });
    const long = "x".repeat(14_000);
    sealed.issuer.accessTokens.set(long, {});
    await sealed.refuses({ ...telling({ access_token: long }), ...claiming({ at_hash: undefined }) }, /^TooLarge$/, { status: 500, userinfo: 1 });
    await sealed.signsIn();
  });

  await it("without a refresh token a session is over with its access token, and the next one begins", () => inEach(async (world) => {
    const visitor = new Visitor();
    world.issuer.behaviour = telling({ expires_in: 1, refresh_token: undefined });
    // As far as back to the page, which may be too late to see it already.
    await visitor.follow(await visitor.open(`${world.app}/page`), ({ origin, pathname }) => origin === world.app && pathname === "/page");
    assert.ok(world.hasSession(visitor));
    await sleep(2100);
    world.origin.seen.splice(0);
    const api = await visitor.fetch(`${world.app}/api/me`);
    assert.equal(api.status, 401);
    await world.isNobody(visitor);
    await world.signsIn({}, visitor);
  }));
  await it("rp_initiated_logout_2: the hint is the newest ID token, or the last one when a refresh brought none", () => inEach(async (world) => {
    const { issuer } = world;
    for (const brings of [true, false]) {
      const { visitor } = await world.signsIn(telling({ expires_in: 1 }));
      const [first] = issuer.idTokens.slice(-1);
      await sleep(2100);
      issuer.behaviour = brings ? {} : telling({ id_token: undefined });
      assert.equal((await visitor.fetch(`${world.app}/api/me`)).status, 200);
      const [second] = issuer.idTokens.slice(-1);
      assert.notEqual(first, second);
      await world.signOut(visitor);
      const [{ query }] = issuer.asked("endSession");
      assert.equal(query.get("id_token_hint"), brings ? second : first);
    }
  }));
  await it("an end_session_endpoint that brings a query along keeps it", async () => {
    const own = await world();
    own.issuer.metadata.end_session_endpoint += "?tenant=a%26b";
    const { visitor } = await own.signsIn();
    await own.signOut(visitor);
    const [{ query }] = own.issuer.asked("endSession");
    assert.deepEqual([query.get("tenant"), query.get("client_id")], ["a&b", "gateway"]);
  });
  await it("ten browsers sign in side by side, each to its own session", async () => {
    shared.issuer.forget();
    shared.issuer.behaviour = {};
    const visitors = Array.from({ length: 10 }, () => new Visitor());
    const pages = await Promise.all(visitors.map(async (visitor, index) => visitor.follow(await visitor.open(`${shared.app}/page?${index}`))));
    assert.deepEqual(pages.map(({ status }) => status), Array(10).fill(200));
    assert.equal(new Set(pages.map(({ body }) => JSON.parse(body).authorization)).size, 10);
  });
});
