// Codes that are redeemed many times at once, at the issuer alone.
import assert from "node:assert/strict";
import { figure, subject } from "../foreign/checks.mjs";
import { full, read, send } from "./client.mjs";
import { codes, crowded, each, families, goesOn, isDead, refusals, storm, successes } from "./uses.mjs";

const times = 20;
const count = full ? 10_000 : 1000;
// Half of the codes are of one person, so of one object; the other half is spread over as many objects as there are others.
const people = full ? 501 : 101;

await subject("codes", async (it) => {
  const { issuer, confidential, visitors: [one, ...others] } = await crowded(people);
  const owners = (count) => Array.from({ length: count }, (_, index) => index % 2 ? one : others[(index >> 1) % others.length]);
  // Of the person whose codes are stormed most, in the same browser: it has to outlive all of this.
  const [bystander] = await families(issuer, confidential, [one]);

  let won;
  await it(`RFC 6749 4.1.2: ${count} codes, each redeemed ${times} times in parallel, give exactly ${count} successes and otherwise invalid_grant`, async () => {
    const issued = await codes(issuer, confidential, owners(count));
    const { answers, seconds } = await storm(issued.map((code) => Array(times).fill(confidential.redemption(issuer, code))));
    assert.deepEqual(answers.map((some) => successes(some).length), Array(count).fill(1));
    assert.deepEqual(answers.map((some) => refusals(some).length), Array(count).fill(times - 1), "an answer is no invalid_grant");
    won = answers.map((some) => successes(some)[0]);
    const claims = won.map(({ access_token: token }) => read(token));
    assert.equal(new Set(claims.map(({ family }) => family)).size, count);
    const subjects = new Set(claims.map(({ sub }) => sub));
    assert.equal(subjects.size, people);
    figure("codes: accounts, codes", `${subjects.size}, ${count}`);
    figure("codes: redemptions, successes, refused with invalid_grant", `${count * times}, ${won.length}, ${count * (times - 1)}`);
    figure("codes: redemptions a second", Math.round(count * times / seconds));
  }, 900);

  await it("RFC 6749 4.1.2: what a code produced that was used again is revoked, both tokens of it", async () => {
    assert.equal(won?.length, count);
    await each(won, (tokens) => isDead(issuer, confidential, [tokens]));
    figure("codes: families revoked because their code came again", won.length);
  }, 600);

  await it("decision 8: a code that others present 19 times, without the verifier or for another redirect URI, is good for its owner, once", async () => {
    const issued = await codes(issuer, confidential, owners(count / 10));
    const stolen = issued.map((code, index) => {
      const right = confidential.redemption(issuer, code);
      const wrong = ["code_verifier", "redirect_uri"].map((name) => ({ ...right, form: { ...right.form, [name]: `${right.form[name]}-not` } }));
      const group = Array.from({ length: times }, (_, place) => wrong[place % 2]);
      group[index % times] = right;
      return group;
    });
    const { answers } = await storm(stolen);
    assert.deepEqual(answers.map((some) => refusals(some).length), Array(issued.length).fill(times - 1));
    await each(answers, async (some, index) => {
      const [tokens] = successes([some[index % times]]);
      assert.ok(tokens, "the owner was refused");
      await goesOn(issuer, confidential, tokens);
    });
    figure("codes presented wrongly: presentations, families alive afterwards", `${issued.length * (times - 1)}, ${issued.length}`);
  }, 300);

  await it("what was left alone is alive: another family of the person, the sign-in session, and a code of it", async () => {
    await goesOn(issuer, confidential, bystander);
    const [code] = await codes(issuer, confidential, [one]);
    assert.equal((await send(confidential.redemption(issuer, code))).status, 200);
  });
});
