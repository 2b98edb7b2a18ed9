// npm's openid-client, unmodified, against our issuer. It verifies every ID token's signature here too.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as client from "openid-client";
import { subject } from "./checks.mjs";
import { published, signingKey } from "./keys.mjs";
import { account, key, ourIssuer, secretDigest } from "./pair.mjs";
import { asksForPassword, pass, redirectUri, signIn } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const secret = key();
const farewell = "http://localhost:1/signed-out";
const registered = (client_id, more) => ({
  client_id,
  client_name: client_id,
  redirect_uris: [redirectUri],
  post_logout_redirect_uris: [farewell],
  grant_types: ["authorization_code", "refresh_token"],
  ...(!["none", "private_key_jwt"].includes(more.token_endpoint_auth_method) && { client_secret_sha256: secretDigest(secret) }),
  ...more,
});

const clients = [
  registered("basic", { token_endpoint_auth_method: "client_secret_basic" }),
  registered("post", { token_endpoint_auth_method: "client_secret_post" }),
  registered("public", { token_endpoint_auth_method: "none" }),
  registered("rsa", { id_token_signed_response_alg: "RS256" }),
  registered("edwards", { id_token_signed_response_alg: "EdDSA" }),
];

await subject("openid-client", async (it) => {
  const [ec, rsa] = [await signingKey("ES256", "ec"), await signingKey("RS256", "rsa")];
  const afar = await published(ec.jwk, rsa.jwk);
  const issuer = await ourIssuer([
    ...clients,
    registered("signing", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [ec.jwk] } }),
    registered("signing-rsa", { token_endpoint_auth_method: "private_key_jwt", jwks_uri: afar.uri }),
  ]);

  const discover = async (id, auth, metadata = {}) => {
    const config = await client.discovery(new URL(issuer), id, metadata, auth, { execute: [client.allowInsecureRequests] });
    client.enableNonRepudiationChecks(config);
    return config;
  };

  // An authorization request, and what its response is checked with.
  const ask = async (config, parameters = {}) => {
    const verifier = client.randomPKCECodeVerifier();
    const checks = {
      pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true,
      ...(parameters.max_age && { maxAge: Number(parameters.max_age) }),
    };
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: "openid profile email offline_access",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...parameters,
    });
    return { url, checks };
  };

  const enter = async (config, visitor = new Visitor(), parameters = {}) => {
    const { url, checks } = await ask(config, parameters);
    return client.authorizationCodeGrant(config, await signIn(visitor, url), checks);
  };

  const refused = (error, status) => (fault) => {
    assert.equal(fault.error, error, fault.stack);
    if (status) assert.equal(fault.status, status);
    return true;
  };

  let basic;
  await it("discovery gives everything that this client uses", async () => {
    basic = await discover("basic", client.ClientSecretBasic(secret));
    const metadata = basic.serverMetadata();
    assert.equal(metadata.issuer, issuer);
    assert.equal(metadata.supportsPKCE(), true);
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
    for (const endpoint of ["token", "userinfo", "revocation", "end_session"]) assert.ok(metadata[`${endpoint}_endpoint`], endpoint);
  });

  for (const [id, auth, alg] of [
    ["basic", client.ClientSecretBasic(secret), "ES256"],
    ["post", client.ClientSecretPost(secret), "ES256"],
    ["public", client.None(), "ES256"],
    ["rsa", client.ClientSecretBasic(secret), "RS256"],
    ["edwards", client.ClientSecretBasic(secret), "EdDSA"],
    ["signing", client.PrivateKeyJwt(ec), "ES256"],
    ["signing-rsa", client.PrivateKeyJwt(rsa), "ES256"],
  ]) {
    await it(`the client "${id}" signs in with code, PKCE, state and nonce, and gets an ID token signed with ${alg}`, async () => {
      const config = await discover(id, auth, { id_token_signed_response_alg: alg });
      const tokens = await enter(config);
      const claims = tokens.claims();
      assert.equal(claims.aud, id);
      assert.equal(JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg, alg);
      assert.ok(tokens.access_token && tokens.refresh_token && tokens.expires_in > 0);

      const next = await client.refreshTokenGrant(config, tokens.refresh_token);
      assert.notEqual(next.refresh_token, tokens.refresh_token);
      assert.equal(next.claims().sub, claims.sub);
    });
  }

  await it("private_key_jwt: the key set at jwks_uri was asked for once", async () => {
    assert.equal(afar.hits, 1);
  });

  await it("private_key_jwt: an assertion is good once, for our issuer or token endpoint, for five minutes, by the client's own key", async () => {
    const revoke = async (key, change, id = "signing") => {
      const modified = { [client.modifyAssertion]: (_, claims) => Object.assign(claims, change) };
      await client.tokenRevocation(await discover(id, client.PrivateKeyJwt(key, modified)), "nonsense");
    };
    const jti = "the same";
    await revoke(ec, { jti });
    await revoke(rsa, { jti }, "signing-rsa");
    await revoke(ec, { aud: `${issuer}/token` });
    for (const [why, key, change] of [
      ["used", ec, { jti }],
      ["another audience", ec, { aud: "https://elsewhere.test/token" }],
      ["two audiences", ec, { aud: [issuer, "https://elsewhere.test"] }],
      ["an hour", ec, { exp: Math.floor(Date.now() / 1000) + 3600 }],
      ["over", ec, { exp: Math.floor(Date.now() / 1000) - 60 }],
      ["another's name", ec, { sub: "signing-rsa" }],
      ["another's key", rsa, {}],
    ]) {
      await assert.rejects(revoke(key, change), refused("invalid_client", 401), why);
    }
  });

  await it("userinfo tells about the subject of the ID token what the scope opens", async () => {
    const tokens = await enter(basic);
    const { sub } = tokens.claims();
    const about = await client.fetchUserInfo(basic, tokens.access_token, sub);
    const { name, given_name, family_name, preferred_username, email, email_verified, locale } = account;
    assert.deepEqual(about, { sub, name, given_name, family_name, preferred_username, email, email_verified, locale });

    const little = await enter(basic, new Visitor(), { scope: "openid" });
    assert.deepEqual(await client.fetchUserInfo(basic, little.access_token, sub), { sub });
    assert.equal(little.scope, "openid");
  });

  await it("RFC 9207: a response without iss, or with another, is refused by the client", async () => {
    const { url, checks } = await ask(basic);
    const back = await signIn(new Visitor(), url);
    assert.equal(back.searchParams.get("iss"), issuer);
    for (const iss of [null, "http://localhost:2"]) {
      const tampered = new URL(back);
      if (iss) tampered.searchParams.set("iss", iss);
      else tampered.searchParams.delete("iss");
      await assert.rejects(client.authorizationCodeGrant(basic, tampered, checks), ({ cause }) => /"iss"/.test(cause.message));
    }
    await client.authorizationCodeGrant(basic, back, checks);
  });

  await it("a code works once, and what it gave is over when it comes a second time", async () => {
    const { url, checks } = await ask(basic);
    const back = await signIn(new Visitor(), url);
    const tokens = await client.authorizationCodeGrant(basic, back, checks);
    await assert.rejects(client.authorizationCodeGrant(basic, back, checks), refused("invalid_grant", 400));
    await assert.rejects(client.refreshTokenGrant(basic, tokens.refresh_token), refused("invalid_grant", 400));
  });

  await it("a refresh token that was used long ago ends its family", async () => {
    const first = await enter(basic);
    const second = await client.refreshTokenGrant(basic, first.refresh_token);
    const third = await client.refreshTokenGrant(basic, second.refresh_token);
    assert.ok(third.id_token && third.claims().sub === first.claims().sub);
    assert.equal(third.claims().auth_time, first.claims().auth_time);
    await assert.rejects(client.refreshTokenGrant(basic, first.refresh_token), refused("invalid_grant", 400));
    await assert.rejects(client.refreshTokenGrant(basic, third.refresh_token), refused("invalid_grant", 400));
  });

  await it("a refresh whose answer was lost gets the same answer again", async () => {
    const first = await enter(basic);
    const [one, other] = await Promise.all([1, 2].map(() => client.refreshTokenGrant(basic, first.refresh_token)));
    assert.equal(one.refresh_token, other.refresh_token);
    await client.refreshTokenGrant(basic, one.refresh_token);
  });

  await it("a refresh may ask for less, and not for more", async () => {
    const tokens = await enter(basic, new Visitor(), { scope: "openid email offline_access" });
    await assert.rejects(client.refreshTokenGrant(basic, tokens.refresh_token, { scope: "openid profile" }), refused("invalid_scope", 400));
    const less = await client.refreshTokenGrant(basic, tokens.refresh_token, { scope: "openid" });
    assert.equal(less.scope, "openid");
  });

  const visitor = new Visitor();
  await it("prompt=none is login_required for a stranger, and a code for somebody signed in", async () => {
    const stranger = await ask(basic, { prompt: "none" });
    const back = await pass(visitor, stranger.url);
    await assert.rejects(client.authorizationCodeGrant(basic, back, stranger.checks), refused("login_required"));

    const { sub } = (await enter(basic, visitor)).claims();
    const { url, checks } = await ask(basic, { prompt: "none" });
    const tokens = await client.authorizationCodeGrant(basic, await pass(visitor, url), checks);
    assert.equal(tokens.claims().sub, sub);
  });

  await it("a second client of the same browser is signed in without a page", async () => {
    const other = await discover("post", client.ClientSecretPost(secret));
    const { url, checks } = await ask(other);
    const tokens = await client.authorizationCodeGrant(other, await pass(visitor, url), checks);
    assert.equal(tokens.claims().aud, "post");
  });

  await it("max_age asks again for the password when the sign-in is older, and prompt=login always", async () => {
    const { url, checks } = await ask(basic, { max_age: "3600" });
    await client.authorizationCodeGrant(basic, await pass(visitor, url), checks);
    await sleep(2100);
    assert.ok(await asksForPassword(visitor, (await ask(basic, { max_age: "1" })).url));
    assert.ok(await asksForPassword(visitor, (await ask(basic, { max_age: "0" })).url));
    assert.ok(await asksForPassword(visitor, (await ask(basic, { prompt: "login" })).url));

    const silent = await ask(basic, { max_age: "1", prompt: "none" });
    await assert.rejects(client.authorizationCodeGrant(basic, await pass(visitor, silent.url), silent.checks), refused("login_required"));

    const tokens = await enter(basic, visitor, { max_age: "1" });
    assert.ok(Date.now() / 1000 - tokens.claims().auth_time < 5);
  });

  await it("a revoked refresh token ends its grant, and revoking nonsense succeeds", async () => {
    const tokens = await enter(basic);
    await client.tokenRevocation(basic, tokens.refresh_token, { token_type_hint: "refresh_token" });
    await assert.rejects(client.refreshTokenGrant(basic, tokens.refresh_token), refused("invalid_grant", 400));
    await assert.rejects(client.fetchUserInfo(basic, tokens.access_token, tokens.claims().sub), (fault) => {
      const [{ scheme, parameters }] = fault.cause;
      assert.deepEqual([fault.status, scheme, parameters.error], [401, "bearer", "invalid_token"]);
      return true;
    });
    await client.tokenRevocation(basic, "nonsense");
  });

  await it("the end-session URL signs out and leads back with its state", async () => {
    const tokens = await enter(basic, visitor, { prompt: "login" });
    const url = client.buildEndSessionUrl(basic, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: farewell, state: "so long",
    });
    const { next } = await visitor.follow(await visitor.open(url), (url) => url.href.startsWith(farewell));
    assert.equal(next?.searchParams.get("state"), "so long");
    const { url: again, checks } = await ask(basic, { prompt: "none" });
    await assert.rejects(client.authorizationCodeGrant(basic, await pass(visitor, again), checks), refused("login_required"));
  });

  await it("an error at the authorization endpoint comes back with state and iss", async () => {
    const { url, checks } = await ask(basic, { response_type: "token" });
    await assert.rejects(client.authorizationCodeGrant(basic, await pass(visitor, url), checks), refused("unsupported_response_type"));
    const plain = await ask(basic, { code_challenge_method: "plain" });
    await assert.rejects(client.authorizationCodeGrant(basic, await pass(visitor, plain.url), plain.checks), refused("invalid_request"));
  });

  await it("a wrong secret is invalid_client", async () => {
    const wrong = await discover("basic", client.ClientSecretBasic(key()));
    await assert.rejects(client.refreshTokenGrant(wrong, "anything"), (fault) => fault.status === 401);
    const post = await discover("post", client.ClientSecretPost(key()));
    await assert.rejects(client.refreshTokenGrant(post, "anything"), refused("invalid_client", 401));
  });
});
