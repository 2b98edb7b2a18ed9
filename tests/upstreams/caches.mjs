// What is remembered of an upstream: the last good copy serves, a new key is had at once, and nobody makes us hammer anybody.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { upstream } from "./world.mjs";

// Those who publish their keys; AuthKit publishes no metadata.
const signing = ["auth0", "authkit", "google", "entra", "openid"];
const kept = signing.map((preset) => upstream(preset, `${preset}-kept`));
const turning = signing.map((preset) => upstream(preset, `${preset}-turning`));
export const upstreams = [...kept, ...turning];

const unknown = { id_token: "unknown_kid" };
// Nobody is asked for a key that is not there more often than this, in seconds.
const pause = 30;

export async function remembering(it, here) {
  const signsIn = async (at, person) => assert.ok((await here.arrive(await here.attempt(at, { person }))).sub);
  const count = async (at, endpoint) => (await here.seen(at, endpoint)).length;
  const named = (at) => (cause) => { throw new Error(at.id, { cause }); };
  const each = (list, act) => () => Promise.all(list.map((at) => act(at).catch(named(at))));
  const published = (at) => (at.preset === "authkit" ? 0 : 1);

  await it("metadata and keys are asked for once for several people", each(kept, async (at) => {
    for (const person of ["alice", "bob", "alice"]) await signsIn(at, person);
    assert.deepEqual([await count(at, "discovery"), await count(at, "jwks")], [published(at), 1]);
  }), 600);

  await it("pl_16: the copies serve while there is nothing to be had, and nobody is asked", each(kept, async (at) => {
    if (published(at)) await here.arrange(at, "discovery", "refuse_connection");
    await here.arrange(at, "jwks", { status: 500 });
    for (const person of ["alice", "bob"]) await signsIn(at, person);
    assert.deepEqual([await count(at, "discovery"), await count(at, "jwks")], [published(at), 1]);
  }), 600);

  await it("jv_08: a flood of unknown keys costs one question in a pause, and the last good keys stay", each(kept, async (at) => {
    const began = Date.now();
    await here.arrange(at, "token", unknown, 10);
    for (let times = 0; times < 10; times += 1) here.isTrouble(await here.attempt(at));
    const most = 2 + Math.floor((Date.now() - began) / 1000 / pause);
    const asked = await count(at, "jwks");
    assert.ok(asked >= 2 && asked <= most, `asked ${asked} times, ${most} at the most`);
    await signsIn(at);
    await here.clear(at);
  }), 600);

  await it("jv_28: a key that was published this moment signs in at once, and the next one when the pause is over", each(turning, async (at) => {
    await signsIn(at);
    await here.control(at, "_rotate", "POST");
    await signsIn(at);
    assert.equal(await count(at, "jwks"), 2);
    await here.control(at, "_rotate", "POST");
    const began = Date.now();
    let attempted = await here.attempt(at);
    while (attempted.answer.status === 502) {
      here.isTrouble(attempted);
      await sleep(1000);
      attempted = await here.again(at, attempted);
    }
    assert.ok((await here.arrive(attempted)).sub);
    const most = 3 + Math.floor((Date.now() - began) / 1000 / pause);
    const asked = await count(at, "jwks");
    assert.ok(asked >= 3 && asked <= most, `asked ${asked} times, ${most} at the most`);
  }), 600);
}
