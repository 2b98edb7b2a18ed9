// Where everything is, and which version of a tool is meant.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "..");
export const local = join(root, ".gatelatch");

// The tools cargo builds for us, one folder each, named after its version: an upgrade never meets an old binary.
const toolBase = process.env.GATELATCH_TOOLS || join(homedir(), ".cache/gatelatch/tools");
export const workerBuildVersion = "0.8.7";
export const nextestVersion = "0.9.143";
export const denyVersion = "0.20.2";

export const toolFolder = (name, version) => join(toolBase, `${name}-${version}`);
export const toolBinary = (name, version, binary = name) => join(toolFolder(name, version), "bin", binary);

// A fault that a person can do something about: shown as its text alone, without a stack.
export class Fault extends Error {}

export const main = (meta) => process.argv[1] && resolve(process.argv[1]) === meta.filename;

export function complain(error) {
  console.error(error instanceof Fault ? error.message : error);
  process.exit(1);
}

// The CLI writes the glue for exactly one version of the library, so the lock file decides.
export function wasmBindgenVersion() {
  const lock = join(root, "Cargo.lock");
  if (!existsSync(lock)) throw new Fault("Cargo.lock is missing: commit it (cargo generate-lockfile writes one)");
  const found = /\[\[package\]\]\nname = "wasm-bindgen"\nversion = "([^"]+)"/.exec(readFileSync(lock, "utf8"));
  if (!found) throw new Fault("Cargo.lock names no wasm-bindgen: a Worker crate must depend on `worker`");
  return found[1];
}

export function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder && executable(join(folder, name))) return join(folder, name);
  }
}

export function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// The native binaries themselves: npm may have been told to run no install script, and then the
// `bin` of these packages is a JavaScript detour.
const modules = join(root, "node_modules");
export const esbuildBinary = join(modules, "@esbuild", `${process.platform}-${process.arch}`, "bin/esbuild");
export const workerdBinary = join(
  modules, "@cloudflare", `workerd-${process.platform}-${process.arch === "x64" ? "64" : process.arch}`, "bin/workerd");
export const wasmOptBinary = join(modules, "binaryen/bin/wasm-opt");
export const wranglerBinary = join(modules, "wrangler/bin/wrangler.js");

// The environment our commands run in: what is installed comes first, then our own tools; wrangler reports nothing home.
export function environment() {
  const folders = [
    toolBinary("cargo-nextest", nextestVersion), toolBinary("cargo-deny", denyVersion),
  ].map((binary) => resolve(binary, ".."));
  return {
    ...process.env,
    PATH: [process.env.PATH, ...folders].join(delimiter),
    WRANGLER_SEND_METRICS: "false",
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER:
      toolBinary("wasm-bindgen-cli", wasmBindgenVersion(), "wasm-bindgen-test-runner"),
  };
}
