// Finds a Python, and installs once what the foreign clients in Python need; Debian's and Ubuntu's root gets pip installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault, onPath, root, toolFolder } from "./paths.mjs";

const requirements = join(root, "tests/foreign/python/requirements.txt");

// Fails without pip or in a Python that is too old. Wheels with native code are made for the rest of what it says.
const probe = `
import sys, sysconfig
import pip
assert sys.version_info >= (3, 9)
print(sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_platform())
`;

/** A Python that starts, and the environment in which it finds the packages. */
export function python() {
  const { command, kind } = found() ?? afterInstalling() ?? missing();
  const digest = createHash("sha256").update(readFileSync(requirements)).update(kind).digest("hex");
  const folder = toolFolder("python-clients", digest.slice(0, 16));
  if (!existsSync(folder)) install(command, folder);
  return { command, env: environment({ PYTHONPATH: folder }) };
}

// Nothing of what this machine has besides, and nothing written beside the sources.
function environment(more) {
  const { PYTHONPATH, PYTHONHOME, ...env } = process.env;
  return { ...env, PYTHONNOUSERSITE: "1", PYTHONDONTWRITEBYTECODE: "1", ...more };
}

// The second is where a package of the system puts it, whatever comes first on the path.
function found() {
  for (const command of [onPath("python3"), "/usr/bin/python3"]) {
    if (!command) continue;
    const asked = spawnSync(command, ["-c", probe], { env: environment(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    if (asked.status === 0) return { command, kind: asked.stdout.trim() };
  }
}

function afterInstalling() {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version") || !onPath("apt-get")) return;
  console.error("installing python3-pip");
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "ignore", 2] };
  spawnSync("apt-get", ["update", "-qq"], quiet);
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3-pip"], quiet);
  return found();
}

function missing() {
  throw new Fault("python3 3.9 or newer with pip is missing: install it (Debian: apt-get install python3-pip, macOS: xcode-select --install)");
}

// A folder of packages needs no virtual environment. It is filled beside its place and moved there whole, so that
// half of it is never taken for all.
function install(command, folder) {
  console.error("installing the Python packages");
  const part = `${folder}.part-${process.pid}`;
  const env = environment({ PIP_ROOT_USER_ACTION: "ignore", PIP_DISABLE_PIP_VERSION_CHECK: "1" });
  try {
    mkdirSync(dirname(folder), { recursive: true });
    const args = ["-m", "pip", "install", "--quiet", "--target", part, "--requirement", requirements];
    if (spawnSync(command, args, { env, stdio: ["ignore", 2, 2] }).status !== 0) {
      throw new Fault("the Python packages could not be installed: see pip's message above");
    }
    try {
      renameSync(part, folder);
    } catch (error) {
      // Somebody else was faster with the same packages.
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
