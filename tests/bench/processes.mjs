// The processes that are measured, one workerd each, and what Linux says of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { embed, launch, startWorkerd, text } from "../../scripts/workerd.mjs";
import { later } from "../foreign/checks.mjs";

const date = /^compatibility_date = "([\d-]+)"$/m;
const compatibilityDate = date.exec(readFileSync(join(import.meta.dirname, "../../gateway/wrangler.toml"), "utf8"))[1];

// Serves a part of a configuration for `make serve`.
export function ours(folder, name, config) {
  return running(() => startWorkerd({ state: join(folder, name), ...config }), Object.values(config)[0].port);
}

// The Durable Objects of Workers that are not ours: `crowd` writes into those of our issuer.
const objects = {
  object: { binding: "SESSION", className: "Session", uniqueKey: "bench" },
  issuer: { binding: "ACCOUNT", className: "Account", uniqueKey: "bench" },
  crowd: { binding: "DIRECTORY", className: "Directory", uniqueKey: "gatelatch-idp-Directory" },
};

// Serves a Worker that is not ours: a file of this folder, or the Rust one that does nothing.
export function theirs(folder, name, port, bindings = {}, state = join(folder, name)) {
  const module = (file, kind, path) => `(name = "${file}", ${kind} = ${embed(state, `tests/bench/${path}`)})`;
  const { binding, className, uniqueKey } = objects[name] ?? {};
  const members = [
    `modules = [${name === "empty-rust"
      ? [module("index.js", "esModule", "empty/build/index.js"), module("index_bg.wasm", "wasm", "empty/build/index_bg.wasm")]
      : module("worker.js", "esModule", `workers/${name}.js`)}]`,
    `compatibilityDate = "${compatibilityDate}"`,
    `bindings = [${[
      ...Object.entries(bindings).map(([key, value]) => `(name = "${key}", text = ${text(value)})`),
      ...binding ? [`(name = "${binding}", durableObjectNamespace = "${className}")`] : [],
    ]}]`,
    ...binding ? [
      `durableObjectNamespaces = [(className = "${className}", uniqueKey = "${uniqueKey}", enableSql = true)]`,
      `durableObjectStorage = (localDisk = "storage")`,
    ] : [],
  ];
  return running(() => launch(state, [{ name: "worker", port, members }]), port);
}

// A Node program of this folder, which is told its port.
export function node(file, port, ...args) {
  return running(() => spawn(process.execPath, [join(import.meta.dirname, file), port, ...args], { stdio: ["pipe", 2, 2] }), port);
}

// Starts it, and waits until it answers anything at all.
export async function running(start, port) {
  const child = start();
  const ended = once(child, "exit");
  // By SIGTERM workerd leaves each object in one file, without a log beside it.
  const stop = async (signal = "SIGKILL") => {
    child.kill(signal);
    await ended;
  };
  later(() => stop());
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { redirect: "manual" }).catch(() => null);
    await answer?.arrayBuffer();
    if (answer) break;
    if (tries > 300 || child.exitCode !== null) throw new Error(`nothing answers at port ${port}`);
    await sleep(20);
  }
  return { port, pid: child.pid, stop };
}

// Seconds of CPU that a process and its children have used, in all their threads. (/proc/PID/stat counts in hundredths, too
// coarse for a start.)
export function cpuOf({ pid }) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
  return sum(nanoseconds) / 1e9 + sum(childrenOf(pid).map((child) => cpuOf({ pid: child })));
}

// What they keep in memory, in MB; what they share is counted for each.
export function memoryOf({ pid }) {
  const own = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  return own + sum(childrenOf(pid).map((child) => memoryOf({ pid: child })));
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
const sum = (numbers) => numbers.reduce((all, next) => all + next, 0);
