// Our gateway on workerd, alone between an issuer that we can make misbehave and an origin that remembers what reached it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts, key, routesTo, serve } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { alice, challengeOf, issuerFor, listen } from "./issuer.mjs";

// A gateway and an issuer of their own. `issuer` is how that one is; `id` and `secret` are what the client is known by there,
// and `settings` the gateway's.
export async function world({ issuer: how, id = "gateway", secret = key(), settings = {} } = {}) {
  const [port] = await freePorts(1);
  const app = `http://localhost:${port}`;
  const auth = settings.CLIENT_AUTH ?? "client_secret_basic";
  const client = { id, secret: auth === "none" ? undefined : secret, auth, redirectUri: `${app}/auth/callback`, home: `${app}/` };
  const issuer = await issuerFor(client, how);
  const origin = await listen(({ path, headers }) => ({ body: { path, authorization: headers.authorization } }));
  const { log } = await serve({
    gateway: {
      port,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer.identifier, CLIENT_ID: client.id, CLIENT_AUTH: auth, SEALING_KEYS: key(),
        ROUTES: routesTo(origin.url), ...(client.secret && { CLIENT_SECRET: client.secret }), ...settings,
      },
    },
  });
  return new World({ app, client, issuer, origin, log });
}

// A world for each place where sessions live, and the way to check something in all of them, side by side.
export async function everyMode(modes = ["hybrid", "durable", "sealed"]) {
  // What the issuer takes once it is asked once: nobody refreshes in parallel here.
  const worlds = await Promise.all(modes.map((mode) => world({ settings: { SESSION_MODE: mode, REFRESH_TOKENS: "reusable" } })));
  return async (check) => {
    const outcomes = await Promise.allSettled(worlds.map(check));
    const failed = outcomes.findIndex(({ reason }) => reason);
    if (failed >= 0) throw new Error(`with sessions: ${modes[failed]}`, { cause: outcomes[failed].reason });
  };
}

class World {
  constructor(parts) {
    Object.assign(this, parts);
  }

  // Somebody asks for a page and is taken as far as it goes, while the issuer behaves so.
  async attempt(behaviour = {}, visitor = new Visitor()) {
    this.issuer.forget();
    this.origin.seen.splice(0);
    this.issuer.behaviour = behaviour;
    const page = await visitor.follow(await visitor.open(`${this.app}/page?from=here`));
    return { visitor, page };
  }

  // Alice is signed in: she is on the page she asked for, and the origin got the issuer's token. What the gateway sent to
  // the issuer on the way is what a client has to send.
  async signsIn(behaviour, visitor) {
    const came = await this.attempt(behaviour, visitor);
    const { page } = came;
    assert.deepEqual([page.status, page.url], [200, `${this.app}/page?from=here`], page.body.slice(0, 500));
    const { authorization } = JSON.parse(page.body);
    const [, token] = /^Bearer (\S+)$/.exec(authorization ?? "") ?? [];
    assert.ok(this.issuer.accessTokens.has(token), `the origin got ${authorization}`);
    assert.ok(this.hasSession(came.visitor), "there is no session cookie");
    const session = await this.session(came.visitor);
    assert.deepEqual([session.signed_in, session.subject], [true, alice.sub]);
    this.#wasAskedProperly(true);
    return { ...came, token, session };
  }

