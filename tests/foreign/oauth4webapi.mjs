// npm's oauth4webapi, unmodified: as a client of our issuer, and as a resource server that believes it.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { subject } from "./checks.mjs";
import { published, signingKey } from "./keys.mjs";
import { key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri, signIn } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

// Characters that RFC 6749 §2.3.1 has encoded before they go into the header.
const secret = `${key()} +%:&=é`;
const audience = "https://api.wonderland.test";
const insecure = { [oauth.allowInsecureRequests]: true };

await subject("oauth4webapi", async (it) => {
  const [first, second] = [await signingKey("ES256", "first"), await signingKey("RS256", "second")];
  const afar = await published(first.jwk);
  const issuer = await ourIssuer([{
    client_id: "signing",
    token_endpoint_auth_method: "private_key_jwt",
    jwks_uri: afar.uri,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
  }, {
    client_id: "web+app/1:x",
    client_secret_sha256: [secretDigest("the one before"), secretDigest(secret)],
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    audience,
  }, {
    client_id: "signed",
    client_secret_sha256: secretDigest("s"),
    redirect_uris: [redirectUri],
    subject_type: "pairwise",
    userinfo_signed_response_alg: "RS256",
    introspection_signed_response_alg: "ES256",
  }, {
    client_id: "api",
    client_secret_sha256: secretDigest("s"),
    grant_types: [],
    resource_server: [audience],
  }], { PAIRWISE_SECRET: key() });
  const client = { client_id: "web+app/1:x" };
  const basic = oauth.ClientSecretBasic(secret);
  const scope = "openid profile email offline_access";

  let server;
  await it("both discovery documents describe the issuer, and are the same", async () => {
    const url = new URL(issuer);
    const [oidc, oauth2] = await Promise.all(["oidc", "oauth2"].map(async (algorithm) =>
      oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...insecure }))));
    assert.deepEqual(oidc, oauth2);
    server = oidc;
  });

  // The browser's part: a checked authorization response, with what is needed to redeem it.
  const authorize = async (who = client) => {
    const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
    const url = new URL(server.authorization_endpoint);
    const parameters = {
      client_id: who.client_id, redirect_uri: redirectUri, response_type: "code", scope, state, nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const back = oauth.validateAuthResponse(server, who, await signIn(new Visitor(), url), state);
    return { back, verifier, nonce };
  };
  const redeem = ({ back, verifier }, auth = basic, uri = redirectUri, who = client) =>
    oauth.authorizationCodeGrantRequest(server, who, auth, back, uri, verifier, insecure);

  const enter = async () => {
    const asked = await authorize();
    const response = await redeem(asked);
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response,
      { expectedNonce: asked.nonce, requireIdToken: true });
    await oauth.validateApplicationLevelSignature(server, response, insecure);
    return tokens;
  };

  // What an origin does with a request that carries a token.
  const believe = (token, expected = audience) => oauth.validateJwtAccessToken(
    server, new Request("https://api.wonderland.test/", { headers: { authorization: `Bearer ${token}` } }), expected, insecure);

  const refused = (code, status) => (fault) => {
    assert.deepEqual([fault.code, fault.error, fault.status], ["OAUTH_RESPONSE_BODY_ERROR", code, status], fault.stack);
    return true;
  };
  const processed = async (request) => oauth.processAuthorizationCodeResponse(server, client, await request);

  let tokens;
  await it("a code is redeemed, the ID token's signature, nonce and audience hold", async () => {
    tokens = await enter();
    const { sub, nonce } = oauth.getValidatedIdTokenClaims(tokens);
    assert.ok(sub && nonce);
    assert.equal(tokens.token_type, "bearer");
    assert.equal(tokens.scope.split(" ").sort().join(" "), scope.split(" ").sort().join(" "));
  });

  await it("RFC 9068: the access token is a JWT that a resource server believes", async () => {
    const claims = await believe(tokens.access_token);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    assert.deepEqual([claims.iss, claims.sub, claims.client_id], [issuer, sub, client.client_id]);
    assert.deepEqual([claims.aud].flat().sort(), [audience, issuer].sort());
    assert.ok(claims.jti && claims.exp > claims.iat && claims.scope.includes("openid"));
  });

  await it("RFC 9068: the resource server believes neither an ID token, nor a stranger's audience, nor a changed token", async () => {
    await assert.rejects(believe(tokens.id_token), /typ/);
    await assert.rejects(believe(tokens.access_token, "https://elsewhere.test"), /aud/);
    const [head, body, signature] = tokens.access_token.split(".");
    const payload = JSON.parse(Buffer.from(body, "base64url"));
    const changed = Buffer.from(JSON.stringify({ ...payload, sub: "somebody else" })).toString("base64url");
    await assert.rejects(believe(`${head}.${changed}.${signature}`), /signature/);
  });

  await it("userinfo is about the subject, by GET and with the token checked", async () => {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const response = await oauth.userInfoRequest(server, client, tokens.access_token, insecure);
    const about = await oauth.processUserInfoResponse(server, client, sub, response);
    assert.equal(about.email, "alice@example.com");
    const without = await oauth.userInfoRequest(server, client, tokens.id_token, insecure);
    await assert.rejects(oauth.processUserInfoResponse(server, client, sub, without), ({ code, cause }) => {
      assert.deepEqual([code, cause[0].parameters.error], ["OAUTH_WWW_AUTHENTICATE_CHALLENGE", "invalid_token"]);
      return true;
    });
  });

  await it("a refresh rotates, and its access token differs in jti alone and in its times", async () => {
    const response = await oauth.refreshTokenGrantRequest(server, client, basic, tokens.refresh_token, insecure);
    const next = await oauth.processRefreshTokenResponse(server, client, response);
    await oauth.validateApplicationLevelSignature(server, response, insecure);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    const stable = ({ jti, iat, exp, ...rest }) => rest;
    const [before, after] = [await believe(tokens.access_token), await believe(next.access_token)];
    assert.deepEqual(stable(after), stable(before));
    assert.notEqual(after.jti, before.jti);
    const [id, nextId] = [tokens, next].map(oauth.getValidatedIdTokenClaims);
    assert.deepEqual([nextId.sub, nextId.auth_time, nextId.sid], [id.sub, id.auth_time, id.sid]);
  });

  await it("private_key_jwt: code, refresh and revocation, and the client's key is exchanged between them", async () => {
    const signing = { client_id: "signing" };
    const asked = await authorize(signing);
    const response = await oauth.authorizationCodeGrantRequest(server, signing, oauth.PrivateKeyJwt(first), asked.back,
      redirectUri, asked.verifier, insecure);
    const given = await oauth.processAuthorizationCodeResponse(server, signing, response,
      { expectedNonce: asked.nonce, requireIdToken: true });
    const refresh = async (by, token) => oauth.processRefreshTokenResponse(server, signing,
      await oauth.refreshTokenGrantRequest(server, signing, oauth.PrivateKeyJwt(by), token, insecure));
    const once = await refresh(first, given.refresh_token);

    // OpenID Connect Core §10.1.1: a key that the issuer does not know makes it look again.
    afar.keys = [second.jwk];
    const twice = await refresh(second, once.refresh_token);
    await assert.rejects(refresh(first, twice.refresh_token), refused("invalid_client", 401));
    assert.equal(afar.hits, 2);
    const revoked = await oauth.revocationRequest(server, signing, oauth.PrivateKeyJwt(second), twice.refresh_token, insecure);
    await oauth.processRevocationResponse(revoked);
    await assert.rejects(refresh(second, twice.refresh_token), refused("invalid_grant", 400));
  });

  await it("RFC 7636: a code is refused with another verifier, and is not used up by that", async () => {
    const asked = await authorize();
    const stranger = { ...asked, verifier: oauth.generateRandomCodeVerifier() };
    await assert.rejects(processed(redeem(stranger)), refused("invalid_grant", 400));
    await assert.rejects(processed(redeem(asked, basic, `${redirectUri}/other`)), refused("invalid_grant", 400));
    const response = await redeem(asked);
    await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: asked.nonce });
  });

  await it("RFC 6749 §5.2: errors of the token endpoint are those of the standard", async () => {
    const generic = async (grant, parameters, auth = basic) =>
      oauth.processGenericTokenEndpointResponse(server, client,
        await oauth.genericTokenEndpointRequest(server, client, auth, grant, parameters, insecure));
    await assert.rejects(generic("password", { username: "alice", password: "wonderland" }), refused("unsupported_grant_type", 400));
    await assert.rejects(generic("client_credentials", {}), ({ status, error }) =>
      status === 400 && ["unsupported_grant_type", "unauthorized_client"].includes(error));
    await assert.rejects(generic("refresh_token", { refresh_token: "nonsense" }), refused("invalid_grant", 400));
    await assert.rejects(generic("refresh_token", {}), refused("invalid_request", 400));
    await assert.rejects(generic("authorization_code", {}), refused("invalid_request", 400));
    await assert.rejects(generic("refresh_token", { refresh_token: tokens.refresh_token, resource: "https://elsewhere.test" }),
      refused("invalid_target", 400));
  });

  await it("a wrong secret is challenged with Basic; the secret before still works during a rotation", async () => {
    const asked = await authorize();
    await assert.rejects(processed(redeem(asked, oauth.ClientSecretBasic("wrong"))), (fault) => {
      const [{ scheme, parameters }] = fault.cause;
      assert.deepEqual([fault.status, scheme, parameters.realm], [401, "basic", "token"]);
      return true;
    });
    // A client registered for the header may not send its secret in the body.
    await assert.rejects(processed(redeem(asked, oauth.ClientSecretPost(secret))), (fault) => fault.status === 401 || fault.status === 400);
    const response = await redeem(asked, oauth.ClientSecretBasic("the one before"));
    await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: asked.nonce });
  });

  // What somebody is told about a token, with the signature checked where there is one.
  const introspect = async (who, auth, token, options = {}) => {
    const response = await oauth.introspectionRequest(server, who, auth, token, { ...options, ...insecure });
    const about = await oauth.processIntrospectionResponse(server, who, response);
    if (options.requestJwtResponse ?? who.introspection_signed_response_alg) {
      await oauth.validateApplicationLevelSignature(server, response, insecure);
    }
    return about;
  };
  const theirs = oauth.ClientSecretBasic("s");

  await it("RFC 7662, RFC 9701: a client and a resource are told about its access token, in JSON or signed", async () => {
    const { access_token: token, refresh_token: refresh } = await enter();
    const claims = await believe(token);
    const api = { client_id: "api" };
    const expected = { active: true, token_type: "Bearer", ...claims };
    for (const requestJwtResponse of [false, true]) {
      assert.deepEqual(await introspect(client, basic, token, { requestJwtResponse }), expected);
      assert.deepEqual(await introspect(api, theirs, token, { requestJwtResponse }), expected);
      assert.deepEqual(await introspect(api, theirs, refresh, { requestJwtResponse }), { active: false });
    }
    assert.equal((await introspect(client, basic, refresh)).active, true);
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, basic, token, insecure));
    assert.deepEqual(await introspect(api, theirs, token), { active: false });
  });

  await it("a pairwise client that asked for it gets signed userinfo and introspection", async () => {
    const who = { client_id: "signed", userinfo_signed_response_alg: "RS256", introspection_signed_response_alg: "ES256" };
    const entering = await authorize(who);
    const response = await redeem(entering, theirs, redirectUri, who);
    const entered = await oauth.processAuthorizationCodeResponse(server, who, response, { expectedNonce: entering.nonce });
    const { sub } = oauth.getValidatedIdTokenClaims(entered);
    assert.notEqual(sub, oauth.getValidatedIdTokenClaims(tokens).sub);
    const told = await oauth.userInfoRequest(server, who, entered.access_token, insecure);
    const about = await oauth.processUserInfoResponse(server, who, sub, told);
    await oauth.validateApplicationLevelSignature(server, told, insecure);
    assert.equal(about.email, "alice@example.com");
    assert.equal((await introspect(who, theirs, entered.access_token)).sub, sub);
  });

  await it("a revoked access token opens userinfo no more", async () => {
    const entered = await enter();
    const token = entered.access_token;
    const { sub } = oauth.getValidatedIdTokenClaims(entered);
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, basic, token, insecure));
    const response = await oauth.userInfoRequest(server, client, token, insecure);
    await assert.rejects(oauth.processUserInfoResponse(server, client, sub, response), ({ status }) => status === 401);
  });
});
