// What an operator sees and says of requests, on workerd: routes by host and method and what they require, the dry run, the
// line of the log, traces, timings, health. node tests/operations.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { later, subject } from "./foreign/checks.mjs";
import { alice, freePorts, pair, serve } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { database } from "./postgres.mjs";
import { postgres } from "../scripts/postgres.mjs";

const trace = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${trace}-b7ad6b7169203331-01`;

const { config, app, issuer } = await pair();
const other = app.replace("localhost", "127.0.0.1");
const [origin] = config.gateway.settings.ROUTES.map((route) => route.origin);
// A site that browsers reach by https, and an application that says itself how long they are to.
const [insistent] = await freePorts(1);
const theirs = "max-age=1; includeSubDomains";
Object.assign(config.gateway.settings, {
  PUBLIC_URL: `${app},${other},https://app.test`,
  HSTS_SECONDS: "600",
  SERVER_TIMING: "true",
  ROUTES: [
    { prefix: "/public", host: new URL(other).host, origin, access: "public" },
    { prefix: "/insistent", host: "app.test", origin: `http://localhost:${insistent}`, access: "public" },
    { prefix: "/public", host: "app.test", origin, access: "public" },
    { prefix: "/staff", origin, access: "signed-in", require: { claims: { groups: { any: ["staff"] } } } },
    { prefix: "/mine", origin, access: "signed-in", require: { claims: { email_verified: true } } },
    { prefix: "/strong", origin, access: "api", require: { acr: ["urn:test:strong"] } },
    { prefix: "/", methods: ["GET"], origin, access: "signed-in" },
  ],
});
for (const client of config.idp.settings.CLIENTS) client.redirect_uris.push(`${other}/auth/callback`);

await subject("what an operator sees of requests", async (it) => {
  const { log } = await serve(config);
  // A line that the gateway has written about a request for this path.
  const line = async (path) => {
    for (let tries = 0; tries < 100; tries += 1) {
      const found = readFileSync(log, "utf8").split("\n").findLast((text) => text.startsWith("{") && text.includes(`"path":"${path}"`));
      if (found) return JSON.parse(found);
      await sleep(50);
    }
    throw new Error(`there is no line about ${path}`);
  };
  const alone = new Visitor();
  const visitor = new Visitor();
  const page = await visitor.follow(await visitor.open(`${app}/`));
  assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);

  await it("health is ready when the issuer's metadata and keys are at hand", async () => {
    const { status, body } = await alone.fetch(`${app}/auth/health`);
    assert.deepEqual([status, body], [200, '{"ready":true}']);
  });

  await it("a route decides by host and method, and what none has is 404", async () => {
    assert.equal((await alone.fetch(`${other}/public`)).status, 200);
    assert.equal((await alone.fetch(`${app}/public`)).status, 401);
    assert.equal((await visitor.fetch(`${app}/x`, { method: "DELETE" })).status, 404);
  });

  await it("a session of one site is none at another", async () => {
    assert.equal((await visitor.fetch(`${app}/echo`)).status, 200);
    // No browser would send it there: a thief would.
    const thief = new Visitor();
    thief.cookies = new Map(visitor.cookies);
    assert.equal((await thief.fetch(`${other}/echo`)).status, 401);
  });

  await it("a claim that a route requires lets in or is 403, and what a sign-in lacks is 401 with the way to it", async () => {
    assert.equal((await visitor.fetch(`${app}/staff`)).status, 403);
    // The demo origin has no such page; the gateway let it through.
    assert.equal((await visitor.fetch(`${app}/mine`)).headers["server-timing"]?.startsWith("origin;dur="), true);
    const strong = await visitor.fetch(`${app}/strong/x`);
    const { error, acr_values: asked, login_url: login } = JSON.parse(strong.body);
    assert.deepEqual([strong.status, error, asked], [401, "insufficient_user_authentication", "urn:test:strong"]);
    const away = await visitor.open(app + login);
    const url = new URL(away.headers.location);
    assert.equal(url.origin, issuer);
    assert.equal(url.searchParams.get("acr_values"), "urn:test:strong");
  });

  await it("the dry run names the rule that decides and why", async () => {
    const { body } = await visitor.fetch(`${app}/auth/explain?url=/staff/x`);
    const { rule, decision } = JSON.parse(body);
    assert.deepEqual([rule.position, decision.respond], [3, { status: 403, why: "Refused(Claim)" }]);
  });

  await it("a line has the rule, where the session was and the trace, which is passed on; and no query", async () => {
    const { body } = await visitor.fetch(`${app}/echo?code=kaput-4711`, { headers: { traceparent } });
    assert.ok(body.includes(traceparent), body);
    const { method, rule, session, mode, outcome, status, trace: told } = await line("/echo");
    assert.deepEqual([method, rule, session, mode, outcome, status, told], ["GET", 6, "cookie", "hybrid", "Forward", 200, trace]);
    const refused = await line("/staff");
    assert.deepEqual([refused.rule, refused.outcome, refused.cause, refused.status], [3, "Refused(Claim)", "Claim", 403]);
    assert.ok(!readFileSync(log, "utf8").includes("kaput-4711"));
  });

  const { missing } = postgres();
  if (missing) console.log(`  NOT RUN with postgres: ${missing}`);
  for (const mode of ["hybrid", "durable", "kv", "sealed", ...(missing ? [] : ["postgres"])]) {
    await it(`${mode}: a line says what came of the token call that a request caused or waited for, and no token`, () => refreshes(mode));
  }
  await it("CS-15: a token in the address of a WebSocket is not needed, opens nothing and is not logged", async () => {
    const headers = { connection: "Upgrade", upgrade: "websocket", origin: app };
    assert.equal((await alone.fetch(`${app}/ws?access_token=kaput-4712`, { headers })).status, 401);
    await line("/ws");
    assert.ok(!readFileSync(log, "utf8").includes("kaput-4712"));
  });

  await it("every answer of a site with https says so, ours and an origin's that does not say it itself; none without", async () => {
    const server = createServer((_, response) => response.writeHead(200, { "strict-transport-security": theirs }).end());
    await new Promise((resolve) => server.listen(insistent, "localhost", resolve));
    const stop = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
    later(stop);
    const said = (host, path) => new Promise((resolve, reject) => {
      const { hostname, port } = new URL(app);
      request({ host: hostname, port, path, headers: { host } }, (answer) => resolve(answer.resume().headers["strict-transport-security"])).on("error", reject).end();
    });
    for (const path of ["/public", "/public/nothing", "/auth/session", "/auth/nothing", "/echo", "/public/..%2f"]) {
      assert.equal(await said("app.test", path), "max-age=600", path);
      assert.equal(await said(new URL(app).host, path), undefined, path);
    }
    assert.equal(await said("app.test", "/insistent"), theirs);
    await stop();
    assert.equal(await said("app.test", "/insistent"), "max-age=600", "nobody answers there");
  });
});

