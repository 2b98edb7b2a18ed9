// Routes that ask a browser to show that it is no machine's, on workerd, with a stand-in for Cloudflare's service:
// node tests/turnstile.mjs. What each refusal is for stands in tests/pair/turnstile.rs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { later, subject } from "./foreign/checks.mjs";
import { alice, serve } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { challenged } from "./widget.mjs";

const cookie = "__Host-gatelatch-clearance";

await subject("a route asks a browser to show that it is no machine's", async (it) => {
  const { config, app, service } = await challenged();
  const { log } = await serve(config);

  const enter = async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/`));
    assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
    return visitor;
  };
  const pass = async (visitor, path) => {
    const page = await visitor.open(app + path);
    assert.equal(page.status, 403, page.body.slice(0, 300));
    return visitor.submit(page, { "cf-turnstile-response": await service.token(page.body) });
  };
  const received = async (visitor, path, headers) => {
    const answer = await visitor.fetch(app + path, { headers });
    assert.equal(answer.status, 200, answer.body.slice(0, 300));
    return Object.fromEntries(JSON.parse(answer.body).headers);
  };
  const isAsked = async (visitor, path, options) => {
    const { status, body } = await visitor.fetch(app + path, options);
    assert.equal(status, 403, body.slice(0, 300));
    assert.equal(JSON.parse(body).error, "turnstile_required");
    return JSON.parse(body).url;
  };

  const stranger = new Visitor();
  await it("on a public route a person passes once and goes on, and the origin is told which challenge it was", async () => {
    const landed = await pass(stranger, "/public/form/echo?a=b");
    assert.deepEqual([landed.status, landed.headers.location], [303, "/public/form/echo?a=b"]);
    const headers = await received(stranger, "/public/form/echo", { "x-turnstile-action": "forged", "x_turnstile_action": "forged" });
    assert.equal(headers["x-turnstile-action"], "contact");
    assert.ok(!JSON.stringify(headers).includes("forged") && !JSON.stringify(headers).includes(cookie));
    const told = await received(stranger, "/public/echo", { "x-turnstile-action": "forged" });
    assert.equal(told["x-turnstile-action"], undefined);
  });

  await it("a script, a post and a WebSocket are told where the page is, and it stands there by itself", async () => {
    const alone = new Visitor();
    await isAsked(alone, "/public/form/echo", { method: "POST", form: { a: "b" } });
    const url = await isAsked(alone, "/public/form/echo", { headers: { referer: `${app}/public/a?b=c` } });
    assert.equal(url, "/auth/turnstile?action=contact&return_to=%2Fpublic%2Fa%3Fb%3Dc");
    const status = await new Promise((resolve, reject) => {
      const socket = new WebSocket(`${app.replace("http", "ws")}/public/form/ws`, { headers: { origin: app } });
      later(() => socket.terminate());
      socket.once("unexpected-response", (_, answer) => resolve(answer.statusCode)).once("open", () => reject(new Error("open"))).once("error", reject);
    });
    assert.equal(status, 403);
    const page = await alone.open(app + url);
    assert.equal(page.status, 200);
    const landed = await alone.submit(page, { "cf-turnstile-response": await service.token(page.body) });
    assert.deepEqual([landed.status, landed.headers.location], [303, "/public/a?b=c"]);
    await received(alone, "/public/form/echo");
  });

  await it("who signs in is asked in their session, which no copy of the cookie leaves", async () => {
    const visitor = await enter();
    await isAsked(visitor, "/pay/echo");
    assert.equal((await pass(visitor, "/pay/echo")).headers.location, "/pay/echo");
    assert.match((await received(visitor, "/pay/echo")).authorization, /^Bearer /);
    const thief = await enter();
    thief.cookies.set(cookie, visitor.cookies.get(cookie));
    await isAsked(thief, "/pay/echo");
    assert.equal((await new Visitor().open(`${app}/pay/echo`)).status, 302, "nobody is asked before they sign in");
  });

  await it("a token of another browser, or one that was used, is worth nothing", async () => {
    const [one, two] = [new Visitor(), new Visitor()];
    const [page, theirs] = [await one.open(`${app}/public/form/echo`), await two.open(`${app}/public/form/echo`)];
    const token = await service.token(page.body);
    const other = await two.submit(theirs, { "cf-turnstile-response": token });
    assert.equal(other.status, 403);
    assert.match(other.body, /role="alert"/);
    await isAsked(two, "/public/form/echo");
    const again = await one.submit(page, { "cf-turnstile-response": token });
    assert.equal(again.status, 403, "it was used up");
    await isAsked(one, "/public/form/echo");
  });

  await it("while the service gives no answer nobody passes, and is told to come again", async () => {
    for (const fault of ["refuse_connection", { status: 500 }, "html200", "bad_json", { redirect: { status: 302, to: "http://localhost:1/" } }]) {
      const visitor = new Visitor();
      await service.fault(fault);
      const answer = await pass(visitor, "/public/form/echo");
      assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "5"], JSON.stringify(fault));
      await isAsked(visitor, "/public/form/echo");
    }
  });

  await it("another site posts nothing there", async () => {
    const visitor = new Visitor();
    const page = await visitor.open(`${app}/public/form/echo`);
    const form = { action: "contact", return_to: "/", "cf-turnstile-response": await service.token(page.body) };
    const headers = { origin: "https://evil.test", "sec-fetch-site": "cross-site" };
    assert.equal((await visitor.send(`${app}/auth/turnstile`, { method: "POST", form, headers })).status, 403);
    await isAsked(visitor, "/public/form/echo");
  });

  await it("the log and the dry run name what was required, and the log why a token was refused", async () => {
    const told = JSON.parse((await new Visitor().fetch(`${app}/auth/explain?url=/public/form/echo`)).body);
    assert.deepEqual(told.decision, { respond: { status: 403, why: "Turnstile" } });
    const lines = readFileSync(log, "utf8").split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    assert.ok(lines.some(({ path, outcome, rule }) => path === "/public/form/echo" && outcome === "Turnstile" && rule === 0));
    const causes = new Set(lines.filter(({ path }) => path === "/auth/turnstile").map(({ cause }) => cause));
    for (const cause of ["Data", "Duplicate", "Unreachable", "Status(500)", "Status(302)", "Nonsense"]) {
      assert.ok(causes.has(cause), `${cause}: ${[...causes]}`);
    }
    assert.ok(!readFileSync(log, "utf8").includes("standin-standin"), "no token is logged");
  });
});
