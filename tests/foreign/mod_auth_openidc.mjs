// Debian's mod_auth_openidc in a real Apache, unmodified, against our issuer, with the demo origin behind it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apache } from "../../scripts/apache.mjs";
import { startApache } from "./apache.mjs";
import { notRun, subject } from "./checks.mjs";
import { account, alice, freePorts, key, ourIssuer, secretDigest, serve } from "./pair.mjs";
import { Visitor } from "./visitor.mjs";
import { watch } from "./watch.mjs";

const software = apache();
if (software.missing) {
  console.log(`mod_auth_openidc\n  NOT RUN: ${software.missing}`);
  process.exit(notRun);
}

// Apache is told to refresh in the last second. A token is good to it until the second of its `exp` is over.
const accessTokenSeconds = 6;
const expiry = () => sleep(accessTokenSeconds * 1000 + 1200);
// How long the previous refresh token is as good as the current one, and a little more.
const grace = 31_000;
const parallel = 8;
// Newer versions let requests wait for one that refreshes already; those have this message.
const sharesRefreshes = readFileSync(join(software.modules, "mod_auth_openidc.so")).includes("existing refresh in progress");

// Both places where it keeps sessions.
const variants = [
  { name: "memory", type: "server-cache", auth: "client_secret_basic", alg: "ES256" },
  { name: "cookie", type: "client-cookie:store_id_token", auth: "client_secret_post", alg: "RS256" },
];