// Somebody's requests while their token ends, is renewed, and is refused in the end.
async function refreshes(mode) {
  let store = {};
  if (mode === "postgres") {
    const [port] = await freePorts(1);
    const { url, stop } = await database(port);
    later(stop);
    store = { DATABASE_URL: url };
  }
  const { config, app, issuer } = await pair({
    idp: { ACCESS_TOKEN_SECONDS: 6 }, kv: mode === "kv",
    // Refresh tokens end with the issuer's session, of whose end nobody is told.
    gateway: () => ({ SESSION_MODE: mode, REFRESH_TOKENS: "repeated", SCOPE: "openid profile email", ...store }),
  });
  const { log, stop } = await serve(config);
  const lines = () => readFileSync(log, "utf8").split("\n").filter((text) => text.startsWith("{") && text.includes('"path":"/echo"')).map((text) => JSON.parse(text));
  const words = (from) => lines().slice(from).map(({ refresh }) => refresh);
  const visitor = new Visitor();
  const page = await visitor.follow(await visitor.open(`${app}/`));
  assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
  const tokens = new Set();
  const ask = async () => {
    const { status, body } = await visitor.fetch(`${app}/echo`);
    if (status === 200) tokens.add(JSON.parse(body).headers.find(([name]) => name === "authorization")[1].split(" ")[1]);
    return status;
  };

  // Right after a renewal, if signing in has taken as long as a token lives, nothing is due.
  for (let tries = 0; tries === 0 || words(0).at(-1) !== undefined; tries += 1) {
    assert.ok(tries < 20, words(0).join());
    assert.equal(await ask(), 200);
  }
  const before = words(0).length;
  await sleep(6200);
  const many = await Promise.all(Array.from({ length: 6 }, ask));
  assert.deepEqual(many, Array(6).fill(200));
  const said = words(before);
  assert.ok(said.includes("renewed"), said.join());
  // In `sealed` each makes a call of its own. Elsewhere there is one, and whoever comes when it is over waited for nothing.
  const others = mode === "sealed" ? ["renewed"] : ["renewed", "waited", undefined];
  assert.ok(said.every((word) => others.includes(word)), said.join());

  const out = await visitor.open(`${issuer}/end_session`);
  assert.ok((await visitor.submit(out, { confirm: "yes" })).status < 400);
  await sleep(6200);
  assert.equal(await ask(), 401);
  const last = lines().at(-1);
  assert.deepEqual([last.session, last.refresh, last.status], ["nobody", "refused", 401]);
  const all = readFileSync(log, "utf8");
  assert.ok(tokens.size >= 2);
  for (const part of [...tokens].flatMap((token) => token.split(".").slice(1))) assert.ok(!all.includes(part), "a token stands in the log");
  await stop();
}
