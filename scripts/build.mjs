// Builds the Workers: node scripts/build.mjs [idp] [gateway]. wrangler.toml's build command is this too.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Fault, complain, esbuildBinary, main, root, toolBinary, wasmBindgenVersion, wasmOptBinary, workerBuildVersion,
} from "./paths.mjs";
import { tools } from "./tools.mjs";

export const workers = ["idp", "gateway"];

const bundler = join(root, "scripts/esbuild.mjs");

// Builds what changed since it was last built. `cargo` would see that too, but not before wasm-opt ran again.
export async function build(names = workers) {
  await tools();
  for (const name of names) {
    const folder = join(root, name, "build");
    const stamp = join(folder, ".stamp");
    const made = ["index.js", "index_bg.wasm"].map((file) => join(folder, file));
    const wanted = fingerprint(name);
    if (made.every(existsSync) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) continue;

    rmSync(stamp, { force: true });
    console.error(`building ${name}`);
    workerBuild(name);
    writeFileSync(stamp, wanted);
  }
}

function workerBuild(name) {
  // worker-build would look for these nowhere else, and download what it doesn't find.
  const env = {
    ...process.env,
    WASM_BINDGEN_BIN: toolBinary("wasm-bindgen-cli", wasmBindgenVersion(), "wasm-bindgen"),
    WASM_OPT_BIN: wasmOptBinary,
    ESBUILD_BIN: bundler,
    // Left readable for `lean`, which minifies it.
    NO_MINIFY: "1",
  };
  const built = spawnSync(toolBinary("worker-build", workerBuildVersion), ["--release"], {
    cwd: join(root, name), env, stdio: ["ignore", 2, 2],
  });
  if (built.status !== 0) throw new Fault(`${name} was not built: see the messages above`);
  strip(join(root, name, "build", "index_bg.wasm"));
  lean(join(root, name, "build", "index.js"));
}

// The names of all functions, which worker-build keeps, are a sixth of the file and nobody's business.
function strip(file) {
  const stripped = spawnSync(wasmOptBinary, ["--all-features", "--strip-debug", "--strip-producers", "-o", file, file], {
    stdio: ["ignore", 2, 2],
  });
  if (stripped.status !== 0) throw new Fault(`${file} was not stripped: see the messages above`);
}

// worker-build makes an object and four proxies for every request. A plain function does what they do: it starts the
// module anew when a panic has broken it, and notices when one does.
function lean(file) {
  const entry = /^var shim_default = new Proxy\(Entrypoint, classProxyHooks\);$/m;
  const fetch = /^Entrypoint\.prototype\.fetch = function \w+\(arg\) \{\n  return (\w+)\.call\(this, arg, this\.env, this\.ctx\);$/m;
  const script = readFileSync(file, "utf8");
  const [, exported] = fetch.exec(script) ?? [];
  if (!exported || !entry.test(script)) throw new Fault(`${file}: worker-build's entry has another form; see lean() in scripts/build.mjs`);
  writeFileSync(file, script.replace(entry, `var shim_default = {
    fetch(request, env, ctx) {
      checkReinitialize();
      try {
        return ${exported}(request, env, ctx);
      } catch (fault) {
        handleMaybeCritical(fault);
        throw fault;
      }
    }
  };`));
  const minified = spawnSync(esbuildBinary, [file, "--minify", "--format=esm", `--outfile=${file}`, "--allow-overwrite"], {
    stdio: ["ignore", 2, 2],
  });
  if (minified.status !== 0) throw new Fault(`${file} was not minified: see the messages above`);
}

// Everything a Worker is made of. Contents and not times, so that a checkout or a `touch` rebuilds nothing.
function fingerprint(name) {
  const hash = createHash("sha256").update(workerBuildVersion).update(`${workerBuild}${strip}${lean}`).update(readFileSync(bundler));
  const files = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "package-lock.json", ".cargo/config.toml"];
  for (const file of [...files, ...inputs("shared"), ...inputs(name)]) {
    if (existsSync(join(root, file))) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

// All files of a crate but its tests and what tools put there: pages and styles may be compiled in.
function inputs(crate) {
  return readdirSync(join(root, crate), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith(".") && !["build", "node_modules", "tests", "wrangler.toml"].includes(name))
    .flatMap((entry) => below(`${crate}/${entry.name}`, entry))
    .sort();
}

function below(path, entry) {
  if (!entry.isDirectory()) return [path];
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => below(`${path}/${entry.name}`, entry));
}

if (main(import.meta)) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !workers.includes(name));
  if (unknown.length) complain(new Fault(`no Worker is called ${unknown.join(", ")}: there are ${workers.join(" and ")}`));
  await build(names.length ? names : workers).catch(complain);
}