  // Nobody is: a page of ours says so, there is no session, nothing was served, and the operator reads why.
  // `pending`: the flow goes on, for what came back was none of its.
  async refuses(behaviour, cause, { status = 502, userinfo = 0, pending = false } = {}) {
    const before = this.#said().length;
    const { visitor, page } = await this.attempt(behaviour);
    assert.deepEqual([page.status, new URL(page.url).pathname], [status, "/auth/callback"], page.body.slice(0, 500));
    assert.match(page.body, /Sign in again/);
    this.#wasAskedProperly(false);
    assert.equal(this.issuer.asked("userinfo").length, userinfo, "questions at userinfo");
    await this.isNobody(visitor);
    const flows = [...visitor.cookies.keys()].filter((name) => name.startsWith("__Host-gatelatch-flow"));
    assert.equal(flows.length, pending ? 1 : 0, `flows: ${flows}`);
    assert.match(await this.#cause(before), cause);
    return { visitor, page };
  }

  // The issuer can't be used: nobody is sent to it, and nothing else of it is asked.
  async sendsNobodyThere(behaviour) {
    const { visitor, page } = await this.attempt(behaviour);
    assert.deepEqual([page.status, new URL(page.url).pathname], [502, "/auth/login"], page.body.slice(0, 500));
    assert.match(page.body, /Sign in again/);
    assert.deepEqual([...new Set(this.issuer.seen.map(({ endpoint }) => endpoint))], ["discovery"]);
    await this.isNobody(visitor);
  }

  // Without a session; the origin saw nothing.
  async isNobody(visitor) {
    assert.ok(!this.hasSession(visitor), `there is a session: ${[...visitor.cookies.keys()]}`);
    assert.equal((await this.session(visitor)).signed_in, false);
    const api = await visitor.fetch(`${this.app}/api/me`);
    assert.deepEqual([api.status, JSON.parse(api.body).error], [401, "login_required"]);
    assert.deepEqual(this.origin.seen, [], "something reached the origin");
  }

  hasSession(visitor) {
    return [...visitor.cookies.keys()].some((name) => name.startsWith("__Host-gatelatch-session"));
  }

  async session(visitor) {
    const answer = await visitor.fetch(`${this.app}/auth/session`);
    return answer.status === 200 ? JSON.parse(answer.body) : { status: answer.status };
  }

  // From the button of our own page as far as it leads, but not into the home page, which would sign in again.
  async signOut(visitor) {
    const form = { method: "POST", form: {}, headers: { origin: this.app, "sec-fetch-site": "same-origin" } };
    const left = await visitor.send(`${this.app}/auth/logout`, form);
    return visitor.follow(left, ({ origin, pathname }) => origin === this.app && pathname === "/");
  }

  // Everything that Core §3.1.2.1 and §3.1.3.1, RFC 7636 and RFC 9700 §2.1 have a client send, once each.
  #wasAskedProperly(redeemed) {
    const [request, ...others] = this.issuer.asked("authorize");
    assert.ok(request && others.length === 0, `${others.length + 1} authorization requests`);
    assert.deepEqual(this.issuer.asked("nothing"), [], "places that the metadata don't name");
    const asked = once(request.query);
    assert.deepEqual([asked.response_type, asked.client_id, asked.redirect_uri], ["code", this.client.id, this.client.redirectUri]);
    assert.ok(asked.scope.split(" ").includes("openid"), asked.scope);
    assert.match(asked.state, /^[\w-]{22,}$/);
    assert.match(asked.nonce, /^[\w-]{22,}$/);
    assert.equal(asked.code_challenge_method, "S256");
    const redemptions = this.issuer.asked("token").filter(({ form }) => form.get("grant_type") === "authorization_code");
    assert.ok(redemptions.length <= 1, "a code was redeemed twice");
    assert.ok(!redeemed || redemptions.length === 1, "no code was redeemed");
    for (const { method, headers, form } of redemptions) {
      const sent = once(form);
      assert.deepEqual([method, headers["content-type"]], ["POST", "application/x-www-form-urlencoded"]);
      assert.equal(sent.redirect_uri, this.client.redirectUri);
      assert.equal(challengeOf(sent.code_verifier), asked.code_challenge);
      const posted = { client_secret_basic: [], client_secret_post: ["client_id", "client_secret"], none: ["client_id"] }[this.client.auth];
      assert.deepEqual(Object.keys(sent).filter((name) => name.startsWith("client_")).sort(), posted);
      assert.equal("authorization" in headers, this.client.auth === "client_secret_basic");
    }
  }

  // The requests at an endpoint that is asked after the browser has been answered, once there is one.
  async asksLater(endpoint) {
    for (let turn = 0; turn < 200 && this.issuer.asked(endpoint).length === 0; turn += 1) await sleep(50);
    return this.issuer.asked(endpoint);
  }

  // What it wrote for the operator since then. It may come a moment after the answer.
  async #cause(before) {
    for (let turn = 0; turn < 200; turn += 1) {
      const whole = this.#said().slice(before).split("\n").slice(0, -1).filter((line) => line.startsWith("{"));
      const { cause } = whole.map((line) => JSON.parse(line)).find(({ path, cause }) => path === "/auth/callback" && cause) ?? {};
      if (cause) return cause;
      await sleep(50);
    }
    throw new Error("the operator was told nothing");
  }

  #said() {
    return readFileSync(this.log, "utf8");
  }
}

// Parameters, none of which is there twice.
function once(parameters) {
  const names = [...parameters.keys()];
  assert.equal(new Set(names).size, names.length, `a parameter twice: ${names}`);
  return Object.fromEntries(parameters);
}