const steps = {
  "a visitor without a session is sent to sign in, with S256, state and nonce, at the endpoint of our discovery": async (walk) => {
    const { visitor, app, issuer, watched } = walk;
    const answer = await visitor.open(`${app}/echo?from=here`);
    assert.equal(answer.status, 302);
    const url = new URL(answer.headers.location);
    walk.asked = url.searchParams;
    assert.equal(url.origin + url.pathname, `${issuer}/authorize`);
    const { response_type, client_id, code_challenge_method } = Object.fromEntries(walk.asked);
    assert.deepEqual([response_type, client_id, code_challenge_method], ["code", walk.name, "S256"]);
    assert.ok(walk.asked.get("state") && walk.asked.get("nonce"));
    assert.deepEqual(watched.calls.map(({ path, status }) => [path, status]), [["/.well-known/openid-configuration", 200]]);
    walk.page = await visitor.follow(answer);
    assert.match(walk.page.body, /type="password"/);
  },

  "after signing in they see the page they asked for, and the origin hears who it is": async (walk) => {
    const { visitor, app, issuer, page } = walk;
    const seen = await visitor.follow(await visitor.submit(page, alice));
    assert.deepEqual([seen.status, seen.url], [200, `${app}/echo?from=here`], seen.body.slice(0, 1000));
    const headers = headersOf(seen);
    walk.sub = headers.oidc_claim_sub;
    assert.match(walk.sub, /^[0-9a-f-]{36}$/);
    assert.equal(headers["x-remote-user"], `${walk.sub}@${issuer}`);
    assert.deepEqual([headers.oidc_claim_iss, headers.oidc_claim_aud], [issuer, walk.name]);
    walk.token = headers.oidc_access_token;
    walk.headers = headers;
  },

  "the code was redeemed once, with its verifier, by the client's own method, for an ID token of its algorithm": async (walk) => {
    const { watched, asked, auth, alg, app } = walk;
    const [{ form, headers, status, answer }, ...more] = watched.to("/token");
    assert.deepEqual([status, more], [200, []]);
    assert.equal(form.get("grant_type"), "authorization_code");
    assert.equal(form.get("redirect_uri"), `${app}/back`);
    assert.equal(createHash("sha256").update(form.get("code_verifier")).digest("base64url"), asked.get("code_challenge"));
    assert.equal(/^Basic /.test(headers.authorization ?? ""), auth === "client_secret_basic");
    assert.equal(form.has("client_secret"), auth === "client_secret_post");
    assert.equal(JSON.parse(Buffer.from(answer.id_token.split(".")[0], "base64url")).alg, alg);
  },

  "the claims that only userinfo tells are headers and variables": async ({ watched, headers }) => {
    assert.deepEqual(watched.to("/userinfo").map(({ status }) => status), [200]);
    const { name, given_name, family_name, preferred_username, email, locale } = account;
    for (const [claim, value] of Object.entries({ name, given_name, family_name, preferred_username, email, locale })) {
      assert.equal(headers[`oidc_claim_${claim}`], value);
    }
    assert.equal(headers["x-variable-email"], email);
  },

  "the access token that reaches the origin is the one we gave, and opens our userinfo": async ({ watched, token, issuer, sub }) => {
    assert.equal(token, watched.to("/token")[0].answer.access_token);
    assert.deepEqual(await userinfo(issuer, token), [200, sub]);
  },

  "a session outlives its access tokens, with one refresh each and a new refresh token every time": async (walk) => {
    const known = new Set([walk.headers.oidc_refresh_token]);
    for (let round = 1; round <= 2; round += 1) {
      await expiry();
      const headers = await refreshed(walk);
      known.add(headers.oidc_refresh_token);
      assert.equal(known.size, round + 1, "a refresh token came twice");
    }
  },

  "requests at the moment of expiry that all send the same refresh token get one and the same successor": async (walk) => {
    const { watched } = walk;
    await expiry();
    watched.forget();
    watched.together = parallel;
    const pages = await volley(walk, parallel);
    watched.together = 1;
    const sent = watched.refreshes();
    assert.equal(sent.length, sharesRefreshes ? 1 : parallel);
    assert.deepEqual(sent.map(({ status }) => status), sent.map(() => 200));
    assert.equal(new Set(sent.map(({ form }) => form.get("refresh_token"))).size, 1);
    assert.equal(new Set(pages.map(({ oidc_refresh_token }) => oidc_refresh_token)).size, 1);
    for (const token of new Set(pages.map(({ oidc_access_token }) => oidc_access_token))) {
      assert.notEqual(token, walk.token);
      assert.deepEqual(await userinfo(walk.issuer, token), [200, walk.sub]);
    }
  },

  "and nobody is signed out by it: the next expiry is a refresh like any other": async (walk) => {
    await expiry();
    await refreshed(walk);
  },

  "a refresh whose answer was lost costs nothing: the same token is sent again and answered": async (walk) => {
    const { visitor, app, watched } = walk;
    await expiry();
    watched.forget();
    watched.lost = true;
    // Below this path a refresh that fails does not sign out.
    const without = await visitor.fetch(`${app}/api/echo`);
    watched.lost = false;
    assert.deepEqual([without.status, headersOf(without).oidc_access_token], [200, walk.token]);
    const headers = await refreshed(walk);
    const sent = watched.refreshes();
    assert.deepEqual([sent.length, new Set(sent.map(({ form }) => form.get("refresh_token"))).size], [2, 1]);
    assert.equal(headers.oidc_refresh_token, sent[0].answer.refresh_token);
  },

  "the origin may ask for a refresh over the refresh hook, also from two tabs at once": async (walk) => {
    const { visitor, app, watched } = walk;
    watched.forget();
    const hook = `${app}/back?${new URLSearchParams({ refresh: `${app}/echo`, access_token: walk.token })}`;
    watched.together = 2;
    const tabs = await Promise.all([1, 2].map(() => visitor.open(hook)));
    watched.together = 1;
    assert.deepEqual(tabs.map(({ status, headers }) => [status, headers.location]), Array(2).fill([302, `${app}/echo`]));
    const [headers] = await volley(walk, 1);
    assert.notEqual(headers.oidc_access_token, walk.token);
    assert.deepEqual(await userinfo(walk.issuer, headers.oidc_access_token), [200, walk.sub]);
    assert.equal(watched.refreshes().length, sharesRefreshes ? 1 : 2);
    Object.assign(walk, { headers, token: headers.oidc_access_token });
  },

  "signing out revokes, ends the session at our end_session endpoint without a question, and comes back": async (walk) => {
    const { visitor, app, issuer, watched } = walk;
    walk.before = new Map(visitor.cookies);
    watched.forget();
    const left = await visitor.open(`${app}/back?${new URLSearchParams({ logout: `${app}/public/echo` })}`);
    assert.ok(left.headers.location?.startsWith(`${issuer}/end_session?id_token_hint=`), `${left.status} ${left.headers.location}`);
    const revoked = watched.to("/revoke").map(({ form, status }) => [form.get("token_type_hint"), status]);
    assert.deepEqual(revoked, [["refresh_token", 200], ["access_token", 200]]);
    const back = await visitor.follow(left);
    assert.deepEqual([back.status, back.url], [200, `${app}/public/echo`]);
    assert.ok(!headersOf(back).oidc_access_token);
    const [status] = await userinfo(issuer, walk.token);
    assert.equal(status, 401);
  },

  "after that the protected page asks for the password": async ({ visitor, app }) => {
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    assert.match(page.body, /type="password"/);
  },

  "a copy of the session from before signing out gets no token any more": async ({ app, issuer, before, watched }) => {
    await expiry();
    watched.forget();
    const thief = new Visitor();
    thief.cookies = before;
    await isSignedOut(thief, app, issuer);
    assert.deepEqual(watched.refreshes().filter(({ status }) => status === 200), []);
  },
};

