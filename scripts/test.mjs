// `make test`: every stage in turn, one line each; the first that fails ends it and shows what it said.
// With names (node scripts/test.mjs native http): these stages alone, with their output as it comes.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join, relative } from "node:path";
import { apache } from "./apache.mjs";
import { Fault, complain, environment, local, root, wranglerBinary } from "./paths.mjs";
import { postgres } from "./postgres.mjs";

const workers = ["-p", "shared", "-p", "idp", "-p", "gateway"];
const wasm = ["--target", "wasm32-unknown-unknown"];
// Everything that can go wrong, at every place where it can.
const tables = "binary(faults) or (binary(federation) and test(/^table::/))";

// A stage may return a few words for its line.
const stages = {
  tools: (run) => run("node", "scripts/tools.mjs"),
  fmt: (run) => run("cargo", "fmt", "--check"),
  // The first to resolve dependencies, so this one says that Cargo.lock is out of date.
  clippy: (run) => run("cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"),
  "clippy-wasm": (run) => run("cargo", "clippy", ...workers, ...wasm, "--", "-D", "warnings"),
  // Seconds, so that nobody thinks twice; what takes longer has a stage of its own.
  native: (run) => run("cargo", "nextest", "run", "--workspace", "-E", `not (${tables})`),
  faults: (run) => run("cargo", "nextest", "run", "-p", "tests", "--test", "faults", "--test", "federation", "-E", tables),
  // The machines against their models, far more often than among the native tests, and each time from another
  // seed: PROPTEST_RNG_SEED=n node scripts/test.mjs properties repeats a run, PROPTEST_CASES=n makes it longer.
  async properties(run) {
    const { PROPTEST_CASES: cases = "100000", PROPTEST_RNG_SEED: seed = `${randomInt(2 ** 47)}` } = process.env;
    const drawn = [`PROPTEST_CASES=${cases}`, `PROPTEST_RNG_SEED=${seed}`];
    await run("env", ...drawn, "cargo", "nextest", "run", "--profile", "properties", "-p", "tests", "--test", "models");
    return `ok, ${drawn.join(" ")}`;
  },
  deny: (run) => run("cargo", "deny", "check", "bans", "licenses", "sources"),
  // The database of advisories is a repository on GitHub. Where that can't be reached the line says so.
  async advisories(run) {
    const fetched = await run.within(60, "cargo", "deny", "fetch", "db").then(() => true, () => false);
    if (!fetched) return "NOT CHECKED: the advisory database can't be fetched from here";
    await run("cargo", "deny", "check", "--disable-fetch", "advisories");
  },
  wasm: (run) => run("cargo", "test", "-p", "shared", "--test", "web", ...wasm),
  build: (run) => run("node", "scripts/build.mjs"),
  async "deploy-check"(run) {
    for (const name of ["idp", "gateway"]) {
      await run("node", wranglerBinary, "deploy", "--dry-run", "--cwd", name);
    }
  },
  http: (run) => run("node", "tests/http.mjs"),
  upstreams: (run) => run("node", "tests/upstreams/run.mjs"),
  rows: (run) => run("node", "tests/rows.mjs"),
  keys: (run) => run("node", "tests/keys.mjs"),
  async pair(run) {
    await run("node", "tests/pair.mjs");
    return without(postgres());
  },
  relying: (run) => run("node", "tests/relying.mjs"),
  signals: (run) => run("node", "tests/signals.mjs"),
  turnstile: (run) => run("node", "tests/turnstile.mjs"),
  regions: (run) => run("node", "tests/regions.mjs"),
  async streams(run) {
    await run("node", "tests/streams.mjs");
    return without(postgres());
  },
  async operations(run) {
    await run("node", "tests/operations.mjs");
    return without(postgres());
  },
  providers: (run) => run("node", "tests/providers.mjs"),
  async origins(run) {
    await run("node", "tests/origins.mjs");
    return without(postgres());
  },
  smuggling: (run) => run("node", "tests/smuggling.mjs"),
  limits: (run) => run("node", "tests/limits.mjs"),
  async rotation(run) {
    await run("node", "tests/rotation.mjs");
    return without(postgres());
  },
  async encrypted(run) {
    await run("node", "tests/encrypted.mjs");
    return without(postgres());
  },
  async bodies(run) {
    if (process.platform !== "linux") return "NOT RUN: only Linux says what a process keeps in memory";
    await run("node", "tests/bodies.mjs");
  },
  async foreign(run) {
    await run("node", "tests/foreign/run.mjs");
    return without(apache());
  },
  // In small: make proof does the same at full size.
  async storms(run) {
    await run("node", "tests/storms/run.mjs");
    return without(postgres());
  },
  browser: (run) => run("node", "tests/browser/run.mjs"),
};

// What a stage says that passed over what this machine lacks.
const without = ({ missing }) => missing && `ok, but NOT RUN: ${missing}`;

const logs = join(local, "log");

// Runs one stage; the answer is what to add to its line.
async function perform(name, output) {
  const within = (seconds, command, ...args) => new Promise((resolve, reject) => {
    const stdio = ["ignore", output, output];
    const child = spawn(command, args, { cwd: root, env: environment(), stdio, timeout: seconds * 1000 });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Fault(`${command} ${args.join(" ")}: ${signal ?? `exit code ${code}`}`));
    });
  });
  // What hangs is stopped after half an hour, with a line that says so.
  const run = (command, ...args) => within(1800, command, ...args);
  run.within = within;
  return await stages[name](run) ?? "";
}

async function quietly(name) {
  mkdirSync(logs, { recursive: true });
  const log = join(logs, `${name}.log`);
  const output = openSync(log, "w");
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s`;

  process.stdout.write(name.padEnd(14));
  try {
    const note = await perform(name, output);
    console.log(`${seconds()}  ${note || "ok"}`);
  } catch (fault) {
    writeSync(output, `${fault.message}\n`);
    console.log(`${seconds()}  FAILED`);
    process.stdout.write(readFileSync(log, "utf8"));
    throw new Fault(`${name} failed: all it said is in ${relative(root, log)}`);
  } finally {
    closeSync(output);
  }
}

async function aloud(name) {
  const note = await perform(name, "inherit");
  if (note) console.log(`${name}: ${note}`);
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in stages));
if (unknown.length) complain(new Fault(`no stage is called ${unknown.join(", ")}: there are ${Object.keys(stages).join(", ")}`));
try {
  for (const name of asked.length ? [...new Set(["tools", ...asked])] : Object.keys(stages)) {
    await (asked.length ? aloud(name) : quietly(name));
  }
} catch (fault) {
  complain(fault);
}
