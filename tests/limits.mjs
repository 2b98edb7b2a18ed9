// What an operator binds besides: a rate limit of sign-ins and a dataset of figures, on workerd, with stand-ins that
// the test answers for. node tests/limits.mjs
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { later, subject } from "./foreign/checks.mjs";
import { alice, pair, serveBare } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";

const cfHeader = "x-cf-of-the-test";
// As many sign-ins may begin from one address.
const most = 3;

// Answers for tests/bindings.js: who has asked for a limit, what points were written, and which of the two is away.
async function standIn() {
  const said = { asked: [], points: [], away: null };
  const server = createServer(async (request, answer) => {
    const { key, more, points } = JSON.parse(await text(request));
    said.asked.push({ key, more });
    said.points.push(...points);
    if (said.away === "dataset") answer.setHeader("x-broken", "1");
    if (said.away === "limit") answer.statusCode = 500;
    const count = said.asked.filter((one) => one.key === key).length;
    answer.setHeader("content-type", "application/json").end(JSON.stringify({ success: count <= most }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  later(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { said, address: `127.0.0.1:${server.address().port}` };
}

// A request as it comes from Cloudflare, from this address; without one, as it comes without Cloudflare.
const from = (address) => address && { [cfHeader]: JSON.stringify({ colo: "ZRH" }), "cf-connecting-ip": address };

await subject("what an operator binds besides", async (it) => {
  const { config, app } = await pair({ gateway: () => ({ SERVER_TIMING: "true" }) });
  const { said, address } = await standIn();
  const { log } = await serveBare({ ...config, gateway: { ...config.gateway, cfHeader, standIn: address } });
  const begin = (who, path = "/auth/login") => new Visitor().open(`${app}${path}`, from(who));

  await it("LOGIN_LIMIT: whoever begins to sign in too often gets a page with 429, and nobody else", async () => {
    const begun = [];
    for (let tries = 0; tries <= most; tries += 1) begun.push(await begin("192.0.2.1"));
    const [last, ...rest] = begun.reverse();
    assert.deepEqual(rest.map(({ status }) => status), Array(most).fill(303));
    assert.equal(last.status, 429, last.body.slice(0, 300));
    assert.match(last.headers["content-type"], /^text\/html/);
    assert.ok(Number(last.headers["retry-after"]) > 0);
    assert.equal(last.headers["set-cookie"], undefined);
    assert.equal(last.headers["cache-control"], "no-store");
    assert.equal((await begin("192.0.2.2")).status, 303);
    assert.deepEqual(said.asked.at(-1), { key: "192.0.2.2", more: {} });
  });

  await it("LOGIN_LIMIT: what begins no sign-in is not counted, nor anybody whose address nobody vouches for", async () => {
    const count = said.asked.length;
    for (const path of ["/auth/session", "/public", "/echo", "/auth/callback?code=c&state=s"]) await begin("192.0.2.1", path);
    await new Visitor().open(`${app}/auth/login`, { "cf-connecting-ip": "192.0.2.1" });
    assert.equal(said.asked.length, count);
  });

  await it("LOGIN_LIMIT: the path is the one that is served, however it is spelt", async () => {
    for (const path of ["/auth/login?return_to=/x", "/auth/./login", "/auth/%6cogin", "/auth/x/../login"]) {
      const { status } = await begin("192.0.2.1", path);
      assert.ok(status === 429 || status === 400 || status === 404, `${path} ${status}`);
    }
  });

  await it("LOGIN_LIMIT: one that fails lets everybody through", async () => {
    said.away = "limit";
    assert.equal((await begin("192.0.2.1")).status, 303);
    said.away = null;
    assert.equal((await begin("192.0.2.1")).status, 429);
  });

  await it("ANALYTICS: a request is a point with what the documentation says, and nothing of anybody in it", async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/`));
    assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
    await begin("192.0.2.3");
    said.points.length = 0;
    for (const [path, point] of [
      ["/echo?code=kaput-4711", ["2", "cookie", "Forward", "200"]],
      ["/public", ["0", "unasked", "Forward", "200"]],
      ["/auth/session", ["-1", "unasked", "Ours", "200"]],
      ["/public/..%2fecho", ["-1", "unasked", "Refused(Ambiguous)", "400"]],
    ]) {
      const { status } = await visitor.fetch(`${app}${path}`);
      assert.equal(String(status), point[3], path);
      // The point about what asked before that is the first.
      await begin("192.0.2.1");
      assert.equal(said.points.length, 2, JSON.stringify(said.points));
      const { indexes, blobs, doubles } = said.points.pop();
      assert.deepEqual([...indexes, ...blobs], point, path);
      const [one, ms] = doubles;
      assert.ok(one === 1 && ms >= 0 && doubles.length === 2, path);
      const [before] = said.points.splice(0);
      assert.deepEqual([...before.indexes, ...before.blobs], path.startsWith("/echo") ? ["-1", "unasked", "Ours", "303"] : ["-1", "unasked", "TooMany", "429"]);
    }
  });

  await it("ANALYTICS: a dataset that fails changes no answer", async () => {
    said.away = "dataset";
    await begin("192.0.2.4");
    const lone = new Visitor();
    assert.equal((await lone.fetch(`${app}/public`)).status, 200);
    assert.equal((await lone.fetch(`${app}/auth/session`)).status, 200);
    assert.equal((await lone.fetch(`${app}/public/..%2fecho`)).status, 400);
    assert.match(readFileSync(log, "utf8"), /a point was not written/);
    said.away = null;
  });
});
