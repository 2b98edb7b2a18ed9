// Several providers at one gateway, on workerd: our issuer, and stand-ins for Auth0 and GitHub. node tests/providers.mjs
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { client as known, standIns } from "../scripts/stand-in.mjs";
import { later, subject } from "./foreign/checks.mjs";
import { alice, pair, serve } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";

// How long access tokens live, in seconds.
const life = 6;
const told = { "X-User-Id": "sub", "X-User-Issuer": "iss" };

const { url, stop } = await standIns();
later(stop);
const { config, app, issuer, origin } = await pair({ idp: { ACCESS_TOKEN_SECONDS: life } });
const [tenant, hub] = ["auth0/tenant", "github/hub"].map((place) => `${url}/${place}`);

// The short form gives way to three entries.
const { ISSUER: _, CLIENT_ID: ours, CLIENT_SECRET: secret, ...rest } = config.gateway.settings;
config.gateway.settings = {
  ...rest,
  PROVIDERS: [
    { id: "ours", provider: "openid", issuer, client_id: ours, label: "Wonderland" },
    { id: "tenant", provider: "auth0", base: tenant, client_id: known.id },
    // A GitHub App: its tokens end.
    { id: "hub", provider: "github", base: hub, client_id: "Iv1.gatelatch" },
  ],
  PROVIDER_OURS_SECRET: secret,
  PROVIDER_TENANT_SECRET: known.secret,
  PROVIDER_HUB_SECRET: known.secret,
  ROUTES: [
    { prefix: "/api/hub", origin, access: "api", provider: "hub" },
    { prefix: "/redirect", origin, access: "signed-in", provider: "hub" },
    { prefix: "/api", origin, access: "api", headers: told },
    { prefix: "/", origin, access: "signed-in", headers: told },
  ],
};
config.idp.settings.CLIENTS[0].redirect_uris = [`${app}/auth/callback/ours`];

