// PL-16: each preset, at each of its endpoints, with each fault. What has to come of it is what tests/federation/outcomes.rs
// says: the table is the one that the issuer is put to in one process.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../foreign/visitor.mjs";
import { Fault, environment, root } from "../../scripts/paths.mjs";
import { Stuck, elsewhere, upstream } from "./world.mjs";

// What an isolate remembers of an upstream, and where browsers go. Each of these cells has an upstream that nobody asked before.
const first = ["discovery", "jwks", "authorize"];
const isSlow = ({ fault }) => fault === "never" || fault === "trickle" || fault.slow > 8;
// So many of the others are at one upstream, one after the other, that are not slow.
const lanes = 3;

// A test of those says it, line by line.
function table() {
  const said = execFileSync("cargo", [
    "test", "--quiet", "--locked", "-p", "tests", "--test", "federation", "--", "--nocapture", "--exact", "table::pl_16_no_cell_is_missing",
  ], { cwd: root, env: environment(), encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const lines = said.split("\n").filter((line) => line.startsWith("{"));
  if (!lines.length) throw new Fault("tests/federation says no table");
  return lines.map((line) => JSON.parse(line));
}

export const cells = table();

// Each with its upstream.
const counts = new Map();
for (const cell of cells) {
  const known = counts.get(cell.preset) ?? { own: 0, shared: 0 };
  counts.set(cell.preset, known);
  const isOwn = first.includes(cell.endpoint) || isSlow(cell);
  cell.name = `${cell.preset}-${isOwn ? `own-${known.own++}` : `lane-${known.shared++ % lanes}`}`;
}
const named = new Map(cells.map(({ preset, name }) => [name, upstream(preset, name)]));
export const upstreams = [...named.values()];

// So many at once, in the order in which they come.
function gate(free) {
  const waiting = [];
  return async (act) => {
    if (free > 0) free -= 1;
    else await new Promise((go) => waiting.push(go));
    try {
      return await act();
    } finally {
      if (waiting.length) waiting.shift()();
      else free += 1;
    }
  };
}

// What came of an attempt, in the words of the table.
async function became({ preset }, here, attempted, subject) {
  const { answer } = attempted;
  if (answer.next) {
    const { sub, email_verified: verified } = await here.arrive(attempted);
    if (sub !== (subject ?? sub)) return { outcome: "as_named" };
    return { outcome: verified === true || preset === "workos-sso" ? "signed_in" : "unverified", subject: sub };
  }
  return { outcome: { 400: "lost", 502: "page" }[answer.status] ?? `${answer.status} ${answer.body.slice(0, 500)}` };
}

async function run(here, cell) {
  const { endpoint, outcome: wanted, name } = cell;
  const at = named.get(name);
  const signsIn = async () => {
    const { sub, email } = await here.arrive(await here.attempt(at));
    assert.equal(email, "alice@alpha.test");
    assert.equal(sub, at.subject ?? sub);
    at.subject = sub;
  };
  if (!first.includes(endpoint) && !at.subject) await signsIn();
  await here.control(at, "_seen", "DELETE");

  const { to } = cell.fault.redirect ?? {};
  const fault = to ? { redirect: { ...cell.fault.redirect, to: to.replace("https://stand-in.test", here.url) } } : cell.fault;
  // A browser waits for a page as long as it takes, once; we need not wait for one that never comes.
  const isPatient = endpoint === "authorize" && fault.slow > 8;
  await here.arrange(at, endpoint, fault, isPatient ? 1 : undefined);
  const visitor = new Visitor();
  if (endpoint === "authorize" && isSlow(cell)) visitor.patience = isPatient ? 120_000 : 9_000;
  let attempted;
  let found;
  try {
    attempted = await here.attempt(at, { visitor });
    found = await became(cell, here, attempted, at.subject);
  } catch (cause) {
    if (!(cause instanceof Stuck) || wanted !== "stuck") throw cause;
    found = { outcome: "stuck" };
  }
  assert.equal(found.outcome, wanted);
  at.subject ??= found.subject;
  if (wanted === "page") here.isTrouble(attempted);
  if (wanted === "lost") assert.match(attempted.answer.body, /expired/);
  const isIn = ["signed_in", "unverified", "as_named"].includes(wanted);
  assert.equal(visitor.cookies.has("__Host-gatelatch-sign-in"), isIn);
  const asked = (await here.seen(at)).map(({ endpoint }) => endpoint).filter((endpoint) => endpoint !== "authorize");
  assert.deepEqual(asked, [...new Set(asked)], "nothing is asked twice");

  // The trouble is over.
  await here.clear(at);
  if (wanted !== "page") return signsIn();
  let later = await here.again(at, attempted);
  // Who failed before their keys were known is left alone for some seconds.
  while (endpoint === "jwks" && later.answer.status === 502) {
    await sleep(500);
    later = await here.again(at, later);
  }
  const { sub } = await here.arrive(later);
  assert.equal(sub, at.subject ?? sub);
  at.subject = sub;
}

export async function goingWrong(it, here) {
  const enter = gate(16);
  const ends = new Map();
  const groups = new Map();
  // Those that wait begin first; of one upstream one comes after the other.
  for (const cell of [...cells.filter(isSlow), ...cells.filter((cell) => !isSlow(cell))]) {
    const { preset, endpoint, fault, name } = cell;
    const before = ends.get(name);
    const result = (async () => {
      await before;
      await (isSlow(cell) ? run(here, cell) : enter(() => run(here, cell)));
    })().catch((cause) => {
      throw new Error(`${preset} ${endpoint} ${JSON.stringify(fault)}`, { cause });
    });
    const what = `${preset} at ${endpoint}`;
    groups.set(what, [...groups.get(what) ?? [], result]);
    ends.set(name, result.catch(() => here.clear(named.get(name))));
  }
  for (const [what, group] of groups) {
    await it(`pl_16: ${what} goes wrong in ${group.length} ways, each with what should come of it; then it is over`, async () => {
      const failed = (await Promise.allSettled(group)).filter(({ status }) => status === "rejected").map(({ reason }) => reason);
      const names = failed.map(({ message }) => message).join("\n");
      if (failed.length) throw new Error(`${failed.length} of ${group.length}:\n${names}`, { cause: failed[0].cause });
    }, 900);
  }
  await it(`${cells.length} cells: nobody was followed elsewhere`, async () => {
    assert.deepEqual(await here.seen({ place: elsewhere }), []);
  });
}
