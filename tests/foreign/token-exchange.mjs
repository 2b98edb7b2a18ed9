// RFC 8693 on workerd: npm's openid-client, unmodified, exchanges tokens, and npm's oauth4webapi is the resources.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { subject } from "./checks.mjs";
import { key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri, signIn } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessToken = "urn:ietf:params:oauth:token-type:access_token";
const [orders, stock] = ["https://orders.wonderland.test", "https://stock.wonderland.test"];
const secret = key();

await subject("token exchange", async (it) => {
  const client_secret_sha256 = secretDigest(secret);
  const server = (client_id, own, others) => ({
    client_id, client_secret_sha256, grant_types: [exchange], resource_server: [own], resources: others, scope: "profile reports.read",
  });
  const issuer = await ourIssuer([{
    client_id: "app",
    client_secret_sha256,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token", exchange],
    scope: "openid profile email offline_access reports.read",
    audience: orders,
    resources: [stock],
  }, server("orders", orders, [stock]), server("stock", stock, [orders]), {
    client_id: "unregistered", client_secret_sha256, grant_types: [], resource_server: [orders], resources: [stock],
  }], { SCOPES: { "reports.read": { description: "Read your reports" } } });

  const discover = (id) =>
    client.discovery(new URL(issuer), id, {}, client.ClientSecretBasic(secret), { execute: [client.allowInsecureRequests] });
  const [app, ordersApi, stockApi, unregistered] = await Promise.all(["app", "orders", "stock", "unregistered"].map(discover));

  const enter = async () => {
    const [verifier, state] = [client.randomPKCECodeVerifier(), client.randomState()];
    const url = client.buildAuthorizationUrl(app, {
      redirect_uri: redirectUri, scope: "openid profile offline_access reports.read", state,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    });
    for (const resource of [orders, stock]) url.searchParams.append("resource", resource);
    const back = await signIn(new Visitor(), url);
    return client.authorizationCodeGrant(app, back, { pkceCodeVerifier: verifier, expectedState: state });
  };
  const swap = (who, token, parameters = {}) =>
    client.genericGrantRequest(who, exchange, { subject_token: token, subject_token_type: accessToken, ...parameters });

  // What a resource does with a request that carries a token.
  const insecure = { [oauth.allowInsecureRequests]: true };
  const believe = (token, audience) => oauth.validateJwtAccessToken(
    app.serverMetadata(), new Request(audience, { headers: { authorization: `Bearer ${token}` } }), audience, insecure);
  const refused = (error, status = 400) => (fault) => {
    assert.deepEqual([fault.error, fault.status], [error, status], fault.stack);
    return true;
  };

  let entered;
  await it("discovery names the grant, and somebody signs in to a client with two resources", async () => {
    assert.ok(app.serverMetadata().grant_types_supported.includes(exchange));
    entered = await enter();
    const { aud } = await believe(entered.access_token, orders);
    assert.deepEqual(aud.toSorted(), [issuer, orders, stock].toSorted());
  });

  await it("a client gets a narrower token for one origin, which no other believes", async () => {
    const narrow = await swap(app, entered.access_token, { resource: stock, scope: "reports.read" });
    assert.deepEqual([narrow.token_type, narrow.scope, narrow.issued_token_type], ["bearer", "reports.read", accessToken]);
    assert.equal(narrow.refresh_token ?? narrow.id_token, undefined);
    const claims = await believe(narrow.access_token, stock);
    assert.deepEqual([claims.aud, claims.client_id, claims.act], [[stock], "app", undefined]);
    await assert.rejects(believe(narrow.access_token, orders), /aud/);
    const before = await believe(entered.access_token, stock);
    assert.ok(claims.exp <= before.exp && claims.jti !== before.jti && claims.sub === before.sub);
  });

  let passed;
  await it("a resource calls another for the person, and the token and its introspection say who acts", async () => {
    passed = await swap(ordersApi, entered.access_token, { audience: "stock", scope: "reports.read" });
    const claims = await believe(passed.access_token, stock);
    assert.deepEqual([claims.client_id, claims.act, claims.aud], ["orders", { sub: "orders" }, [stock]]);
    for (const who of [ordersApi, stockApi]) {
      const { active, act } = await client.tokenIntrospection(who, passed.access_token);
      assert.deepEqual([active, act], [true, { sub: "orders" }]);
    }
    const back = await swap(stockApi, passed.access_token, { resource: orders });
    assert.deepEqual((await believe(back.access_token, orders)).act, { sub: "stock", act: { sub: "orders" } });
  });

  await it("RFC 8693 §2.2.2: what is refused is refused in the words of the standard", async () => {
    const token = entered.access_token;
    await assert.rejects(swap(app, token, { scope: "email" }), refused("invalid_scope"));
    await assert.rejects(swap(ordersApi, token, { resource: stock, scope: "openid" }), refused("invalid_scope"));
    await assert.rejects(swap(app, token, { resource: "https://elsewhere.test" }), refused("invalid_target"));
    await assert.rejects(swap(ordersApi, token, { resource: orders }), refused("invalid_target"));
    await assert.rejects(swap(stockApi, token, { actor_token: token, actor_token_type: accessToken }), refused("invalid_request"));
    await assert.rejects(swap(app, passed.access_token), refused("invalid_request"));
    for (const wrong of [entered.id_token, entered.refresh_token, "nonsense"]) {
      await assert.rejects(swap(app, wrong), refused("invalid_request"));
    }
    await assert.rejects(swap(unregistered, token, { resource: stock }), refused("unauthorized_client"));
  });

  await it("a resource cannot end the grant; when its client does, everything that was exchanged is over", async () => {
    await assert.rejects(client.tokenRevocation(ordersApi, passed.access_token), refused("unsupported_token_type"));
    assert.equal((await client.tokenIntrospection(stockApi, passed.access_token)).active, true);
    await client.tokenRevocation(app, entered.refresh_token);
    assert.deepEqual(await client.tokenIntrospection(stockApi, passed.access_token), { active: false });
    await assert.rejects(swap(stockApi, passed.access_token, { resource: orders }), refused("invalid_request"));
    await assert.rejects(swap(app, entered.access_token), refused("invalid_request"));
  });
});