await subject(`mod_auth_openidc ${software.version}`, async (it) => {
  const world = await deploy();
  const tab = forgotten(world.late);
  tab.catch(() => {});
  for (const [sentence, step] of Object.entries(steps)) {
    // Side by side, or the waits for expiries would add up.
    await it(sentence, async () => {
      const outcomes = await Promise.allSettled(world.walks.map(step));
      const failed = outcomes.findIndex(({ reason }) => reason);
      if (failed >= 0) throw new Error(`with ${JSON.stringify(variants[failed])}`, { cause: outcomes[failed].reason });
    });
  }

  await it("RFC 9207: a response in the name of another issuer is refused by the client", async () => {
    const { app, watched } = world.plain;
    const visitor = new Visitor();
    const isBack = (url) => url.pathname === "/back";
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    const { next } = await visitor.follow(await visitor.submit(page, alice), isBack);
    watched.forget();
    const tampered = new URL(next);
    tampered.searchParams.set("iss", "http://localhost:2");
    const refused = await visitor.open(tampered);
    // It says so on a page of its own, with status 200.
    assert.match(refused.body, /error/i);
    assert.ok(!visitor.cookies.has("session-plain"));
    assert.deepEqual(watched.calls, []);
  });

  const visitor = new Visitor();
  await it("who is signed in at one host is signed in at the next without a page", async () => {
    const { app } = world.plain;
    await enter(visitor, world.late.app);
    const seen = await visitor.follow(await visitor.open(`${app}/echo`));
    assert.deepEqual([seen.status, seen.url], [200, `${app}/echo`]);
    assert.equal(headersOf(seen).oidc_claim_aud, "plain");
  });

  await it("requests while the access token lives cause no call to the issuer", async () => {
    const { app, watched } = world.plain;
    watched.forget();
    const pages = await volley({ visitor, app }, parallel);
    assert.equal(new Set(pages.map(({ oidc_access_token }) => oidc_access_token)).size, 1);
    assert.deepEqual(watched.calls, []);
  });

  await it("a client that kept no ID token to show has the person asked first, and then they are signed out", async () => {
    const { app } = world.plain;
    const left = await visitor.open(`${app}/back?${new URLSearchParams({ logout: `${app}/public/echo` })}`);
    assert.ok(!new URL(left.headers.location).searchParams.has("id_token_hint"));
    const question = await visitor.follow(left);
    assert.equal(question.url, left.headers.location);
    const end = await visitor.follow(await visitor.submit(question, { confirm: "yes" }));
    assert.equal(end.status, 200);
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    assert.match(page.body, /type="password"/);
  });

  await it("back-channel logout: who signs out at the issuer is signed out here, without any token having expired", async () => {
    const { app, issuer, watched } = world.told;
    const [visitor, elsewhere] = [new Visitor(), new Visitor()];
    await enter(visitor, app);
    await enter(elsewhere, app);
    watched.forget();
    const question = await visitor.open(`${issuer}/end_session`);
    assert.equal((await visitor.submit(question, { confirm: "yes" })).status, 200);
    while ((await visitor.open(`${app}/echo`)).status === 200) await sleep(100);
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    assert.match(page.body, /type="password"/);
    // And nobody else is, who is the same person in another browser.
    assert.equal((await elsewhere.open(`${app}/echo`)).status, 200);
    assert.deepEqual(watched.to("/token"), []);
  });

  await it("RFC 7662: as a resource server it asks us about our access token, and takes no other", async () => {
    const [{ app, token: expired }] = world.walks;
    const { oidc_access_token: token, oidc_claim_sub: sub } = headersOf(await enter(new Visitor(), app));
    const show = (token) => new Visitor().fetch(`${world.resource}/api/echo`, { headers: { authorization: `Bearer ${token}` } });
    const seen = await show(token);
    assert.equal(seen.status, 200, seen.body);
    assert.equal(headersOf(seen)["x-remote-user"], sub);
    assert.equal((await show(token.replace(/.{8}$/, "AAAAAAAA"))).status, 401);
    assert.equal((await show(expired)).status, 401, "it has expired");
    assert.equal((await new Visitor().fetch(`${world.resource}/api/echo`)).status, 401);
  });

  await it("a tab whose cookie is one refresh old goes on after half a minute too, while nobody used the successor", async () => {
    const { visitor, successor, waited } = await tab;
    await waited;
    world.late.watched.forget();
    const seen = await visitor.fetch(`${world.late.app}/echo`);
    assert.equal(seen.status, 200, seen.body);
    assert.equal(headersOf(seen).oidc_refresh_token, successor);
    assert.deepEqual(world.late.watched.refreshes().map(({ status }) => status), [200]);
  });

  await it("a cookie that is two refreshes old is a thief's: it ends the session of whoever holds the newest too", async () => {
    const { visitor, cookies } = await tab;
    assert.equal((await visitor.fetch(`${world.late.app}/echo`)).status, 200);
    const thief = new Visitor();
    thief.cookies = new Map(cookies);
    await isSignedOut(thief, world.late.app, world.late.issuer);
    await isSignedOut(visitor, world.late.app, world.late.issuer);
  });
});

