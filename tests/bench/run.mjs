// `make bench`: what a request costs, in CPU microseconds of the process that serves it, under raw workerd. Everything is
// measured in the same run, in rounds whose order is reversed each time; figures are medians over the rounds.
// node tests/bench/run.mjs [ROUNDS] [SECONDS] [WORDS IN THE NAMES OF WHAT IS WANTED, |]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, workers } from "../../scripts/build.mjs";
import { root } from "../../scripts/paths.mjs";
import { later, subject } from "../foreign/checks.mjs";
import { inRounds, wrk } from "./load.mjs";
import { memoryOf } from "./processes.mjs";
import { startUps } from "./start-up.mjs";
import { apacheName, subjects } from "./subjects.mjs";
import { median, table } from "./table.mjs";

const [rounds = 4, seconds = 4] = process.argv.slice(2, 4).map(Number);
const wanted = process.argv[4] ?? "";

await subject("bench", async () => {
  wrk();
  await build([...workers, "tests/bench/empty"]);
  const folder = mkdtempSync(join(tmpdir(), "gatelatch-bench-"));
  later(() => rmSync(folder, { recursive: true, force: true }));

  const baselines = ["JavaScript pass-through", "JavaScript cookie Worker", "JavaScript session object", apacheName, "empty Rust Worker"];
  const pattern = new RegExp(wanted);
  const listed = (await subjects(folder)).filter(({ name }) => baselines.includes(name) || pattern.test(name));
  // What an issuer does not offer has a row that says so.
  const all = listed.filter(({ absent }) => !absent);
  await inRounds(all, folder, rounds, seconds);
  for (const one of all) one.hot = memoryOf(one.process);

  const figure = (one, name) => median(one.results.map((result) => result[name]));
  const found = (name) => all.find((one) => one.name === name);
  const cost = (name) => found(name) ? figure(found(name), "cpu") : NaN;
  const against = Object.fromEntries(baselines.map((name) => [name, cost(name)]));
  console.log(`\n${rounds} rounds of ${seconds} s, 16 connections, ${cpus().length} x ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}\n`);
  // Of the same name at the other issuer.
  const besidePeer = ({ name }) => {
    const peer = name.startsWith("issuer: ") && all.find((one) => one.name === name.replace("issuer", "oidc-provider"));
    return peer ? (cost(name) / cost(peer.name)).toFixed(2) : "";
  };
  console.log(table(
    ["CPU a request", "µs", "x pass-through", "x cookie Worker", "x session object", "x Apache", "x empty Rust", "x oidc-provider", "requests/s", "p50 ms", "MB after"],
    listed.map((one) => one.absent ? [one.name, "not there", ...Array(9).fill("")] : [
      one.name, figure(one, "cpu").toFixed(0), ...Object.values(against).map((other) => (figure(one, "cpu") / other).toFixed(2)), besidePeer(one),
      figure(one, "rate").toFixed(0), figure(one, "p50").toFixed(1), one.hot.toFixed(0),
    ]),
  ));
  for (const one of all) await one.process.stop();

  console.log(table(["to the first answer", "CPU ms", "x empty JavaScript", "MB"], await startUps(folder)));
  console.log(table(["size", "KB", "KB gzip"], workers.map((name) => {
    const file = readFileSync(join(root, name, "build/index_bg.wasm"));
    return [name, (file.length / 1000).toFixed(0), (gzipSync(file, { level: 9 }).length / 1000).toFixed(0)];
  })));
});
