// Tokens for an origin that are bound to the gateway's key (RFC 9449), from npm's oidc-provider, which wants a nonce in each
// proof, and from our own issuer. What the origin gets, npm's jose checks as an origin would.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { EmbeddedJWK, calculateJwkThumbprint, createRemoteJWKSet, jwtVerify } from "jose";
import { subject } from "./checks.mjs";
import { alice, freePorts, key, pair, serve } from "./pair.mjs";
import { foreignIssuer } from "./provider.mjs";
import { Visitor } from "./visitor.mjs";

const [orders, own] = ["https://orders.example", "https://site.example"];
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const signingKey = () => ({ ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }), kid: "k" });
const routes = (origin, by) => [
  { prefix: "/orders", origin, access: "signed-in", token: { resource: orders, by, dpop: true } },
  { prefix: "/", origin, access: "signed-in" },
];

// The headers that an origin got.
async function received(visitor, url, options) {
  const answer = await (options ? visitor.send(url, options) : visitor.fetch(url));
  assert.equal(answer.status, 200, answer.body.slice(0, 300));
  return Object.fromEntries(JSON.parse(answer.body).headers);
}

// What an origin does with a request that carries a bound token, RFC 9449 §4.3 and §7.1; the proof's `jti`.
async function check(headers, { issuer, jwks, method, url }) {
  const [, token] = /^DPoP (\S+)$/.exec(headers.authorization) ?? [];
  assert.ok(token, headers.authorization?.slice(0, 20));
  const { payload: claims } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks)), { issuer, audience: orders });
  const { payload: proof, protectedHeader } = await jwtVerify(headers.dpop, EmbeddedJWK, { typ: "dpop+jwt", algorithms: ["ES256"], maxTokenAge: 30 });
  assert.equal(claims.cnf.jkt, await calculateJwkThumbprint(protectedHeader.jwk));
  assert.deepEqual([proof.htm, proof.htu, proof.ath], [method, url, createHash("sha256").update(token).digest("base64url")]);
  return proof.jti;
}

async function journey(it, title, { app, origin, visitor, issuer, jwks }) {
  await it(`rfc9449_7_1 ${title}: an origin gets a token that is bound to the gateway's key, and a proof of its own with each request`, async () => {
    const at = (path, method = "GET") => ({ issuer, jwks, method, url: origin + path });
    const paths = ["/orders/echo?a=b", "/orders/echo", "/orders/echo"];
    const all = await Promise.all(paths.map((path) => received(visitor, app + path)));
    const names = await Promise.all(all.map((headers) => check(headers, at("/orders/echo"))));
    assert.equal(new Set(names).size, paths.length);
    assert.equal(new Set(all.map(({ authorization }) => authorization)).size, 1);
    const posted = await received(visitor, `${app}/orders/echo`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
    await check(posted, at("/orders/echo", "POST"));
  });

  await it(`rfc9449_7_1 ${title}: where nobody asked for that, a token is a bearer's, and no proof is sent`, async () => {
    const headers = await received(visitor, `${app}/echo`);
    assert.match(headers.authorization, /^Bearer /);
    assert.equal(headers.dpop, undefined);
  });
}

async function withOidcProvider(it) {
  const [gatewayPort, originPort] = await freePorts(2);
  const [app, origin] = [gatewayPort, originPort].map((port) => `http://localhost:${port}`);
  const secret = key();
  const issuer = await foreignIssuer({
    client_id: "gateway", client_secret: secret, redirect_uris: [`${app}/auth/callback`], grant_types: ["authorization_code", "refresh_token"],
  }, {
    accessTokenSeconds: 60,
    features: {
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({ scope: "", audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 60, jwt: { sign: { alg: "ES256" } } }),
      },
    },
  });
  await serve({
    gateway: {
      port: gatewayPort,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer.issuer, CLIENT_ID: "gateway", CLIENT_SECRET: secret, SEALING_KEYS: key(), SIGNING_KEYS: [signingKey()],
        RESOURCE: own, ROUTES: routes(origin, "refresh"),
      },
    },
    origin: { port: originPort },
  });
  const visitor = new Visitor();
  let page = await visitor.follow(await visitor.open(`${app}/echo`));
  page = await visitor.follow(await visitor.submit(page, { login: "dinah", password: "any" }));
  page = await visitor.follow(await visitor.submit(page));
  assert.equal(page.status, 200, page.body);
  await journey(it, "with oidc-provider", { app, origin, visitor, issuer: issuer.issuer, jwks: `${issuer.issuer}/jwks` });

  await it("px_15 with oidc-provider: it refused one proof for want of a nonce, and nothing else", () => {
    assert.deepEqual(issuer.refused.map(({ message }) => message), ["use_dpop_nonce"]);
  });
}

async function withOurIssuer(it, by) {
  const { config, app, issuer, origin } = await pair({
    gateway: (origin) => ({ RESOURCE: own, SIGNING_KEYS: [signingKey()], ROUTES: routes(origin, by) }),
  });
  const [client] = config.idp.settings.CLIENTS;
  Object.assign(client, { audience: own, resources: [orders], grant_types: [...client.grant_types, exchange] });
  await serve(config);
  const visitor = new Visitor();
  const page = await visitor.follow(await visitor.open(`${app}/echo`));
  assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
  await journey(it, `with our issuer, by ${by}`, { app, origin, visitor, issuer, jwks: `${issuer}/jwks` });
}

await subject("tokens that are bound to a key", async (it) => {
  await withOidcProvider(it);
  for (const by of ["refresh", "exchange"]) await withOurIssuer(it, by);
});
