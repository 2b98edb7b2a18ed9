// The plan about logout tokens, Back-Channel Logout 1.0. Sessions are `durable`: one that was ended is over at once.
import assert from "node:assert/strict";
import { plan } from "./plan.mjs";
import { random, seconds, signed, signedBySecret, unsigned } from "./token.mjs";
import { world } from "./world.mjs";

const event = "http://schemas.openid.net/event/backchannel-logout";

await plan("oidcc-client-back-channel-logout-rp-basic", async (module) => {
  const shared = await world({
    issuer: { metadata: { backchannel_logout_supported: true, backchannel_logout_session_supported: true } },
    settings: { SESSION_MODE: "durable" },
  });
  const { app, client, issuer } = shared;

  // What the issuer sends when the session of the last ID token is over, §2.4: honest, or made into something else.
  function logoutToken(make = ({ header, claims, key }) => signed(header, claims, key)) {
    const [key] = issuer.keys;
    const [idToken] = issuer.idTokens.slice(-1);
    const { sub, sid } = JSON.parse(Buffer.from(idToken.split(".")[1], "base64url"));
    return make({
      header: { alg: key.alg, kid: key.kid, typ: "logout+jwt" },
      claims: { iss: issuer.identifier, sub, sid, aud: client.id, iat: seconds(), exp: seconds() + 120, jti: random(), events: { [event]: {} } },
      key,
    });
  }
  // §2.5: as the issuer posts it, without a cookie and without an origin.
  const post = (token) => fetch(`${app}/auth/backchannel-logout`, { method: "POST", body: new URLSearchParams({ logout_token: token }) });

  // She signs out here, and the issuer tells us so while it ends its own session; how that was answered.
  async function signsOut(visitor, make) {
    let told;
    issuer.behaviour = { loggedOut: async () => { told = await post(logoutToken(make)); } };
    const { next, status } = await shared.signOut(visitor);
    assert.ok(next, `${status} instead of the way back`);
    shared.origin.seen.splice(0);
    await shared.isNobody(visitor);
    return told;
  }

  // A token that is refused ends nothing, whether or not she signed out here herself.
  async function refused(make) {
    const { visitor } = await shared.signsIn();
    const told = await post(logoutToken(make));
    assert.equal(told.status, 400, await told.text());
    assert.match(told.headers.get("cache-control") ?? "", /no-store/);
    const page = await visitor.fetch(`${app}/page`);
    assert.equal(page.status, 200, "the session is over");
    assert.equal((await signsOut(visitor, make)).status, 400);
  }

  const changed = (changes) => ({ header, claims, key }) => signed(header, { ...claims, ...changes }, key);

  await module("oidcc-client-test-rp-backchannel-rpinitlogout", "a logout token ends the session, and one about a session that is over is no fault", async () => {
    const { visitor } = await shared.signsIn();
    const told = await post(logoutToken());
    assert.ok([200, 204].includes(told.status), `${told.status} ${await told.text()}`);
    shared.origin.seen.splice(0);
    const api = await visitor.fetch(`${app}/api/me`);
    assert.equal(api.status, 401);
    await shared.isNobody(visitor);

    const again = await shared.signsIn();
    assert.ok([200, 204].includes((await signsOut(again.visitor)).status));
  });

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-alg-none", "one that nobody signed is refused", () =>
    refused(({ header, claims }) => unsigned(header, claims)));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-no-event", "one without events is refused", () =>
    refused(changed({ events: undefined })));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce", "one with a nonce, which an ID token might be, is refused", () =>
    refused(changed({ nonce: random() })));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg", "one that is signed by a shared secret is refused", () =>
    refused(({ header, claims }) => signedBySecret(header, claims, client.secret)));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud", "one for somebody else is refused", () =>
    refused(changed({ aud: "another-client" })));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event", "one about another event is refused", () =>
    refused(changed({ events: { "http://schemas.openid.net/event/other": {} } })));

  await module("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss", "one of another issuer is refused", () =>
    refused(changed({ iss: "https://other.example" })));
});