async function control(place, path, method, body) {
  const answer = await fetch(`${place}/${path}`, { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}
const seen = async (place, endpoint) => (await control(place, "_seen", "GET")).filter((one) => one.endpoint === endpoint).length;
const arrange = (place, endpoint, fault, times) => control(place, "_faults", "PUT", [{ endpoint, fault, times }]);

// Signs alice in, from an answer that leads to one of the three on.
async function enter(visitor, answer) {
  const page = await visitor.follow(answer);
  const isOurs = page.url.startsWith(issuer);
  return visitor.follow(await visitor.submit(page, isOurs ? alice : { person: "alice" }));
}

async function signIn(id) {
  const visitor = new Visitor();
  const landed = await enter(visitor, await visitor.open(`${app}/auth/login?provider=${id}&return_to=/echo`));
  assert.deepEqual([landed.status, landed.url], [200, `${app}/echo`], landed.body.slice(0, 500));
  return visitor;
}

const whoami = async (visitor) => JSON.parse((await visitor.fetch(`${app}/auth/session`)).body);
const isIn = async (visitor) => (await visitor.fetch(`${app}/api/echo`)).status === 200;
const out = async (visitor) => visitor.send(`${app}/auth/logout`, { method: "POST", headers: { origin: app, accept: "text/html" } });
const ended = async (visitor) => {
  while (await isIn(visitor)) await sleep(200);
};

await subject("several providers at the gateway", async (it) => {
  for (const place of [tenant, hub]) {
    for (const endpoint of ["token", "refresh"]) await arrange(place, endpoint, { short_lived: life });
  }
  await serve(config);
  const people = {};

  await it("who comes without a word about it chooses among all of them", async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    const links = [...page.body.matchAll(/href="([^"]*provider=[^"]*)">([^<]*)</g)].map(([, href, label]) => [href.replaceAll("&amp;", "&"), label]);
    assert.deepEqual(links.map(([, label]) => label), ["Wonderland", "Auth0", "GitHub"].map((label) => `Continue with ${label}`));
    const landed = await enter(visitor, await visitor.open(app + links[2][0]));
    assert.equal(landed.url, `${app}/echo`);
    assert.equal((await whoami(visitor)).provider, "hub");
    assert.equal((await visitor.open(`${app}/auth/login?provider=nobody`)).status, 400);
  });

  await it("pa_06: each of them signs alice in, and origins are told whose word her name is", async () => {
    for (const [id, said] of [["ours", issuer], ["tenant", `${tenant}/`], ["hub", hub]]) {
      people[id] = await signIn(id);
      const { signed_in: isIn, provider, subject } = await whoami(people[id]);
      assert.deepEqual([isIn, provider], [true, id]);
      const headers = Object.fromEntries(JSON.parse((await people[id].fetch(`${app}/api/echo`)).body).headers);
      assert.equal(decodeURIComponent(headers["x-user-id"]), subject);
      assert.equal(decodeURIComponent(headers["x-user-issuer"]), said);
    }
  });

  await it("every one of them is ready", async () => {
    assert.deepEqual(JSON.parse((await new Visitor().fetch(`${app}/auth/health`)).body), { ready: true });
  });

  await it("gc_05 gc_16: what one of them answers is of no use at the callback of another", async () => {
    const visitor = new Visitor();
    const away = await visitor.open(`${app}/auth/login?provider=tenant`);
    const page = await visitor.follow(away);
    const before = await seen(tenant, "token");
    const { next } = await visitor.follow(await visitor.submit(page, { person: "bob" }), (to) => to.href.startsWith(app));
    for (const other of ["hub", "ours"]) {
      assert.equal((await visitor.open(next.href.replace("/callback/tenant", `/callback/${other}`))).status, 400);
    }
    assert.equal(await seen(tenant, "token"), before);
    assert.equal((await whoami(visitor)).signed_in, false);
  });

  await it("a route of one of them sends there, and a session of another does not satisfy it", async () => {
    const visitor = await signIn("ours");
    const refused = await visitor.fetch(`${app}/api/hub/echo`);
    assert.deepEqual([refused.status, JSON.parse(refused.body).login_url], [401, "/auth/login?return_to=%2F&provider=hub"]);
    const away = await visitor.open(`${app}/redirect`);
    const page = await visitor.follow(away);
    assert.ok(page.url.startsWith(hub), page.url);
    await visitor.follow(await visitor.submit(page, { person: "bob" }), (to) => to.pathname === "/elsewhere");
    assert.equal((await whoami(visitor)).provider, "hub");
  });

  await it("gr_01: each refreshes where it is from, and there alone", async () => {
    await sleep(life * 1000);
    const counted = async () => [await seen(tenant, "refresh"), await seen(hub, "refresh")];
    const [before, beforeHub] = await counted();
    assert.ok(await isIn(people.tenant));
    assert.deepEqual(await counted(), [before + 1, beforeHub]);
    assert.ok(await isIn(people.hub));
    assert.ok(await isIn(people.ours));
    assert.deepEqual(await counted(), [before + 1, beforeHub + 1]);
  });

  await it("pa_07: GitHub says no with 200, and that ends her session there and no other", async () => {
    await control(hub, "_faults", "DELETE");
    await arrange(hub, "refresh", { error: { status: 200, error: "bad_refresh_token" } });
    await sleep(life * 1000);
    assert.equal(await isIn(people.hub), false);
    assert.ok(await isIn(people.tenant));
    assert.ok(await isIn(people.ours));
  });

  await it("gs_26: Auth0 says that she has signed out there, and that ends her session of Auth0 and no other", async () => {
    const to = `${app.replace("localhost", "127.0.0.1")}/auth/backchannel-logout`;
    const again = await signIn("ours");
    const { status } = await control(tenant, "_logout", "POST", { person: "alice", to });
    assert.equal(status, 200);
    await ended(people.tenant);
    assert.ok(await isIn(again));
  });

  await it("pa_14: signing out goes on to where she signed in", async () => {
    const places = [["ours", `${issuer}/end_session?`], ["tenant", `${tenant}/oidc/logout?`]];
    for (const [id, place] of places) {
      const visitor = await signIn(id);
      const left = await out(visitor);
      assert.ok(left.headers.location?.startsWith(place), `${left.status} ${left.headers.location}`);
      assert.equal(await isIn(visitor), false);
    }
    await control(hub, "_faults", "DELETE");
    const visitor = await signIn("hub");
    const left = await out(visitor);
    assert.deepEqual([left.status, await isIn(visitor)], [200, false]);
    assert.match(left.body, /You are signed out/);
  });
});
