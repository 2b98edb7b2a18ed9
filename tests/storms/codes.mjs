// Codes and refresh tokens that are used many times at once, at the issuer alone.
import assert from "node:assert/strict";
import { figure, subject } from "../foreign/checks.mjs";
import { ourIssuer } from "../foreign/pair.mjs";
import { pass, signIn } from "../foreign/sign-in.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { burst } from "./burst.mjs";
import { Client, accounts, people, read, send, userinfo } from "./client.mjs";

const [alice] = people;
const times = 10;
// So many codes or families at once: a tenth of the sockets that the storm of requests opens.
const together = 50;

const refusals = (answers) => answers.filter(({ status, body }) => status === 400 && JSON.parse(body).error === "invalid_grant");
const successes = (answers) => answers.filter(({ status }) => status === 200).map(({ body }) => JSON.parse(body));

// All requests of all groups, mixed, `together` groups at a time; the answers in groups again.
async function storm(groups) {
  const answers = [];
  const started = performance.now();
  for (let at = 0; at < groups.length; at += together) {
    const some = groups.slice(at, at + together);
    // The first of each, then the second of each: the ten uses of a token come from ten connections that are apart.
    const mixed = Array.from({ length: times }, (_, turn) => some.map((group) => group[turn])).flat();
    const got = await burst(mixed);
    answers.push(...some.map((_, index) => got.filter((_, place) => place % some.length === index)));
  }
  return { answers, seconds: (performance.now() - started) / 1000 };
}

// Does the same to each of many, a few at a time.
async function each(items, step) {
  const left = [...items.entries()];
  const done = [];
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let next = left.pop(); next; next = left.pop()) done[next[0]] = await step(next[1], next[0]);
  }));
  return done;
}

await subject("codes and refresh tokens", async (it) => {
  const confidential = new Client("confidential");
  const open = new Client("public", "");
  const settings = { ACCOUNTS: accounts, CODE_SECONDS: 600 };
  const issuer = await ourIssuer([confidential.registration, open.registration], settings);
  const visitor = new Visitor();

  const first = await signIn(visitor, confidential.authorization(issuer).url, alice);
  assert.ok(first.searchParams.get("code"));

  // Codes for somebody who is signed in: no page and no password.
  const codes = async (client, count) => {
    const codes = await each(Array(count).fill(client), async () => {
      const { url, verifier } = client.authorization(issuer);
      const code = (await pass(visitor, url)).searchParams.get("code");
      assert.ok(code);
      return { code, verifier };
    });
    assert.equal(new Set(codes.map(({ code }) => code)).size, count);
    return codes;
  };
  const families = async (client, count) => each(await codes(client, count), async (code) => {
    const { status, body } = await send(client.redemption(issuer, code));
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  });

  let won;
  await it("RFC 6749 4.1.2: 500 codes, each redeemed 10 times in parallel, give exactly 500 successes", async () => {
    const issued = await codes(confidential, 500);
    const { answers, seconds } = await storm(issued.map((code) => Array(times).fill(confidential.redemption(issuer, code))));
    assert.deepEqual(answers.map((some) => successes(some).length), Array(500).fill(1));
    assert.deepEqual(answers.map((some) => refusals(some).length), Array(500).fill(times - 1), "an answer is no invalid_grant");
    won = answers.map((some) => successes(some)[0]);
    assert.equal(new Set(won.map(({ access_token }) => read(access_token).family)).size, 500);
    figure("codes: redemptions, successes", `${500 * times}, ${won.length}`);
    figure("codes: redemptions a second", Math.round(500 * times / seconds));
  }, 300);

  await it("RFC 6749 4.1.2: what a code produced that was used again is revoked, both tokens of it", async () => {
    assert.equal(won?.length, 500);
    await each(won, async ({ access_token, refresh_token }) => {
      const { status, body } = await send(confidential.refresh(issuer, refresh_token));
      assert.deepEqual([status, body.error], [400, "invalid_grant"]);
      assert.deepEqual(await userinfo(issuer, access_token), { status: 401 });
    });
  }, 300);

  await it("rule ii: 10 parallel uses of one refresh token, in 200 families, all get the same successor", async () => {
    const before = await families(confidential, 200);
    const { answers, seconds } = await storm(before.map(({ refresh_token }) => Array(times).fill(confidential.refresh(issuer, refresh_token))));
    assert.deepEqual(answers.map((some) => successes(some).length), Array(200).fill(times));
    const after = answers.map((some, index) => {
      const got = successes(some);
      assert.equal(new Set(got.map(({ refresh_token }) => refresh_token)).size, 1, "there are two successors");
      const [old, ...tokens] = [before[index], ...got].map(({ access_token }) => read(access_token));
      for (const { family, generation } of tokens) assert.deepEqual([family, generation], [old.family, old.generation + 1]);
      return got[0];
    });
    figure("refresh tokens: parallel uses, answers, successors", `${200 * times}, ${200 * times}, ${new Set(after.map(({ refresh_token }) => refresh_token)).size}`);
    figure("refresh tokens: uses a second", Math.round(200 * times / seconds));

    // One generation ahead and no more: the successor rotates, and then the token of before is too old.
    await each(after, async ({ refresh_token }, index) => {
      const next = await send(confidential.refresh(issuer, refresh_token));
      assert.deepEqual([next.status, read(next.body.access_token).generation], [200, 2]);
      assert.equal((await send(confidential.refresh(issuer, before[index].refresh_token))).status, 400);
      assert.equal((await send(confidential.refresh(issuer, next.body.refresh_token))).status, 400, "rule iv ends the family");
    });
  }, 300);

  await it("rules ii and iv: of a public client's 10 uses at most 3 are answered, all alike, and the family is over", async () => {
    const before = await families(open, 50);
    const { answers } = await storm(before.map(({ refresh_token }) => Array(times).fill(open.refresh(issuer, refresh_token))));
    const got = answers.map(successes);
    for (const [index, some] of got.entries()) {
      assert.ok(some.length >= 1 && some.length <= 3, `${some.length} answers`);
      assert.equal(some.length + refusals(answers[index]).length, times);
      assert.equal(new Set(some.map(({ refresh_token }) => refresh_token)).size, 1);
      for (const { access_token } of some) assert.equal(read(access_token).generation, 1);
    }
    figure("refresh tokens of a public client: parallel uses, answers", `${50 * times}, ${got.flat().length}`);
    await each(got, async ([{ refresh_token, access_token }]) => {
      assert.equal((await send(open.refresh(issuer, refresh_token))).status, 400);
      assert.deepEqual(await userinfo(issuer, access_token), { status: 401 });
    });
  }, 300);

  await it("what was left alone is alive: the person is signed in, and a code of then works", async () => {
    const [code] = await codes(confidential, 1);
    assert.equal((await send(confidential.redemption(issuer, code))).status, 200);
  });
});
