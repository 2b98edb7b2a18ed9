#!/usr/bin/env node
// esbuild as worker-build runs it, over what wasm-bindgen wrote. wasm-bindgen names a file of ours once for each function
// of it that needs no glue, all under the same key of one object: one of them is enough, and esbuild warns of the others.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { esbuildBinary } from "./paths.mjs";

const file = "index.js";
const seen = new Set();
const lines = readFileSync(file, "utf8").split("\n").filter((line) => {
  const [, key] = /^\s+("\.\/snippets\/[^"]+"): \w+,$/.exec(line) ?? [];
  const again = key !== undefined && seen.has(key);
  seen.add(key);
  return !again;
});
writeFileSync(file, lines.join("\n"));
process.exit(spawnSync(esbuildBinary, process.argv.slice(2), { stdio: "inherit" }).status ?? 1);
