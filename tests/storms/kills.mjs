// workerd is killed in the middle of its work and started again over the same state.
// SEED=number repeats the instants of a run, which prints its own.
import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorkerd } from "../../scripts/workerd.mjs";
import { figure, later, subject } from "../foreign/checks.mjs";
import { pair, prepare } from "../foreign/pair.mjs";
import { Client, accounts, full, quantile } from "./client.mjs";
import { dice, seed } from "./dice.mjs";
import { Load } from "./load.mjs";

const kills = full ? 50 : 10;
// The limit is on the median: one slow start on a busy machine says nothing about us.
const readyWithin = 3000;

// All of them at once: what the load throws with its own dice depends on who is answered first.
const throwing = dice(seed);
const instants = Array.from({ length: kills }, () => 100 + throwing() * 1400);

// A pair whose process can be killed. `binding`: whether the gateway reaches the issuer without the network.
async function deploy(mode, binding) {
  const client = new Client("direct");
  const { config, app, issuer } = await pair({
    idp: { ACCOUNTS: accounts, ACCESS_TOKEN_SECONDS: 5, CODE_SECONDS: 600 },
    // A cookie that is older than a second is not believed without asking the object.
    // Two people, in more browsers than anybody has.
    gateway: () => ({ SESSION_MODE: mode, FRESHNESS_SECONDS: 1, SESSIONS_PER_PERSON: 500 }),
    clients: [client.registration],
  });
  config.gateway.service_binding = binding;
  const { config: whole, output } = await prepare(config);
  const world = { mode, app, issuer, client, random: dice(seed + 1), workerd: undefined };
  world.start = () => {
    world.workerd = startWorkerd(whole, output);
    world.ended = once(world.workerd, "exit");
  };
  // No goodbye: nothing is flushed, nothing is finished.
  world.kill = async () => {
    world.workerd?.kill("SIGKILL");
    await world.ended;
  };
  later(() => world.kill());
  process.on("exit", () => world.workerd?.kill("SIGKILL"));
  return world;
}

// Until `check` is true, from `started`; how long it took.
async function ready(check, started) {
  for (;;) {
    const good = await check().catch(() => false);
    const milliseconds = performance.now() - started;
    if (good) return milliseconds;
    assert.ok(milliseconds < 30_000, "not ready after 30 s");
    await sleep(10);
  }
}

await subject("kill -9", async (it) => {
  console.log(`  SEED=${seed}`);
  const worlds = await Promise.all([deploy("hybrid", true), deploy("durable", false)]);
  for (const world of worlds) {
    world.start();
    const answers = async () => (await fetch(`${world.app}/auth/session`)).status < 500 && (await fetch(`${world.issuer}/jwks`)).ok;
    await ready(answers, performance.now());
    world.load = new Load(world);
    await world.load.begin();
  }
  const times = [];
  const seen = () => worlds.map(({ load }) => load.seen).reduce((sum, seen) => Object.fromEntries(Object.entries(sum).map(([what, count]) => [what, count + seen[what]])));

  await it(`what was acknowledged before each of ${kills} kills at random instants is there after it, once, and what was ended stays ended`, async () => {
    for (let kill = 0; kill < kills; kill += 1) {
      const world = worlds[kill % worlds.length];
      try {
        const under = world.load.run();
        await Promise.race([sleep(instants[kill]), under]);
        world.load.over = true;
        await world.kill();
        await under;

        const started = performance.now();
        world.start();
        times.push(await ready(() => world.load.isServed(), started));
        await world.load.verify();
      } catch (fault) {
        throw new Error(`kill ${kill + 1}, ${world.mode}`, { cause: fault });
      }
    }
    const { families, browsers, signedIn, codes, revoked, left, late, used, unused, rotating } = seen();
    figure("kills", `${kills}, SEED=${seed}`);
    figure("kills: acknowledged refresh token families found alive, with one successor", families);
    figure("kills: browser sessions found alive (hybrid and durable)", browsers);
    figure("kills: sign-in sessions found alive", signedIn);
    figure("kills: codes found good for once", codes);
    figure("kills: older tokens and used codes that ended their family", late);
    figure("kills: acknowledged ends found ended (revoked, signed out)", `${revoked}, ${left}`);
    figure("kills: rotations under way when it was killed", rotating);
    figure("kills: redemptions under way when it was killed (had come to pass, had not)", `${used}, ${unused}`);
    assert.ok(families > 0 && browsers > 0 && signedIn > 0, "there was too little to lose");
  }, full ? 1800 : 300);

  await it("each person is one subject, across all restarts", async () => {
    for (const { load } of worlds) {
      assert.deepEqual([...load.subjects.keys()].sort(), ["alice", "bob"]);
      assert.deepEqual([...load.subjects.values()].map((subjects) => subjects.size), [1, 1]);
      assert.notDeepEqual(load.subjects.get("alice"), load.subjects.get("bob"));
    }
  });

  await it(`it serves somebody who is signed in again within ${readyWithin / 1000} s of its start`, async () => {
    assert.equal(times.length, kills);
    figure("kills: milliseconds from start to the first page of somebody signed in, median, 95 of 100, worst", [0.5, 0.95, 1].map((part) => Math.round(quantile(times, part))).join(", "));
    assert.ok(quantile(times) < readyWithin, `${quantile(times)} ms`);
  });
});
