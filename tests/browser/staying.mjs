// Being signed in, as the scripts of a page see it.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { accessTokenSeconds, enter, greeting } from "./world.mjs";

export async function staying(it, { app, person }) {
  const { page, context } = await person();
  await enter(page, `${app}/`);
  const me = async (from) => from.evaluate(async () => {
    const answer = await fetch("/api/me");
    return { status: answer.status, claims: await answer.json() };
  });
  // A page without a policy of its own, so that its scripts may fetch.
  const script = await context.newPage();
  await script.goto(`${app}/status/200`);

  await it("nobody notices that an access token expires: neither a page nor a script", async () => {
    const before = await me(script);
    assert.equal(before.status, 200);
    await sleep(accessTokenSeconds * 1000 + 1000);

    const answers = await script.evaluate(() => Promise.all(Array.from({ length: 12 }, async () => {
      const answer = await fetch("/api/me");
      return { status: answer.status, claims: await answer.json() };
    })));
    assert.deepEqual(answers.map(({ status }) => status), Array(12).fill(200));
    assert.equal((await page.reload()).status(), 200);
    await greeting(page).waitFor();

    const [{ claims: after }] = answers;
    assert.equal(new Set(answers.map(({ claims }) => claims.jti)).size, 1, "more than one refresh");
    assert.notEqual(after.jti, before.claims.jti);
    assert.deepEqual([after.sub, after.client_id], [before.claims.sub, before.claims.client_id]);
  });

  await it("/auth/session tells a script who is signed in", async () => {
    const about = await script.evaluate(async () => (await fetch("/auth/session")).json());
    assert.deepEqual([about.signed_in, about.claims.name], [true, "Alice Liddell"]);
  });

  await it("a WebSocket and a stream of events run through the gateway", async () => {
    const echoed = await script.evaluate(() => new Promise((resolve, reject) => {
      const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
      const said = [];
      socket.onerror = () => reject(new Error("the socket failed"));
      socket.onopen = () => ["one", "zwei", "🐇"].forEach((word) => socket.send(word));
      socket.onmessage = ({ data }) => {
        said.push(data);
        if (said.length === 3) socket.close(1000);
      };
      socket.onclose = ({ code }) => resolve({ said, code });
    }));
    assert.deepEqual(echoed.said, ["one", "zwei", "🐇"]);
    assert.equal(echoed.code, 1000);

    const { events, gaps } = await script.evaluate(() => new Promise((resolve, reject) => {
      const source = new EventSource("/sse?n=4");
      const events = [];
      const times = [];
      source.onmessage = ({ data }) => {
        events.push(data);
        times.push(performance.now());
        if (events.length < 4) return;
        source.close();
        resolve({ events, gaps: times.slice(1).map((time, index) => time - times[index]) });
      };
      source.onerror = () => reject(new Error("the stream failed"));
    }));
    assert.deepEqual(events, [1, 2, 3, 4].map((number) => `event ${number} of 4`));
    assert.ok(gaps.some((gap) => gap > 100), "the events came all at once");
  });

  await it("a post of the site's own page passes, one of another site's page does not", async () => {
    const post = async (from) => {
      const answer = from.waitForResponse(`${app}/echo`);
      await from.evaluate((url) => fetch(url, { method: "POST", body: "x", credentials: "include", mode: "no-cors" }), `${app}/echo`);
      return (await answer).status();
    };
    assert.equal(await post(script), 200);
    const stranger = await context.newPage();
    await stranger.goto(`${app.replace("localhost", "127.0.0.1")}/public/nothing`);
    assert.equal(await post(stranger), 403);
    await stranger.close();
  });
  await context.close();

  await it("a script of somebody signed out gets 401 and JSON, on an API and on a page's path", async () => {
    const other = await person();
    await other.page.goto(`${app}/public/nothing`);
    for (const path of ["/api/me", "/"]) {
      const answer = await other.page.evaluate(async (path) => {
        const answer = await fetch(path);
        return { status: answer.status, redirected: answer.redirected, body: await answer.json() };
      }, path);
      assert.deepEqual([answer.status, answer.redirected, answer.body.error], [401, false, "login_required"]);
      assert.match(answer.body.login_url, /^\/auth\/login\?return_to=/);
    }
    await other.close();
  });
}
