// Checks that every tool is there, and installs the missing ones it can. Fast when nothing is missing.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  Fault, complain, denyVersion, esbuildBinary, executable, main, nextestVersion, onPath, root, toolBinary, toolFolder,
  wasmBindgenVersion, wasmOptBinary, workerBuildVersion, workerdBinary,
} from "./paths.mjs";
import { apache } from "./apache.mjs";
import { chromium } from "./chromium.mjs";
import { postgres } from "./postgres.mjs";
import { python } from "./python.mjs";

export { chromium };

// What building and running the Workers needs. `make test` needs `testTools` besides.
export async function tools() {
  machine();
  toolchain();
  npmPackages();
  if (!executable(toolBinary("worker-build", workerBuildVersion))) cargoInstall("worker-build", workerBuildVersion);
  await wasmBindgen(wasmBindgenVersion());
}

export async function testTools() {
  await tools();
  if (!onPath("cargo-nextest") && !executable(toolBinary("cargo-nextest", nextestVersion))) {
    cargoInstall("cargo-nextest", nextestVersion);
  }
  if (!onPath("cargo-deny") && !executable(toolBinary("cargo-deny", denyVersion))) cargoInstall("cargo-deny", denyVersion);
  chromium();
  python();
  // What not every machine has: without it, one stage runs less, and says so.
  for (const { missing } of [apache(), postgres()]) if (missing) say(missing);
}

// What we can't install: one line each, all at once.
function machine() {
  const missing = [];
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 11)) missing.push(`Node ${process.versions.node} is too old: install Node 20.11 or newer`);
  if (!onPath("cargo") || !onPath("rustup")) missing.push("cargo or rustup is missing: install Rust from https://rustup.rs");
  if (!onPath("cc")) missing.push("cc is missing: install a C compiler (Debian: apt-get install gcc libc6-dev, macOS: xcode-select --install)");
  if (!onPath("npm")) missing.push("npm is missing: it comes with Node");
  if (missing.length) throw new Fault(missing.join("\n"));
}

// The compiler, rustfmt, clippy and the wasm32 target that rust-toolchain.toml pins.
function toolchain() {
  const [, channel] = /channel = "([^"]+)"/.exec(readFileSync(join(root, "rust-toolchain.toml"), "utf8"));
  if (toolchainIsWhole()) return;
  say(`installing Rust ${channel} with rustfmt, clippy and wasm32-unknown-unknown`);
  run("rustup", ["toolchain", "install", channel, "--profile", "minimal", "-c", "rustfmt", "-c", "clippy", "-t", "wasm32-unknown-unknown"],
    `Rust ${channel} could not be installed: see rustup's message above`);
}

function toolchainIsWhole() {
  const asked = spawnSync("rustc", ["--print", "sysroot"], { cwd: root, encoding: "utf8" });
  const sysroot = asked.stdout?.trim();
  return asked.status === 0 && existsSync(join(sysroot, "lib/rustlib/wasm32-unknown-unknown"))
    && ["cargo-clippy", "cargo-fmt"].every((name) => executable(join(sysroot, "bin", name)));
}

// `npm ci` once per lock file. The stamp lies in node_modules, so it goes when they go.
function npmPackages() {
  const stamp = join(root, "node_modules/.gatelatch-stamp");
  const wanted = createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).digest("hex");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    say("installing the npm packages");
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci failed: see its message above");
    writeFileSync(stamp, wanted);
  }
  for (const file of [workerdBinary, esbuildBinary, wasmOptBinary]) {
    if (!executable(file)) throw new Fault(`${file} is missing: npm has no build of it for ${process.platform} ${process.arch}`);
  }
}

// The project's own release saves minutes; where GitHub can't be reached, cargo builds the same version.
async function wasmBindgen(version) {
  const names = ["wasm-bindgen", "wasm-bindgen-test-runner"];
  if (names.every((name) => executable(toolBinary("wasm-bindgen-cli", version, name)))) return;
  say(`installing wasm-bindgen ${version}`);
  const reason = await prebuiltWasmBindgen(version).then(() => null, (error) => error.cause?.message ?? error.message);
  if (reason === null) return;
  say(`no prebuilt wasm-bindgen (${reason})`);
  cargoInstall("wasm-bindgen-cli", version);
}

async function prebuiltWasmBindgen(version) {
  const target = {
    "linux-x64": "x86_64-unknown-linux-musl", "linux-arm64": "aarch64-unknown-linux-gnu",
    "darwin-x64": "x86_64-apple-darwin", "darwin-arm64": "aarch64-apple-darwin",
  }[`${process.platform}-${process.arch}`];
  if (!target) throw new Error(`none for ${process.platform} ${process.arch}`);
  const name = `wasm-bindgen-${version}-${target}`;
  const url = `https://github.com/wasm-bindgen/wasm-bindgen/releases/download/${version}/${name}.tar.gz`;

  const connected = new AbortController();
  const timer = setTimeout(() => connected.abort(new Error("no answer within 5 s")), 5000);
  const answer = await fetch(url, { signal: connected.signal }).finally(() => clearTimeout(timer));
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);

  // Unpacked beside its place and moved there whole, so that a broken download is never taken for a tool.
  const folder = toolFolder("wasm-bindgen-cli", version);
  const unpacked = `${folder}.part-${process.pid}`;
  try {
    mkdirSync(unpacked, { recursive: true });
    const archive = await Readable.fromWeb(answer.body).toArray();
    execFileSync("tar", ["xzf", "-", "-C", unpacked], { input: Buffer.concat(archive), stdio: ["pipe", "ignore", "pipe"] });
    const says = execFileSync(join(unpacked, name, "wasm-bindgen"), ["--version"], { encoding: "utf8" });
    if (!says.includes(version)) throw new Error(`it calls itself ${says.trim()}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    renameSync(join(unpacked, name), join(folder, "bin"));
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

function cargoInstall(name, version) {
  say(`building ${name} ${version} with cargo: this takes minutes, once`);
  run("cargo", ["install", "--locked", "--quiet", `${name}@${version}`, "--root", toolFolder(name, version)],
    `${name} ${version} could not be built: see cargo's message above`);
}

function run(command, args, fault) {
  if (spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] }).status !== 0) throw new Fault(fault);
}

function say(line) {
  console.error(line);
}

if (main(import.meta)) await testTools().catch(complain);