// The issuers, the origin, and one Apache with a host for each client.
async function deploy() {
  const names = [...variants.map(({ name }) => name), "plain", "late", "told", "resource"];
  const ports = await freePorts(names.length + 1);
  const origin = ports.pop();
  const apps = Object.fromEntries(names.map((name, index) => [name, `http://localhost:${ports[index]}`]));
  const secret = key();
  const client = (name, more = {}) => ({
    client_id: name,
    client_secret_sha256: secretDigest(secret),
    redirect_uris: [`${apps[name]}/back`],
    post_logout_redirect_uris: [`${apps[name]}/public/echo`],
    grant_types: ["authorization_code", "refresh_token"],
    ...more,
  });
  const [issuer, slow] = await Promise.all([
    ourIssuer(
      variants.map(({ name, auth: token_endpoint_auth_method, alg: id_token_signed_response_alg }) =>
        client(name, { token_endpoint_auth_method, id_token_signed_response_alg })),
      { ACCESS_TOKEN_SECONDS: accessTokenSeconds },
    ),
    ourIssuer(
      [client("plain"), client("late"), client("told", { backchannel_logout_uri: `${apps.told}/back?logout=backchannel` })],
      { ACCESS_TOKEN_SECONDS: 300 },
    ),
    serve({ origin: { port: origin } }),
  ]);

  const place = async (name, { type, auth = "client_secret_basic", alg = "ES256", at = issuer, before = 1 }) => {
    const watched = await watch();
    const lines = [
      `OIDCProviderMetadataURL ${at}/.well-known/openid-configuration`,
      `OIDCClientID ${name}`,
      `OIDCClientSecret ${secret}`,
      `OIDCProviderTokenEndpointAuth ${auth}`,
      `OIDCIDTokenSignedResponseAlg ${alg}`,
      `OIDCRedirectURI ${apps[name]}/back`,
      'OIDCScope "openid profile email offline_access"',
      "OIDCPKCEMethod S256",
      `OIDCCryptoPassphrase ${key()}`,
      `OIDCSessionType ${type}`,
      `OIDCCookie session-${name}`,
      `OIDCOutgoingProxy localhost:${watched.port}`,
      // Where it goes when a refresh fails. Without this it answers twice: that it has signed out, and with the page.
      `OIDCDefaultLoggedOutURL ${apps[name]}/public/echo`,
      ...location("/", "openid-connect", "OIDCPassRefreshToken On", 'RequestHeader set X-Variable-Email "%{OIDC_CLAIM_email}e"'),
      ...location("/echo", "openid-connect", `OIDCRefreshAccessTokenBeforeExpiry ${before} logout_on_error`),
      ...location("/api", "openid-connect", `OIDCRefreshAccessTokenBeforeExpiry ${before}`),
      "<Location /public>", "AuthType None", "Require all granted", "</Location>",
      `ProxyPass / http://127.0.0.1:${origin}/`,
    ];
    return { name, auth, alg, app: apps[name], issuer: at, watched, lines };
  };
  const walks = await Promise.all(variants.map((variant) => place(variant.name, variant)));
  const plain = await place("plain", { type: "client-cookie", at: slow });
  // It refreshes with every request.
  const late = await place("late", { type: "client-cookie", at: slow, before: 3600 });
  // Only where it keeps sessions itself can it end one that it is told of.
  const told = await place("told", { type: "server-cache", at: slow });
  // Where the metadata names an introspection endpoint, it asks there, as a client about its own tokens.
  const resource = [
    `OIDCOAuthServerMetadataURL ${issuer}/.well-known/oauth-authorization-server`,
    `OIDCOAuthClientID ${walks[0].name}`,
    `OIDCOAuthClientSecret ${secret}`,
    "OIDCOAuthIntrospectionEndpointAuth client_secret_basic",
    ...location("/", "oauth20"),
    `ProxyPass / http://127.0.0.1:${origin}/`,
  ];
  await startApache(software, [...walks, plain, late, told, { app: apps.resource, lines: resource }]
    .map(({ app, lines }) => ({ port: Number(new URL(app).port), lines })));
  return { walks: walks.map((walk) => ({ ...walk, visitor: new Visitor() })), plain, late, told, resource: apps.resource };
}

