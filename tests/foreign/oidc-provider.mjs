// Our gateway alone, with npm's oidc-provider as its issuer, over HTTP and without a service binding.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { subject } from "./checks.mjs";
import { freePorts, key, routesTo, serve } from "./pair.mjs";
import { foreignIssuer } from "./provider.mjs";
import { Visitor } from "./visitor.mjs";

const accessTokenSeconds = 8;
const expiry = () => sleep(accessTokenSeconds * 1000 + 1200);

// Every setting that changes how the gateway and the issuer meet is in one of them.
const variants = [
  { mode: "hybrid", alg: "RS256", auth: "client_secret_basic", idTokenOnRefresh: true },
  { mode: "hybrid", alg: "ES256", auth: "none", idTokenOnRefresh: false },
  { mode: "durable", alg: "EdDSA", auth: "client_secret_post", idTokenOnRefresh: true },
  { mode: "durable", alg: "RS256", auth: "client_secret_basic", idTokenOnRefresh: false },
];

const steps = {
  "a person signs in over the issuer's own pages and lands on the page they asked for": async (walk) => {
    const { visitor, app } = walk;
    let page = await visitor.follow(await visitor.open(`${app}/echo?from=here`));
    page = await visitor.follow(await visitor.submit(page, { login: "dinah", password: "any" }));
    page = await visitor.follow(await visitor.submit(page));
    assert.deepEqual([page.status, page.url], [200, `${app}/echo?from=here`], page.body.slice(0, 1000));
    walk.token = bearer(page);
  },

  "the token that reaches the origin is the issuer's, and works there": async ({ issuer, token }) => {
    const answer = await fetch(`${issuer.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([answer.status, await answer.json()], [200, { sub: "dinah", name: "Dinah", email: "dinah@example.com" }]);
  },

  "requests while the token lives cause no refresh": async (walk) => {
    const pages = await volley(walk, 10);
    assert.deepEqual(pages.map(bearer), Array(10).fill(walk.token));
    assert.equal(walk.issuer.refreshes, 0);
  },

  "thirty requests after the expiry cause exactly one refresh, and all get the new token": async (walk) => {
    await expiry();
    const tokens = (await volley(walk, 30)).map(bearer);
    assert.equal(new Set(tokens).size, 1, "different tokens reached the origin");
    assert.notEqual(tokens[0], walk.token);
    assert.deepEqual([walk.issuer.refreshes, walk.issuer.refused], [1, []]);
    walk.token = tokens[0];
  },

  "the session survives a second expiry with the refresh token that came of the first": async (walk) => {
    await expiry();
    const tokens = (await volley(walk, 30)).map(bearer);
    assert.equal(new Set(tokens).size, 1, "different tokens reached the origin");
    assert.notEqual(tokens[0], walk.token);
    assert.deepEqual([walk.issuer.refreshes, walk.issuer.refused], [2, []]);
    walk.token = tokens[0];
  },

  "while the issuer is away a session outlives its access token: 503 with Retry-After, and then as before": async (walk) => {
    const { visitor, app, issuer } = walk;
    issuer.away = true;
    await expiry();
    const away = await visitor.fetch(`${app}/echo`);
    assert.equal(away.status, 503, away.body);
    const wait = Number(away.headers["retry-after"]);
    assert.ok(wait >= 1 && wait <= 10, `Retry-After: ${away.headers["retry-after"]}`);
    issuer.away = false;
    await sleep(wait * 1000 + 100);
    const [page] = await volley(walk, 10);
    assert.deepEqual([issuer.refreshes, issuer.refused], [3, []]);
    walk.token = bearer(page);
  },

  "/auth/session tells who it is, and no token": async ({ visitor, app, token }) => {
    const answer = await visitor.fetch(`${app}/auth/session`);
    const { signed_in, subject } = JSON.parse(answer.body);
    assert.deepEqual([answer.status, signed_in, subject], [200, true, "dinah"]);
    assert.ok(!answer.body.includes(token));
  },

  "no token stands readable in a cookie": async ({ visitor, token }) => {
    assert.ok([...visitor.cookies].every(([, value]) => !value.includes(token)));
  },

  "signing out ends the session here, the grant at the issuer, and leads through its confirmation back": async (walk) => {
    const { visitor, app, issuer } = walk;
    walk.before = { cookies: new Map(visitor.cookies), refreshes: issuer.refreshes };
    const left = await visitor.send(`${app}/auth/logout`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
    assert.equal(left.status, 303);
    const confirm = await visitor.follow(left);
    assert.equal(new URL(confirm.url).origin, issuer.issuer, `${confirm.status} ${confirm.url}`);
    const { next } = await visitor.follow(await visitor.submit(confirm, { logout: "yes" }), ({ origin }) => origin === app);
    assert.equal(next?.href, `${app}/`);
    assert.ok(issuer.revoked > 0, "the grant lives on at the issuer");

    const api = await visitor.fetch(`${app}/api/me`);
    assert.deepEqual([api.status, JSON.parse(api.body).error], [401, "login_required"]);
    const page = await visitor.follow(await visitor.open(`${app}/`));
    assert.ok(page.url.startsWith(issuer.issuer) && /type="password"/.test(page.body), page.url);
  },

  "a cookie from before signing out opens nothing that asks the session": async (walk) => {
    if (walk.mode === "hybrid") await expiry();
    const thief = new Visitor();
    thief.cookies = walk.before.cookies;
    const api = await thief.fetch(`${walk.app}/api/me`);
    assert.equal(api.status, 401);
    assert.deepEqual([walk.issuer.refreshes, walk.issuer.refused], [walk.before.refreshes, []]);
  },
};

// One of the variants, with an issuer, a gateway and an origin of its own.
async function deploy({ mode, alg, auth, idTokenOnRefresh }) {
  const [gatewayPort, originPort] = await freePorts(2);
  const [app, origin] = [gatewayPort, originPort].map((port) => `http://localhost:${port}`);
  const secret = auth === "none" ? undefined : key();
  const issuer = await foreignIssuer({
    client_id: "gateway",
    client_secret: secret,
    token_endpoint_auth_method: auth,
    id_token_signed_response_alg: alg,
    redirect_uris: [`${app}/auth/callback`],
    post_logout_redirect_uris: [`${app}/`],
    grant_types: ["authorization_code", "refresh_token"],
  }, { accessTokenSeconds, idTokenOnRefresh });
  await serve({
    gateway: {
      port: gatewayPort,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer.issuer, CLIENT_ID: "gateway", CLIENT_AUTH: auth, SESSION_MODE: mode,
        SEALING_KEYS: key(), ROUTES: routesTo(origin), ...(secret && { CLIENT_SECRET: secret }),
      },
    },
    origin: { port: originPort },
  });
  return { mode, app, issuer, visitor: new Visitor() };
}

// Requests of one page at once, all with the cookies of before.
async function volley({ visitor, app }, count) {
  const pages = await Promise.all(Array.from({ length: count }, (_, index) => visitor.fetch(`${app}/echo?${index}`)));
  assert.deepEqual(pages.map(({ status }) => status), Array(count).fill(200));
  return pages;
}

function bearer({ body }) {
  const [, line] = JSON.parse(body).headers.find(([name]) => name === "authorization") ?? [];
  assert.match(line ?? "", /^Bearer \S+$/);
  return line.slice("Bearer ".length);
}

await subject("oidc-provider", async (it) => {
  // Four deployments that wait for expiries: side by side, or the waits would add up.
  const walks = await Promise.all(variants.map(deploy));
  for (const step of Object.keys(steps)) {
    await it(step, async () => {
      const outcomes = await Promise.allSettled(walks.map((walk) => steps[step](walk)));
      const failed = outcomes.findIndex(({ reason }) => reason);
      if (failed >= 0) throw new Error(`with ${JSON.stringify(variants[failed])}`, { cause: outcomes[failed].reason });
    });
  }
});
