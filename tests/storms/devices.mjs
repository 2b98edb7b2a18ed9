// Two devices of one person, so two families of one object, which refresh at the same time and lose answers.
// SEED=number repeats the order in which a run throws; which device is first is the machine's.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { full, read, send } from "./client.mjs";
import { dice, seed } from "./dice.mjs";
import { proxy } from "./proxy.mjs";
import { arrive, crowded, each, families, goesOn, isDead, successor } from "./uses.mjs";

const people = full ? 4 : 2;
const rounds = full ? 1000 : 200;
const fates = ["before", "after", "cut"];
// Of the answers; of the retries too, so some are lost three times in a row.
const lost = 0.25;

// One device: its family, its line to the issuer, and its own dice.
async function device(issuer, client, username, random) {
  const visitor = await arrive(issuer, client, username);
  const line = await proxy();
  line.issuerPort = new URL(issuer).port;
  const [answer] = await families(issuer, client, [visitor]);
  return { client, line, random, told: [answer], lost: 0 };
}

// One refresh, asked for until an answer arrives: whatever was lost, it is the next generation, and the same one.
async function refresh(device) {
  const { client, line, random, told } = device;
  const before = told.at(-1);
  for (;;) {
    const fate = random() < lost ? fates[Math.floor(random() * fates.length)] : "pass";
    line.next.push(fate);
    const got = await send(client.refresh(line.url, before.refresh_token)).catch(() => null);
    assert.deepEqual([line.calls.at(-1).fate, line.next], [fate, []]);
    if (fate === "after" || fate === "cut") assert.equal(line.calls.at(-1).status, 200, "the issuer refused what was lost");
    if (fate === "pass") {
      assert.equal(got?.status, 200, JSON.stringify(got));
      told.push(successor([got.body], before));
      return;
    }
    assert.equal(got, null, "an answer arrived that was lost");
    device.lost += 1;
  }
}

await subject("two devices", async (it) => {
  console.log(`  SEED=${seed}`);
  const { issuer, confidential } = await crowded(people);
  const pairs = await each(Array.from({ length: people }, (_, index) => `alice-${index}`), async (username, index) => [
    await device(issuer, confidential, username, dice(seed + 2 * index)),
    await device(issuer, confidential, username, dice(seed + 2 * index + 1)),
  ]);

  await it(`two families of one person refresh ${rounds} times each at the same time, a quarter of the answers lost, and neither disturbs the other`, async () => {
    // Each at its own pace: whose turn it is changes all the time.
    await Promise.all(pairs.flat().map(async (device) => {
      for (let round = 0; round < rounds; round += 1) {
        await refresh(device);
        if (device.random() < 0.3) await sleep(device.random() * 20);
      }
    }));
    for (const [one, other] of pairs) {
      const claims = [one, other].map(({ told }) => read(told.at(-1).access_token));
      assert.deepEqual(claims.map(({ generation }) => generation), [rounds, rounds]);
      assert.equal(claims[0].sub, claims[1].sub);
      assert.notEqual(claims[0].family, claims[1].family);
      assert.notEqual(claims[0].sid, claims[1].sid);
    }
    const all = pairs.flat();
    const sum = (what) => all.reduce((total, device) => total + what(device), 0);
    for (const { told } of all) assert.equal(new Set(told.map(({ refresh_token: token }) => token)).size, rounds + 1);
    figure("two devices: people, refreshes, answers lost, families lost", `${people}, ${all.length * rounds}, ${sum((device) => device.lost)}, 0`);
    assert.ok(sum((device) => device.lost) > 0);
  }, 600);

  await it("the first device's family ends by a replay, and the second one's goes on", async () => {
    await each(pairs, async ([one, other]) => {
      const old = await send(confidential.refresh(issuer, one.told.at(-3).refresh_token));
      assert.deepEqual([old.status, old.body.error], [400, "invalid_grant"]);
      await isDead(issuer, confidential, one.told.slice(-3));
      await goesOn(issuer, confidential, other.told.at(-1));
    });
  });
});
