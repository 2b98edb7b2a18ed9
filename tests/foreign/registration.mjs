// npm's openid-client and oauth4webapi, unmodified, register themselves with our issuer, and an administrator manages
// what they registered. The issuer is started twice on one state: what was registered is still there.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { subject } from "./checks.mjs";
import { account, alice, freePorts, key, prepare, secretDigest, serve } from "./pair.mjs";
import { redirectUri } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const initialAccessToken = key();
const secret = key();
const execute = [client.allowInsecureRequests];

await subject("registration at run time", async (it) => {
  const [port] = await freePorts(1);
  const issuer = `http://localhost:${port}`;
  const settings = {
    ISSUER: issuer, SEALING_KEYS: key(), ACCOUNTS: [account],
    INITIAL_ACCESS_TOKENS: [secretDigest(initialAccessToken)],
    CLIENTS: [{
      client_id: "console", redirect_uris: [redirectUri], client_secret_sha256: secretDigest(secret),
      scope: "openid gatelatch:clients",
    }],
    // Somebody whom nobody is: without an administrator this issuer doesn't know the scope.
    ADMINS: ["00000000-0000-4000-8000-000000000000"],
  };
  const { config: { state } } = await prepare({});
  let served = await serve({ state, idp: { port, settings } });

  // Signs in, and agrees where the client is one that nobody vouches for.
  const signIn = async (visitor, url) => {
    const answer = await visitor.submit(await visitor.open(url), alice);
    const agreed = /value="allow"/.test(answer.body) ? await visitor.submit(answer, { decision: "allow" }) : answer;
    const { next } = await visitor.follow(agreed, (url) => url.href.startsWith(redirectUri));
    assert.ok(next, `${agreed.status} instead of the way back:\n${agreed.body.slice(0, 2000)}`);
    return next;
  };
  const enter = async (config, scope = "openid profile") => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope, state: expectedState,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
    });
    return client.authorizationCodeGrant(config, await signIn(new Visitor(), url), { pkceCodeVerifier, expectedState, idTokenExpected: true });
  };
  const ask = (url, token, method = "GET", body) => fetch(url, {
    method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });

  let registered;
  await it("openid-client registers itself and signs somebody in, with RS256 as OpenID Connect wants it", async () => {
    registered = await client.dynamicClientRegistration(
      new URL(issuer), { client_name: "Made by itself", redirect_uris: [redirectUri] }, client.ClientSecretBasic(), { initialAccessToken, execute });
    client.enableNonRepudiationChecks(registered);
    const metadata = registered.clientMetadata();
    assert.equal(metadata.id_token_signed_response_alg, "RS256");
    assert.equal(metadata.token_endpoint_auth_method, "client_secret_basic");
    const tokens = await enter(registered);
    assert.equal(tokens.claims().aud, metadata.client_id);
  });

  await it("openid-client registers itself as a public native application", async () => {
    const config = await client.dynamicClientRegistration(
      new URL(issuer),
      { redirect_uris: [redirectUri], application_type: "native", token_endpoint_auth_method: "none" },
      client.None(), { initialAccessToken, execute });
    assert.equal(config.clientMetadata().client_secret, undefined);
    assert.ok((await enter(config)).claims().sub);
  });

  await it("oauth4webapi registers itself, and is told what is wrong when it may not", async () => {
    const url = new URL(issuer);
    const insecure = { [oauth.allowInsecureRequests]: true };
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
    const register = async (metadata, token = initialAccessToken) => oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, metadata, { initialAccessToken: token, ...insecure }));
    const metadata = await register({ redirect_uris: [redirectUri], token_endpoint_auth_method: "client_secret_post" });
    assert.equal(metadata.client_secret_expires_at, 0);
    assert.equal(metadata.registration_client_uri, `${issuer}/register/${metadata.client_id}`);

    await assert.rejects(register({ redirect_uris: ["http://example.com/"] }), (fault) => {
      assert.deepEqual([fault.error, fault.status], ["invalid_redirect_uri", 400]);
      return true;
    });
    await assert.rejects(register({ redirect_uris: [redirectUri] }, key()), (fault) => {
      const [{ scheme, parameters }] = fault.cause;
      assert.deepEqual([scheme, parameters.error], ["bearer", "invalid_token"]);
      return true;
    });
  });

  await it("a change holds for the very next request, and what is removed is gone", async () => {
    const { registration_access_token: token, registration_client_uri: url, client_id } = registered.clientMetadata();
    const changed = await ask(url, token, "PUT", { client_id, client_name: "Renamed", redirect_uris: [redirectUri] });
    assert.equal(changed.status, 200);
    assert.equal((await (await ask(url, token)).json()).client_name, "Renamed");
    const page = await new Visitor().open(client.buildAuthorizationUrl(registered, {
      redirect_uri: redirectUri, scope: "openid", code_challenge: "A".repeat(43), code_challenge_method: "S256",
    }));
    assert.match(page.body, /Renamed/);
  });

  const byConsole = () => client.discovery(new URL(issuer), "console", {}, client.ClientSecretBasic(secret), { execute });
  await it("an account that is no administrator's manages nothing", async () => {
    const tokens = await enter(await byConsole(), "openid gatelatch:clients");
    assert.equal(tokens.scope, "gatelatch:clients openid");
    const { registration_client_uri: url } = registered.clientMetadata();
    assert.equal((await ask(url, tokens.access_token)).status, 403);
    settings.ADMINS = [tokens.claims().sub];
  });

  await it("an administrator finds after a restart what was registered before it, and removes it", async () => {
    await served.stop();
    served = await serve({ state, idp: { port, settings } });
    const { access_token: admin } = await enter(await byConsole(), "openid gatelatch:clients");
    const { registration_client_uri: url, registration_access_token: token } = registered.clientMetadata();
    assert.ok((await enter(registered)).claims().sub);
    const read = await ask(url, admin);
    assert.equal(read.status, 200);
    const said = await read.json();
    assert.equal(said.client_name, "Renamed");
    assert.equal(said.registration_access_token, undefined);

    assert.equal((await ask(url, admin, "DELETE")).status, 204);
    assert.equal((await ask(url, token)).status, 401);
    assert.equal((await ask(url, admin)).status, 404);
    await assert.rejects(client.refreshTokenGrant(registered, "anything"), (fault) => fault.status === 401);
    const made = await ask(`${issuer}/register`, admin, "POST", { redirect_uris: [redirectUri] });
    assert.equal(made.status, 201);
  });
});
