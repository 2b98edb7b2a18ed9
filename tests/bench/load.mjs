// wrk, from Debian's package or the path; on Debian and Ubuntu root gets it installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, onPath } from "../../scripts/paths.mjs";
import { cpuOf } from "./processes.mjs";

const connections = 16;
// What is sent once ends by itself, or after so many seconds.
const slowest = 60;

export function wrk() {
  if (!onPath("wrk") && process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    const quiet = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "ignore", 2] };
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "wrk"], quiet);
  }
  if (!onPath("wrk")) throw new Fault("wrk is missing: install it (Debian: apt-get install wrk, macOS: brew install wrk)");
  if (process.platform !== "linux") throw new Fault("CPU times are read from /proc: make bench needs Linux");
}

// So many rounds of all of them, in turn and in reversed turn: `results` of each.
export async function inRounds(all, folder, rounds, seconds, warmUp = 1) {
  for (const one of all) {
    await measure(one, folder, warmUp);
    one.results = [];
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const one of round % 2 ? all.toReversed() : all) one.results.push(await measure(one, folder, seconds));
    console.error(`round ${round + 1} of ${rounds}`);
  }
}

// One round of load on `subject`: CPU microseconds a request, requests a second, and milliseconds of latency.
export async function measure(subject, folder, seconds) {
  const load = await subject.load();
  const file = join(folder, "requests");
  writeFileSync(file, load.lines.join(load.refresh ? "\n" : "\0"), { mode: 0o600 });
  const script = join(import.meta.dirname, load.refresh ? "refresh.lua" : "replay.lua");
  const before = cpuOf(subject.process);
  const said = await run([
    "-t1", `-c${connections}`, `-d${load.once ? Math.max(seconds, slowest) : seconds}s`,
    // wrk counts as failed what takes longer: by itself two seconds, which a crowded machine takes.
    "--timeout", `${slowest}s`, "-s", script, `http://127.0.0.1:${subject.process.port}/`,
    "--", file, ...load.once ? ["once", String(load.status ?? 200)] : [],
  ]);
  const used = cpuOf(subject.process) - before;
  const { requests, microseconds, failed, p50, p99 } = JSON.parse(said.trim().split("\n").at(-1));
  if (failed || requests === 0) throw new Error(`${subject.name}: ${failed} of ${requests} requests failed`);
  return { cpu: used * 1e6 / requests, rate: requests * 1e6 / microseconds, p50: p50 / 1000, p99: p99 / 1000, requests };
}

function run(args) {
  const child = spawn("wrk", args, { stdio: ["ignore", "pipe", 2] });
  let said = "";
  child.stdout.on("data", (part) => {
    said += part;
    if (said.includes("over\n")) child.kill("SIGINT");
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => code === 0 ? resolve(said) : reject(new Error(`wrk: exit code ${code}\n${said}`)));
  });
}

// The same request again and again.
export function always(name, process, headers = {}, path = "/hop?x=1", body = "") {
  return { name, process, load: () => ({ lines: [raw(body ? "POST" : "GET", path, headers, body)] }) };
}

// A request as it goes over the wire.
export function raw(method, path, headers = {}, body = "") {
  const lines = Object.entries({ Host: "localhost", ...headers, ...body && { "Content-Length": body.length } });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}
