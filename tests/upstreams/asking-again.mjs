// FD-25: an upstream is asked again whether it still vouches for somebody when a client refreshes. Nothing here is about how
// quick anything is: what has to become true is waited for, and what may be true for a while is judged by the clock.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, isOver, refresh } from "./afterwards.mjs";
import { upstream } from "./world.mjs";

// Where each is asked, and what it may say that says nothing about anybody. The single sign-on API of WorkOS can't be asked.
const providers = [
  { preset: "auth0", where: "refresh", trouble: { status: 503 } },
  { preset: "authkit", where: "refresh", trouble: { status: 429 } },
  { preset: "github", where: "userinfo", trouble: { status: 403 } },
  { preset: "google", where: "refresh", trouble: "refuse_connection" },
  { preset: "entra", where: "refresh", trouble: "html200" },
  { preset: "openid", where: "refresh", trouble: "bad_json" },
];
// In seconds. Whoever did not answer is left alone for the last of them.
const [every, stale, pause] = [2, 40, 60];
const made = (name, more) => providers.map((provider) => ({ ...upstream(provider.preset, `${provider.preset}-${name}`, more), ...provider }));
const leaving = made("leaving", { recheck_seconds: 1, stale_seconds: 3600 });
const troubled = made("troubled", { recheck_seconds: every, stale_seconds: stale });
export const upstreams = [...leaving, ...troubled];

const offline = { scope: "openid offline_access" };
const seconds = () => Date.now() / 1000;

export async function askingAgain(it, here) {
  const count = async (at) => (await here.seen(at, at.where)).length;

  // Refreshes until an answer is none: that answer.
  async function refreshUntil(somebody, isEnough) {
    for (;;) {
      const answer = await refresh(here, somebody);
      if (answer.status !== 200) return answer;
      somebody.tokens = { ...somebody.tokens, ...answer.body };
      if (await isEnough()) return answer;
      await sleep(500);
    }
  }

  async function leaves(at) {
    const alice = await here.signIn(at, offline);
    const { visitor } = alice;
    const bound = await here.signIn(at, { scope: "openid", visitor });
    const bob = await here.signIn(at, { ...offline, person: "bob" });
    const before = await count(at);
    const { status } = await refreshUntil(alice, async () => await count(at) >= before + 2);
    assert.equal(status, 200, "while it vouches for her");

    const then = await count(at);
    await here.control(at, "_revoke", "POST", { person: "alice" });
    const { status: last, body } = await refreshUntil(alice, async () => await count(at) > then + 1);
    assert.deepEqual([last, body.error], [400, "invalid_grant"]);
    assert.equal(await count(at), then + 1, "the first question brings it out");
    for (const somebody of [alice, bound]) await isOver(here, somebody);
    assert.equal(await count(at), then + 1, "and nobody is asked again");
    await isAlive(here, bob);
  }

  async function isTroubled(at) {
    const began = seconds();
    const alice = await here.signIn(at, offline);
    const signedIn = seconds();
    await here.arrange(at, at.where, at.trouble);
    const before = await count(at);
    const left = seconds();
    let goneOn = 0;
    let since = seconds();
    const answer = await refreshUntil(alice, async () => {
      // The last good answer was at the sign-in; a second is what times in whole seconds may be off by.
      assert.ok(since <= signedIn + stale + 1, `${since - signedIn} seconds after the sign-in`);
      if (await count(at) > before) goneOn += 1;
      since = seconds();
      return false;
    });
    assert.ok(seconds() >= began + stale - 1, `${seconds() - began} seconds after the sign-in`);
    assert.ok(goneOn > 0, "it was asked, and the refreshes went on");
    for (const { status, body } of [answer, await refresh(here, alice)]) {
      assert.deepEqual([status, body.error], [503, "temporarily_unavailable"]);
    }
    assert.equal(await here.isSignedIn(alice.visitor), true);
    assert.ok(await count(at) <= before + 1 + Math.floor((seconds() - left) / pause), "it was left alone");

    // The same token is good when somebody answers.
    await here.clear(at);
    let last;
    while ((last = await refresh(here, alice)).status === 503) await sleep(500);
    assert.equal(last.status, 200);
    alice.tokens = { ...alice.tokens, ...last.body };
    await isAlive(here, alice);
  }

  // They wait, together.
  const runs = [
    ...leaving.map((at) => [`fd_25: whom ${at.preset} vouches for no more is out with the first question, and nobody else is`, leaves(at)]),
    ...troubled.map((at) => [
      `while ${at.preset} is in trouble (${JSON.stringify(at.trouble)}) refreshes go on, then are 503 and use nothing up`, isTroubled(at),
    ]),
  ];
  for (const [, run] of runs) run.catch(() => {});
  for (const [sentence, run] of runs) await it(sentence, () => run, 600);
}
