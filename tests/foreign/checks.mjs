// Sentences that are true or false, one line each.
import { setTimeout as sleep } from "node:timers/promises";

// What a test exits with when this machine lacks what it is about.
export const notRun = 77;

const endings = [];
let failed = false;

// Runs `body` with `it(sentence, check, seconds)`; what `later` was told is undone at the end, the last first.
export async function subject(title, body) {
  const started = performance.now();
  console.log(title);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      failed = true;
      undo().finally(() => process.exit(1));
    });
  }
  try {
    await body(it);
  } catch (fault) {
    failed = true;
    console.log(`  FAILED  ${title}\n${indented(fault)}`);
  } finally {
    await undo();
  }
  if (!failed) console.log(`  ${((performance.now() - started) / 1000).toFixed(1)} s`);
  process.exit(failed ? 1 : 0);
}

// Remembers how to stop what was started. It is told whether something failed.
export function later(ending) {
  endings.push(ending);
}

// What was measured. scripts/proof.mjs makes a table of these lines.
export function figure(what, value) {
  console.log(`  figure  ${what}: ${value}`);
}

async function undo() {
  while (endings.length) {
    const ending = endings.pop();
    await Promise.resolve(ending(failed)).catch((fault) => console.log(indented(fault)));
  }
}

async function it(sentence, check, seconds = 60) {
  const timer = new AbortController();
  const late = sleep(seconds * 1000, undefined, { signal: timer.signal, ref: false })
    .then(() => { throw new Error(`no result within ${seconds} s`); });
  late.catch(() => {});
  try {
    await Promise.race([check(), late]);
    console.log(`  ok  ${sentence}`);
  } catch (fault) {
    failed = true;
    console.log(`  FAILED  ${sentence}\n${indented(fault)}`);
  } finally {
    timer.abort();
  }
}

function indented(fault) {
  const causes = [];
  for (let at = fault; at; at = at.cause) causes.push(at.stack ?? JSON.stringify(at));
  return causes.join("\ncaused by ").replace(/^/gm, "          ");
}
