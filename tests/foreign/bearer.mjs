// RFC 6750 and RFC 9068 on workerd: API clients bring tokens of their own to our gateway, past its sessions. One is npm's
// openid-client, unmodified, with tokens of our issuer; another has opaque ones, about which our gateway asks an issuer.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import * as client from "openid-client";
import { later, subject } from "./checks.mjs";
import { freePorts, key, ourPair, routesTo, secretDigest, serve } from "./pair.mjs";
import { redirectUri, signIn } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const api = "https://api.wonderland.test";
const secret = key();

const call = (app, path, token, headers = {}, method = "GET") => fetch(`${app}${path}`, {
  method, redirect: "manual", headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
});
const arrived = async (answer) => {
  const text = await answer.text();
  assert.equal(answer.status, 200, text.slice(0, 500));
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  assert.equal(answer.headers.get("set-cookie"), null);
  return new Map(JSON.parse(text).headers).get("authorization");
};
const refused = async (answer, status, error, ...parts) => {
  const said = answer.headers.get("www-authenticate") ?? "";
  assert.deepEqual([answer.status, (await answer.json()).error], [status, error], said);
  assert.equal(answer.headers.get("location") ?? answer.headers.get("set-cookie"), null);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  for (const part of parts) assert.ok(said.includes(part), `${part} is not in ${said}`);
};
const invalid = (answer) => refused(answer, 401, "invalid_token", 'Bearer realm="gatelatch", error="invalid_token"');

