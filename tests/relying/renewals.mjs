// Answers to a refresh that are odd or wrong: which of them end a session, and which don't. Nobody is signed out by
// trouble, nor kept by an issuer that says no.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { subject } from "../foreign/checks.mjs";
import { answering, claiming, heading, onRefresh, signing, telling } from "./behaviour.mjs";
import { alice, listen } from "./issuer.mjs";
import { seconds, signed, spoiled, unsigned } from "./token.mjs";
import { everyMode } from "./world.mjs";

const short = telling({ expires_in: 1 }).token;
const html = "<!DOCTYPE html><title>Oops</title>";
const token = (answer) => answering("token", answer);

await subject("answers to a refresh, on workerd", async (it) => {
  const trap = await listen(() => ({ body: { access_token: "stolen", token_type: "Bearer" } }));
  const inEach = await everyMode();

  // In each mode, one visitor a behaviour, all of whose access tokens are over; then one after the other asks for a page.
  async function each(behaviours, check) {
    await inEach(async (world) => {
      const visitors = [];
      for (const _ of behaviours) visitors.push((await world.signsIn({ token: short })).visitor);
      await sleep(2100);
      for (const [index, behaviour] of behaviours.entries()) {
        world.issuer.forget();
        world.origin.seen.splice(0);
        world.issuer.behaviour = onRefresh(behaviour);
        const api = await visitors[index].fetch(`${world.app}/api/me`);
        try {
          assert.equal(refreshes(world).length, 1, "token calls");
          await check(world, visitors[index], api, index);
        } catch (cause) {
          throw new Error(`number ${index + 1}`, { cause });
        }
      }
    });
  }
  const refreshes = ({ issuer }) => issuer.asked("token").filter(({ form }) => form.get("grant_type") === "refresh_token");

  const end = (behaviours) => each(behaviours, async (world, visitor, api) => {
    assert.deepEqual([api.status, JSON.parse(api.body).error], [401, "login_required"]);
    await world.isNobody(visitor);
    assert.equal(refreshes(world).length, 1, "token calls");
  });
  const goOn = (behaviours) => each(behaviours, async (world, visitor, api) => {
    assert.equal(api.status, 200, api.body);
    const [, token] = JSON.parse(api.body).authorization.split(" ");
    assert.ok(world.issuer.accessTokens.has(token), `the origin got ${token}`);
    assert.equal((await world.session(visitor)).subject, alice.sub);
  });
  // 503 while it lasts; and when it is over, the session goes on with the refresh token that it had.
  async function wait(behaviours) {
    const waiting = [];
    await each(behaviours, async (world, visitor, api) => {
      assert.equal(api.status, 503, api.body);
      const after = Number(api.headers["retry-after"]);
      assert.ok(after >= 1 && after <= 10, `Retry-After: ${api.headers["retry-after"]}`);
      assert.ok(world.hasSession(visitor), "the session is gone");
      assert.deepEqual(world.origin.seen, [], "something reached the origin");
      const [{ form }] = refreshes(world);
      waiting.push({ world, visitor, after, used: form.get("refresh_token") });
    });
    await sleep(1000 * Math.max(...waiting.map(({ after }) => after)) + 1100);
    for (const { world, visitor, used } of waiting) {
      world.issuer.forget();
      world.issuer.behaviour = {};
      // What was broken did not use it up.
      world.issuer.refreshTokens.set(used, {});
      const api = await visitor.fetch(`${world.app}/api/me`);
      assert.equal(api.status, 200, api.body);
      assert.deepEqual(refreshes(world).map(({ form }) => form.get("refresh_token")), [used]);
    }
  }

  await it("gr_05, rfc6749_5_2: invalid_grant ends a session, with whatever status", () =>
    end([400, 200, 401, 403, 500].map((status) => token({ status, body: { error: "invalid_grant" } }))), 120);
  await it("so do the words for: this person, not any more", () =>
    end(["access_denied", "login_required", "interaction_required"].map((error) => token({ status: 400, body: { error } }))), 120);
  await it("gr_11, oidc_core_12_2: an ID token that is wrong ends it", () => end([
    claiming({ aud: "another-client" }),
    claiming({ aud: ["gateway", "another-client"] }),
    claiming({ azp: "another-client" }),
    claiming({ sub: undefined }),
    claiming({ sub: `${alice.sub} ` }),
    claiming({ iss: undefined }),
    claiming({ auth_time: 1 }),
    claiming({ at_hash: "another" }),
    heading({ typ: "at+jwt" }),
    heading({ crit: ["exp"] }),
    signing(({ header, claims }) => unsigned(header, claims)),
    signing(({ header, claims, key }) => spoiled(signed(header, claims, key))),
  ]), 120);
  await it("an ID token that is absent, not text, or without auth_time, and a refresh token that stays, do not", () => goOn([
    ...[undefined, null, 7].map((id_token) => telling({ id_token })),
    claiming({ auth_time: undefined }),
    telling({ token_type: "bearer", expires_in: "300", refresh_token: undefined }),
  ]), 120);
  await it("nor does an ID token that clocks keep from being judged: the tokens beside it are used", () => goOn([
    claiming({ exp: seconds() - 3600 }),
    claiming({ iat: seconds() + 3600 }),
  ]), 120);
  await it("gr_04, fd_29: trouble, redirects, and what an operator can mend keep the session: 503 with Retry-After, and then as before", async () => {
    await wait([
      token({ status: 500, body: html }),
      token({ status: 503, headers: { "retry-after": "4" }, body: html }),
      token({ status: 429, headers: { "retry-after": "3" }, body: { error: "slow_down" } }),
      token({ status: 400, body: { error: "server_error" } }),
      token({ status: 400, body: html }),
      token({ status: 200, body: html }),
      telling({ padding: "x".repeat(1 << 20) }),
      telling({ access_token: undefined }),
      token({ status: 401, body: { error: "invalid_client" } }),
      token({ status: 400, body: { error: "unauthorized_client" } }),
      token({ status: 400, body: { error: "invalid_scope" } }),
      telling({ token_type: "DPoP" }),
      telling({ access_token: "two words" }),
      ...[301, 302, 303, 307, 308].map((status) => token({ status, headers: { location: `${trap.url}/token` } })),
    ]);
    // Nobody else got the refresh token, or the secret.
    assert.deepEqual(trap.seen, []);
  }, 240);
});
