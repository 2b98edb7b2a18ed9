// Refresh tokens that are used many times at once, at the issuer alone: rules i to v of docs/sessions.md.
import assert from "node:assert/strict";
import { figure, subject } from "../foreign/checks.mjs";
import { full, send } from "./client.mjs";
import { crowded, each, families, goesOn, isDead, refusals, storm, successes, successor } from "./uses.mjs";

const times = 50;
const people = 10;
// The rotations of a storm, one after the other in the same families; and so many families a person.
const rounds = full ? 50 : 5;
const mine = 2;
// A public client's three uses: one rotation and two repeats, and this long after it the last of them (PUBLIC_REPEATS).
const tabs = 3;
const repeatSeconds = 10;

await subject("families", async (it) => {
  const { issuer, confidential, open, visitors } = await crowded(people);
  const owners = Array.from({ length: people * mine }, (_, index) => visitors[index % people]);

  // Another family of each person, from the same browser: nothing that happens below may touch it.
  const bystanders = await families(issuer, confidential, visitors);
  const tell = (client, answers) => answers.map(({ refresh_token: token }) => Array(times).fill(client.refresh(issuer, token)));

  let told;
  await it(`rules i and ii: ${times} parallel uses of one refresh token, ${rounds} times in a row, are all answered with the same successor, which leads on`, async () => {
    let current = await families(issuer, confidential, owners);
    told = current.map((first) => [first]);
    let spent = 0;
    for (let round = 0; round < rounds; round += 1) {
      const { answers, seconds } = await storm(tell(confidential, current));
      spent += seconds;
      assert.deepEqual(answers.map((some) => successes(some).length), Array(owners.length).fill(times));
      current = answers.map((some, index) => successor(successes(some), current[index]));
      for (const [index, some] of told.entries()) some.push(current[index]);
    }
    const uses = rounds * owners.length * times;
    figure(`families: parallel uses (${times} of one token), answers, successors`, `${uses}, ${uses}, ${rounds * owners.length}`);
    figure("families: uses a second", Math.round(uses / spent));
  }, 900);

  await it("rule ii: after it the honest client goes on, refresh after refresh", async () => {
    await each(told, async (some) => {
      for (let turn = 0; turn < 2; turn += 1) some.push(await goesOn(issuer, confidential, some.at(-1)));
    });
  });

  await it(`rules ii and iv: of a public client's ${times} uses exactly ${tabs} are answered, all alike, and the family is over`, async () => {
    const before = await families(issuer, open, owners);
    const { answers, seconds } = await storm(tell(open, before));
    const got = answers.map(successes);
    for (const [index, some] of got.entries()) {
      // What comes too late is a replay like any other, so on a machine that slow there may be fewer.
      if (seconds < repeatSeconds) assert.equal(some.length, tabs);
      assert.ok(some.length >= 1 && some.length <= tabs, `${some.length} answers`);
      assert.equal(some.length + refusals(answers[index]).length, times);
      successor(some, before[index]);
    }
    figure("families of a public client: parallel uses, answers", `${owners.length * times}, ${got.flat().length}`);
    await each(got, (some, index) => isDead(issuer, open, [before[index], some[0]]));
  }, 300);

  await it(`rule ii: ${tabs} tabs of a public client refresh at the same moment, ${rounds} times in a row, and nobody is signed out`, async () => {
    let current = await families(issuer, open, owners);
    let judged = 0;
    for (let round = 0; round < rounds; round += 1) {
      const { answers, seconds } = await storm(current.map(({ refresh_token: token }) => Array(tabs).fill(open.refresh(issuer, token))));
      if (seconds >= repeatSeconds) {
        console.log(`  a round took ${seconds} s, which is too long to judge it: the next one begins anew`);
        current = await families(issuer, open, owners);
        continue;
      }
      judged += 1;
      assert.deepEqual(answers.map((some) => successes(some).length), Array(owners.length).fill(tabs));
      current = answers.map((some, index) => successor(successes(some), current[index]));
    }
    assert.ok(judged > 0, "no round could be judged");
    await each(current, (answer) => goesOn(issuer, open, answer));
    figure("families of a public client: three uses at once, families lost", `${judged * owners.length}, 0`);
  }, 300);

  await it("rule iv: an older token among the uses of the current one ends the family, and all that was ever told of it is refused", async () => {
    const groups = told.map((some) => {
      const [old, current] = [some.at(-3), some.at(-1)].map(({ refresh_token: token }) => confidential.refresh(issuer, token));
      return Array.from({ length: times }, (_, place) => place % 2 ? old : current);
    });
    const { answers } = await storm(groups);
    const ended = await each(answers, async (some, index) => {
      const got = successes(some);
      assert.equal(got.length + refusals(some).length, times);
      assert.equal(successes(some.filter((_, place) => place % 2)).length, 0, "a replayed token was answered");
      if (got.length) told[index].push(successor(got, told[index].at(-1)));
      await isDead(issuer, confidential, told[index]);
      return told[index].length;
    });
    figure("families ended by a replay: families, tokens told of them, all refused", `${ended.length}, ${ended.reduce((sum, next) => sum + next)}`);
  }, 600);

  await it("rule v: the other families of the same people, from the same browsers, live", async () => {
    await each(bystanders, (before) => goesOn(issuer, confidential, before));
    const garbage = await each(bystanders, ({ refresh_token: token }) => send(confidential.refresh(issuer, `${token.slice(0, -4)}AAAA`)));
    assert.deepEqual(garbage.map(({ status }) => status), Array(people).fill(400));
    await each(bystanders, ({ refresh_token: token }) => send(confidential.refresh(issuer, token)).then(({ status }) => assert.equal(status, 200)));
  });
});