await subject("bearer tokens of callers", async (it) => {
  const taking = (origin) => [
    { prefix: "/none", origin, access: "api" },
    { prefix: "/cookies", origin, access: "api", bearer: { audience: api }, require: { scope: "reports.read" } },
    ...routesTo(origin).map((route) => route.access === "public" ? route : { ...route, bearer: { audience: api } }),
  ];
  const registered = (client_id, audience) => ({
    client_id, audience, client_secret_sha256: secretDigest(secret), redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"], scope: "openid offline_access reports.read",
  });
  const { issuer, app } = await ourPair({
    clients: [registered("cli", api), registered("stranger", "https://other.wonderland.test")],
    idp: { SCOPES: { "reports.read": { description: "Read your reports" } } },
    gateway: (origin) => ({ ROUTES: taking(origin) }),
  });

  const enter = async (id, scope) => {
    const insecure = { execute: [client.allowInsecureRequests] };
    const config = await client.discovery(new URL(issuer), id, {}, client.ClientSecretBasic(secret), insecure);
    const [verifier, state] = [client.randomPKCECodeVerifier(), client.randomState()];
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope, state, code_challenge_method: "S256",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
    });
    const back = await signIn(new Visitor(), url);
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state });
    return { config, tokens };
  };

  let cli;
  await it("RFC 6750 §2.1: the origin gets the very token that came, of openid-client's sign-in and of its refresh", async () => {
    cli = await enter("cli", "openid offline_access");
    const refreshed = await client.refreshTokenGrant(cli.config, cli.tokens.refresh_token);
    assert.notEqual(refreshed.access_token, cli.tokens.access_token);
    for (const { access_token } of [cli.tokens, refreshed]) {
      for (const path of ["/echo", "/api/echo"]) assert.equal(await arrived(await call(app, path, access_token)), `Bearer ${access_token}`);
      assert.equal(await arrived(await call(app, "/api/echo", access_token, { origin: "https://evil.test" }, "POST")), `Bearer ${access_token}`);
    }
  });

  await it("with a session beside it the token decides, good or bad, and without one the session does", async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    const home = await visitor.follow(await visitor.submit(page, { username: "alice", password: "wonderland" }));
    const ours = new Map(JSON.parse(home.body).headers).get("authorization");
    const { access_token } = cli.tokens;
    const beside = { cookie: visitor.cookie };
    assert.notEqual(ours, `Bearer ${access_token}`);
    assert.equal(await arrived(await call(app, "/echo", access_token, beside)), `Bearer ${access_token}`);
    assert.equal(await arrived(await call(app, "/echo", undefined, beside)), ours);
    await invalid(await call(app, "/echo", "forged", { ...beside, "sec-fetch-mode": "navigate", accept: "text/html" }));
  });

  await it("JV-12, JV-16, JV-17: an ID token, a refresh token and a token for somebody else open nothing", async () => {
    const stranger = await enter("stranger", "openid offline_access");
    const { access_token, id_token, refresh_token } = cli.tokens;
    const [header, payload, signature] = access_token.split(".");
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    for (const token of [
      id_token, refresh_token, stranger.tokens.access_token, `${none}.${payload}.`, `${none}.${payload}.${signature}`,
      `${header}.${payload}.${"A".repeat(86)}`,
    ]) {
      for (const path of ["/echo", "/api/echo"]) await invalid(await call(app, path, token));
    }
  });

  await it("RFC 6750 §3.1: too little scope is 403, two tokens are 400, DPoP is 401, no token is 401", async () => {
    const { access_token } = cli.tokens;
    await refused(await call(app, "/cookies", access_token), 403, "insufficient_scope", 'scope="reports.read"');
    const more = await enter("cli", "openid reports.read");
    assert.equal((await call(app, "/cookies", more.tokens.access_token)).status, 200);
    await refused(await call(app, `/echo?access_token=${access_token}`, access_token), 400, "invalid_request", "Bearer");
    const authorization = `Bearer ${access_token}, Bearer ${access_token}`;
    await refused(await call(app, "/echo", undefined, { authorization }), 400, "invalid_request", 'error="invalid_request"');
    await refused(await call(app, "/echo", undefined, { authorization: `DPoP ${access_token}` }), 401, "invalid_request", "Bearer");
    const nobody = await call(app, "/api/echo");
    assert.equal(nobody.status, 401);
    assert.match(nobody.headers.get("www-authenticate"), /Bearer realm="gatelatch"/);
  });

  await it("a route that takes no token takes none", async () => {
    const answer = await call(app, "/none/echo", cli.tokens.access_token);
    assert.deepEqual([answer.status, (await answer.json()).error], [401, "login_required"]);
  });

  await it("RFC 7662: an opaque token is asked about once, with our credentials, and is what the issuer says it is", async () => {
    const [port, originPort] = await freePorts(2);
    const [asked, app] = [[], `http://localhost:${port}`];
    const issuer = await introspecting(asked);
    const [clientSecret, origin] = [key(), `http://localhost:${originPort}`];
    await serve({
      gateway: { port, settings: {
        PUBLIC_URL: app, ISSUER: issuer.url, CLIENT_ID: "gateway", CLIENT_SECRET: clientSecret, SEALING_KEYS: key(),
        ROUTES: [{ prefix: "/", origin, access: "api", bearer: { audience: api, opaque: true } }],
      } },
      origin: { port: originPort },
    });
    for (let n = 0; n < 5; n += 1) assert.equal(await arrived(await call(app, "/echo", "good")), "Bearer good");
    const credentials = `Basic ${Buffer.from(`gateway:${clientSecret}`).toString("base64")}`;
    assert.deepEqual(asked, [[credentials, "token=good&token_type_hint=access_token"]]);
    for (const token of ["unknown", "elsewhere", "proving"]) await invalid(await call(app, "/echo", token));
    issuer.away = true;
    const answer = await call(app, "/echo", "another");
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
    await refused(answer, 503, "temporarily_unavailable");
    assert.equal(await arrived(await call(app, "/echo", "good")), "Bearer good");
  });
});

// An issuer that has nothing but opaque tokens. `asked` collects what it is asked about them, and by whom.
async function introspecting(asked) {
  const tokens = {
    good: { active: true, aud: api, scope: "any", exp: Math.floor(Date.now() / 1000) + 600, token_type: "Bearer" },
    elsewhere: { active: true, aud: "https://other.wonderland.test" },
    proving: { active: true, aud: api, token_type: "DPoP" },
  };
  const [port] = await freePorts(1);
  const state = { url: `http://localhost:${port}`, away: false };
  const metadata = { issuer: state.url, ...Object.fromEntries([
    ["authorization_endpoint", "authorize"], ["token_endpoint", "token"], ["jwks_uri", "jwks"], ["introspection_endpoint", "introspect"],
  ].map(([name, path]) => [name, `${state.url}/${path}`])) };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const say = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    if (request.url === "/.well-known/openid-configuration") return say(metadata);
    if (request.url !== "/introspect" || state.away) return response.writeHead(503).end();
    asked.push([request.headers.authorization, body]);
    return say(tokens[new URLSearchParams(body).get("token")] ?? { active: false });
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  later(() => {
    server.close();
    server.closeAllConnections();
  });
  return state;
}
