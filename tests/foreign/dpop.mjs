// RFC 9449 on workerd: npm's openid-client, unmodified, proves its key, and npm's oauth4webapi is a resource that looks.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { subject } from "./checks.mjs";
import { key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri, signIn } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const audience = "https://api.wonderland.test/";
const secret = key();

await subject("DPoP", async (it) => {
  const registered = (client_id, more) => ({
    client_id, audience, redirect_uris: [redirectUri], grant_types: ["authorization_code", "refresh_token"], ...more,
  });
  const issuer = await ourIssuer([
    registered("public", { token_endpoint_auth_method: "none" }),
    registered("confidential", { client_secret_sha256: secretDigest(secret), dpop_bound_access_tokens: true }),
  ]);
  const ways = { public: client.None(), confidential: client.ClientSecretBasic(secret) };
  const discover = (id) =>
    client.discovery(new URL(issuer), id, {}, ways[id], { execute: [client.allowInsecureRequests] });

  const enter = async (config, DPoP, parameters = {}) => {
    const verifier = client.randomPKCECodeVerifier();
    const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope: "openid profile email offline_access", state: expectedState, nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", ...parameters,
    });
    const back = await signIn(new Visitor(), url);
    const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce };
    return client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
  };

  // What a resource sees of a request with a token, and what it thinks of it.
  const believe = async (config, token, DPoP) => {
    let seen;
    await oauth.protectedResourceRequest(token, "GET", new URL(audience), new Headers(), null, {
      DPoP,
      [oauth.customFetch]: async (url, init) => {
        seen = new Request(url, init);
        return new Response("");
      },
    });
    return oauth.validateJwtAccessToken(config.serverMetadata(), seen, audience,
      { requireDPoP: true, [oauth.allowInsecureRequests]: true });
  };
  const refused = (error, status) => (fault) => {
    assert.deepEqual([fault.error, fault.status], [error, status], fault.stack);
    return true;
  };

  for (const id of Object.keys(ways)) {
    const config = await discover(id);
    const algs = config.serverMetadata().dpop_signing_alg_values_supported;
    for (const alg of algs) {
      await it(`${id}: tokens of an ${alg} key, for userinfo, for a resource, and refreshed`, async () => {
        const pair = await client.randomDPoPKeyPair(alg === "EdDSA" ? "Ed25519" : alg);
        const DPoP = client.getDPoPHandle(config, pair, named(alg));
        const tokens = await enter(config, DPoP, { dpop_jkt: await DPoP.calculateThumbprint() });
        assert.equal(tokens.token_type, "dpop");
        const about = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
        assert.equal(about.email, "alice@example.com");
        const claims = await believe(config, tokens.access_token, DPoP);
        assert.equal(claims.cnf.jkt, await DPoP.calculateThumbprint());
        const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
        assert.equal(next.token_type, "dpop");
        await believe(config, next.access_token, DPoP);
      });
    }

    await it(`${id}: neither without the key nor with another is the token good`, async () => {
      const [mine, others] = await Promise.all(["ES256", "ES256"].map(async (alg) =>
        client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))));
      const tokens = await enter(config, mine);
      const { sub } = tokens.claims();
      for (const DPoP of [undefined, others]) {
        await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, { DPoP }), ({ code, cause }) => {
          assert.deepEqual([code, cause[0].parameters.error], ["OAUTH_WWW_AUTHENTICATE_CHALLENGE", "invalid_token"]);
          return true;
        });
      }
      await assert.rejects(believe(config, tokens.access_token, others), /confirmation mismatch/);
      await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: mine });
    });
  }

  await it("a public client's refresh token is its key's", async () => {
    const config = await discover("public");
    const [mine, others] = await Promise.all(["ES256", "ES256"].map(async (alg) =>
      client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))));
    const { refresh_token } = await enter(config, mine);
    for (const DPoP of [undefined, others]) {
      await assert.rejects(client.refreshTokenGrant(config, refresh_token, undefined, { DPoP }), refused("invalid_grant", 400));
    }
    await client.refreshTokenGrant(config, refresh_token, undefined, { DPoP: mine });
  });

  await it("a code that was asked for with a key is that key's, and dpop_bound_access_tokens insists on one", async () => {
    const [free, strict] = await Promise.all(["public", "confidential"].map(discover));
    const [mine, others] = await Promise.all(["ES256", "ES256"].map(async (alg) =>
      client.getDPoPHandle(free, await client.randomDPoPKeyPair(alg))));
    const dpop_jkt = await mine.calculateThumbprint();
    await assert.rejects(enter(free, others, { dpop_jkt }), refused("invalid_grant", 400));
    await assert.rejects(enter(strict), refused("invalid_dpop_proof", 400));
  });
});

// RFC 9864 calls Ed25519 by that name; what the issuer knows is the older one, and the client can be told to say it.
function named(alg) {
  return alg === "EdDSA" ? { [oauth.modifyAssertion]: (header) => { header.alg = "EdDSA"; } } : undefined;
}
