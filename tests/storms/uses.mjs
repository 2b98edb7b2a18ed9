// What is used many times at once at the issuer: who has it, how it is come by, and what came of it.
import assert from "node:assert/strict";
import { ourIssuer } from "../foreign/pair.mjs";
import { pass, signIn } from "../foreign/sign-in.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { burst } from "./burst.mjs";
import { Client, accounts, people, read, send, userinfo } from "./client.mjs";

const [alice] = people;
// As many as the storm of requests opens.
const sockets = 1000;

// Our issuer with a confidential and a public client, and so many people who are signed in, each in one browser. Each
// person is one account and that is one object.
export async function crowded(count, settings = {}) {
  const confidential = new Client("confidential");
  const open = new Client("public", "");
  const crowd = Array.from({ length: count }, (_, index) => ({ ...accounts[0], username: `${alice.username}-${index}` }));
  const clients = [confidential.registration, open.registration];
  const issuer = await ourIssuer(clients, { ACCOUNTS: crowd, CODE_SECONDS: 600, ...settings });
  const visitors = await each(crowd, ({ username }) => arrive(issuer, confidential, username));
  return { issuer, confidential, open, visitors };
}

// Somebody in a browser of their own, signed in.
export async function arrive(issuer, client, username = alice.username) {
  const visitor = new Visitor();
  const { searchParams } = await signIn(visitor, client.authorization(issuer).url, { username, password: alice.password });
  assert.ok(searchParams.get("code"));
  return visitor;
}

// One code for each of these visitors, who are signed in: no page and no password.
export async function codes(issuer, client, visitors) {
  const codes = await each(visitors, async (visitor) => {
    const { url, verifier } = client.authorization(issuer);
    const code = (await pass(visitor, url)).searchParams.get("code");
    assert.ok(code);
    return { code, verifier };
  });
  assert.equal(new Set(codes.map(({ code }) => code)).size, visitors.length);
  return codes;
}

// One family for each of these visitors: the first answer of each.
export async function families(issuer, client, visitors) {
  return each(await codes(issuer, client, visitors), async (code) => {
    const { status, body } = await send(client.redemption(issuer, code));
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  });
}

// All requests of all groups, of which each has equally many, mixed; the answers in groups again.
export async function storm(groups) {
  const [{ length: times }] = groups;
  const together = Math.floor(sockets / times);
  const answers = [];
  const started = performance.now();
  for (let at = 0; at < groups.length; at += together) {
    const some = groups.slice(at, at + together);
    // The first of each, then the second of each: the uses of one thing come from connections that are apart.
    const mixed = Array.from({ length: times }, (_, turn) => some.map((group) => group[turn])).flat();
    const got = await burst(mixed);
    answers.push(...some.map((_, index) => got.filter((_, place) => place % some.length === index)));
  }
  return { answers, seconds: (performance.now() - started) / 1000 };
}

// Does the same to each of many, a few at a time.
export async function each(items, step) {
  const left = [...items.entries()];
  const done = [];
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let next = left.pop(); next; next = left.pop()) done[next[0]] = await step(next[1], next[0]);
  }));
  return done;
}

export const refusals = (answers) => answers.filter(({ status, body }) => status === 400 && JSON.parse(body).error === "invalid_grant");
export const successes = (answers) => answers.filter(({ status }) => status === 200).map(({ body }) => JSON.parse(body));

// The one refresh token that all of these token answers tell; their access tokens are of the generation after `before`.
export function successor(some, before) {
  const tokens = new Set(some.map(({ refresh_token: token }) => token));
  assert.equal(tokens.size, 1, `there are ${tokens.size} successors`);
  const { family, generation, sub } = read(before.access_token);
  for (const { access_token: token } of some) {
    const now = read(token);
    assert.deepEqual([now.family, now.generation, now.sub], [family, generation + 1, sub]);
  }
  return some[0];
}

// Nothing of these token answers is good for anything.
export async function isDead(issuer, client, told) {
  for (const { refresh_token: refresh, access_token: access } of told) {
    const { status, body } = await send(client.refresh(issuer, refresh));
    assert.deepEqual([status, body.error], [400, "invalid_grant"], "a refresh token of a dead family works");
    assert.deepEqual(await userinfo(issuer, access), { status: 401 }, "an access token of a dead family works");
  }
}

// The next token answer of a family that nobody has disturbed.
export async function goesOn(issuer, client, before) {
  const { status, body } = await send(client.refresh(issuer, before.refresh_token));
  assert.equal(status, 200, JSON.stringify(body));
  successor([body], before);
  assert.equal((await userinfo(issuer, body.access_token)).sub, read(before.access_token).sub);
  return body;
}