function location(path, type, ...lines) {
  return [
    `<Location ${path}>`,
    `AuthType ${type}`,
    "Require valid-user",
    'RequestHeader set X-Remote-User "expr=%{REMOTE_USER}"',
    ...lines,
    "</Location>",
  ];
}

// Somebody signs in, and the answer of a refresh reaches their browser no more: the tab was closed.
// The wait that follows goes on beside everything else.
async function forgotten({ app }) {
  const visitor = new Visitor();
  await enter(visitor, app);
  const cookies = new Map(visitor.cookies);
  const closed = await visitor.fetch(`${app}/echo`);
  visitor.cookies = new Map(cookies);
  return { visitor, cookies, successor: headersOf(closed).oidc_refresh_token, waited: sleep(grace) };
}

async function enter(visitor, app) {
  const page = await visitor.follow(await visitor.open(`${app}/echo`));
  const seen = await visitor.follow(await visitor.submit(page, alice));
  assert.deepEqual([seen.status, seen.url], [200, `${app}/echo`], seen.body.slice(0, 1000));
  return seen;
}

// One request that refreshes once, and its origin's headers.
async function refreshed(walk) {
  const { watched } = walk;
  const before = watched.refreshes().length;
  const [headers] = await volley(walk, 1);
  assert.deepEqual(watched.refreshes().slice(before).map(({ status }) => status), [200]);
  assert.notEqual(headers.oidc_access_token, walk.token);
  assert.deepEqual(await userinfo(walk.issuer, headers.oidc_access_token), [200, walk.sub]);
  Object.assign(walk, { headers, token: headers.oidc_access_token });
  return headers;
}

// Requests of one page at once, all with the cookies of before; what the origin heard with each.
async function volley({ visitor, app }, count) {
  const pages = await Promise.all(Array.from({ length: count }, (_, index) => visitor.fetch(`${app}/echo?${index}`)));
  assert.deepEqual(pages.map(({ status }) => status), Array(count).fill(200));
  return pages.map(headersOf);
}

// At the latest the second request begins anew: the first may find out that the refresh token is dead.
async function isSignedOut(visitor, app, issuer) {
  const [first, second] = [await visitor.open(`${app}/echo`), await visitor.open(`${app}/echo`)];
  assert.deepEqual([first.status, second.status], [302, 302]);
  assert.ok(second.headers.location.startsWith(`${issuer}/authorize?`), second.headers.location);
}

// What the demo origin tells about the request that reached it.
function headersOf({ body }) {
  return Object.fromEntries(JSON.parse(body).headers);
}

async function userinfo(issuer, token) {
  const answer = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
  return [answer.status, answer.ok ? (await answer.json()).sub : undefined];
}
