// A gateway with keys of its own, on workerd: what its origins are told is read with npm's jose; with our issuer they
// stand for a secret, and with npm's oidc-provider, which reads them at /auth/jwks and takes pushed requests alone, too.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { subject } from "./checks.mjs";
import { alice, freePorts, key, pair, routesTo, serve } from "./pair.mjs";
import { foreignIssuer } from "./provider.mjs";
import { Visitor } from "./visitor.mjs";

const accessTokenSeconds = 6;
const expiry = () => sleep(accessTokenSeconds * 1000 + 1200);

const signingKey = (kid, type = "ec", options = { namedCurve: "P-256" }) =>
  ({ kid, ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }) });
const publicHalf = ({ kty, crv, x, y, n, e, kid }) => JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid }));

// What the origin behind /echo got of these headers.
function header({ status, body }, name) {
  assert.equal(status, 200, body);
  return JSON.parse(body).headers.find(([told]) => told === name)?.[1];
}

// Routes of which the two that need a session have something signed for them.
const asserting = (origin) => routesTo(origin).map((route) =>
  route.access === "public" ? route : { ...route, assertion: { audience: `https://${route.access}.internal`, claims: ["email"] } });

async function withOurIssuer(it, title, own) {
  const { config, app, issuer } = await pair({ idp: { ACCESS_TOKEN_SECONDS: accessTokenSeconds } });
  const [client] = config.idp.settings.CLIENTS;
  delete client.client_secret_sha256;
  Object.assign(client, { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [publicHalf(own[0])] } });
  const { settings } = config.gateway;
  delete settings.CLIENT_SECRET;
  const [{ origin }] = settings.ROUTES;
  Object.assign(settings, { CLIENT_AUTH: "private_key_jwt", SIGNING_KEYS: own, ROUTES: asserting(origin) });
  await serve(config);
  const visitor = new Visitor();
  const jwks = createRemoteJWKSet(new URL(`${app}/auth/jwks`));
  const read = async (path, audience) => {
    const token = header(await visitor.fetch(app + path), "x-identity-assertion");
    return (await jwtVerify(token, jwks, { issuer: app, audience, typ: "identity-assertion+jwt" })).payload;
  };

  await it(`${title}: the public halves are published, and nothing private of them`, async () => {
    const answer = await fetch(`${app}/auth/jwks`);
    assert.equal(answer.headers.get("content-type"), "application/jwk-set+json");
    assert.equal(answer.headers.get("cache-control"), "public, max-age=300");
    const { keys } = await answer.json();
    assert.deepEqual(keys.map(({ kid }) => kid), own.map(({ kid }) => kid));
    for (const key of keys) for (const name of ["d", "p", "q", "dp", "dq", "qi"]) assert.ok(!(name in key), name);
    assert.equal((await fetch(`${app}/auth/jwks`, { method: "POST" })).status, 405);
  });

  await it(`PA-16 ${title}: somebody signs in, and their session is refreshed twice`, async () => {
    const page = await visitor.follow(await visitor.open(`${app}/`));
    assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
    const seen = new Set();
    for (let round = 0; round < 3; round += 1) {
      if (round) await expiry();
      seen.add(header(await visitor.fetch(`${app}/echo`), "authorization"));
    }
    assert.equal(seen.size, 3);
  });

  await it(`${title}: an origin reads who it is, signed for it alone`, async () => {
    const told = await read("/echo", "https://signed-in.internal");
    assert.equal(told.idp, issuer);
    assert.equal(told.email, "alice@example.com");
    assert.equal(told.exp - told.iat, 60);
    assert.ok(told.sub && told.auth_time && told.jti);
    assert.equal((await read("/echo", "https://signed-in.internal")).jti, told.jti);
    assert.notEqual((await read("/api/echo", "https://api.internal")).jti, told.jti);
    await assert.rejects(read("/echo", "https://api.internal"));
  });

  await it(`${title}: no assertion of the browser reaches an origin`, async () => {
    for (const name of ["X-Identity-Assertion", "x_identity_assertion"]) {
      for (const path of ["/public/echo", "/echo"]) {
        const { body } = await visitor.fetch(app + path, { headers: { [name]: "forged" } });
        assert.ok(!body.includes("forged"), body);
      }
    }
  });

  await it(`PA-16 ${title}: signing out revokes with a proof of its own`, async () => {
    const left = await visitor.send(`${app}/auth/logout`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
    assert.equal(left.status, 303);
    await expiry();
    assert.equal((await visitor.fetch(`${app}/echo`)).status, 401);
  });
}

async function withOidcProvider(it) {
  const [gatewayPort, originPort] = await freePorts(2);
  const [app, origin] = [gatewayPort, originPort].map((port) => `http://localhost:${port}`);
  const own = signingKey("gateway-1");
  const issuer = await foreignIssuer({
    client_id: "gateway",
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    jwks_uri: `${app}/auth/jwks`,
    redirect_uris: [`${app}/auth/callback`],
    post_logout_redirect_uris: [`${app}/`],
    grant_types: ["authorization_code", "refresh_token"],
  }, { accessTokenSeconds, idTokenOnRefresh: true, features: { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } } });
  await serve({
    gateway: {
      port: gatewayPort,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer.issuer, CLIENT_ID: "gateway", CLIENT_AUTH: "private_key_jwt", SIGNING_KEYS: [own],
        SEALING_KEYS: key(), ROUTES: routesTo(origin),
      },
    },
    origin: { port: originPort },
  });
  const visitor = new Visitor();

  await it("rfc9126 with oidc-provider: the browser carries the name of a request that was pushed, and signs in with it", async () => {
    const away = await visitor.open(`${app}/auth/login?return_to=/echo`);
    const url = new URL(away.headers.location);
    assert.deepEqual([...url.searchParams.keys()], ["client_id", "request_uri"]);
    let page = await visitor.follow(away);
    page = await visitor.follow(await visitor.submit(page, { login: "dinah", password: "any" }));
    page = await visitor.follow(await visitor.submit(page));
    assert.match(header(page, "authorization"), /^Bearer \S+$/);
    assert.deepEqual(issuer.refused, []);
  });

  await it("PA-16 with oidc-provider: it knows the key by /auth/jwks, and refreshes for it", async () => {
    await expiry();
    const answers = await Promise.all(Array.from({ length: 10 }, () => visitor.fetch(`${app}/echo`)));
    assert.equal(new Set(answers.map((answer) => header(answer, "authorization"))).size, 1);
    assert.deepEqual([issuer.refreshes, issuer.refused], [1, []]);
  });

  await it("rfc9126 with oidc-provider: while it is away nobody is sent anywhere", async () => {
    issuer.away = true;
    const page = await new Visitor().open(`${app}/auth/login`);
    issuer.away = false;
    assert.equal(page.status, 502);
    assert.ok(!page.headers.location);
  });
}

await subject("a gateway with keys of its own", async (it) => {
  await withOurIssuer(it, "ES256", [signingKey("k2"), signingKey("k1")]);
  await withOurIssuer(it, "RS256", [signingKey("r", "rsa", { modulusLength: 2048 })]);
  await withOidcProvider(it);
});
