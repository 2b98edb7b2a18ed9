// The plan about refresh tokens, with sessions kept in each of the three ways.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { claiming, onRefresh, telling } from "./behaviour.mjs";
import { plan } from "./plan.mjs";
import { everyMode } from "./world.mjs";

// The shortest life there is. Over when the clock has gone on by two seconds, whatever the fraction.
const short = telling({ expires_in: 1 }).token;
const expiry = () => sleep(2100);

const bearer = ({ body }) => /^Bearer (\S+)$/.exec(JSON.parse(body).authorization ?? "")?.[1];

await plan("oidcc-client-refreshtoken-test-plan", async (module) => {
  const everywhere = await everyMode();

  // Alice with a session whose access token is over, and the requests for another one.
  async function expired(world) {
    const { visitor, token } = await world.signsIn({ token: short });
    await expiry();
    world.issuer.forget();
    world.origin.seen.splice(0);
    return { visitor, token };
  }
  const refreshes = ({ issuer }) => issuer.asked("token").filter(({ form }) => form.get("grant_type") === "refresh_token");

  // A refresh that brings something about somebody else: the session is over, once and for all.
  async function ends(world, behaviour) {
    const { visitor } = await expired(world);
    world.issuer.behaviour = onRefresh(behaviour);
    const api = await visitor.fetch(`${world.app}/api/me`);
    assert.deepEqual([api.status, JSON.parse(api.body).error], [401, "login_required"]);
    await world.isNobody(visitor);
    assert.equal(refreshes(world).length, 1);
  }

  await module("oidcc-client-test-refresh-token", "an access token that is over is replaced, and the new one works at userinfo", () => everywhere(async (world) => {
    const { visitor, token } = await expired(world);
    world.issuer.behaviour = {};
    const page = await visitor.fetch(`${world.app}/page`);
    const fresh = bearer(page);
    assert.equal(page.status, 200);
    assert.ok(fresh !== token && world.issuer.accessTokens.has(fresh), `the origin got ${fresh}`);
    const [refresh, ...more] = refreshes(world);
    assert.equal(more.length, 0);
    assert.deepEqual([...refresh.form.keys()].sort(), ["grant_type", "refresh_token"]);
    assert.match(refresh.headers.authorization, /^Basic /);
    const told = await fetch(world.issuer.metadata.userinfo_endpoint, { headers: { authorization: `Bearer ${fresh}` } });
    assert.deepEqual([told.status, (await told.json()).sub], [200, "248289761001"]);
  }));

  await module("oidcc-client-test-refresh-token", "each refresh uses the token that the last one brought, or the old one where none came", () => everywhere(async (world) => {
    const { visitor } = await expired(world);
    const kept = [];
    for (const rotates of [true, false, true]) {
      // Without an ID token and without a word about the type's case, as issuers do.
      world.issuer.behaviour = onRefresh({
        token({ status, body: { refresh_token, id_token, ...body } }, { form }) {
          kept.push(form.get("refresh_token"));
          if (!rotates) world.issuer.refreshTokens.set(form.get("refresh_token"), world.issuer.refreshTokens.get(refresh_token));
          return { status, body: { ...body, token_type: "bearer", expires_in: 1, ...(rotates && { refresh_token }) } };
        },
      });
      assert.equal((await visitor.fetch(`${world.app}/page`)).status, 200);
      await expiry();
    }
    assert.equal(kept.length, 3);
    assert.ok(kept[0] !== kept[1] && kept[1] === kept[2], "which refresh token was used");
    assert.equal((await world.session(visitor)).subject, "248289761001");
  }));

  await module("oidcc-client-test-refresh-token-invalid-issuer", "an ID token of another issuer ends the session", () => everywhere((world) =>
    ends(world, claiming({ iss: "https://other.example" }))));

  await module("oidcc-client-test-refresh-token-invalid-sub", "an ID token about somebody else ends the session", () => everywhere((world) =>
    ends(world, claiming({ sub: "somebody-else" }))));

  await module("oidcc-client-test-refresh-token", "an ID token with another nonce than the sign-in's ends the session (Core §12.2)", () => everywhere((world) =>
    ends(world, claiming({ nonce: "of-another-sign-in" }))));
});
