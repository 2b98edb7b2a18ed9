// Finds PostgreSQL's programs, which the tests start a server of their own with; on Debian and Ubuntu root gets them installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { canInstall, install } from "./debian.mjs";
import { Fault, executable, onPath } from "./paths.mjs";

const debian = "/usr/lib/postgresql";
// Without this the package makes a cluster when it is installed, and starts it.
const settings = "/etc/postgresql-common/createcluster.d";
const withoutCluster = join(settings, "gatelatch.conf");

/// The folder of the programs, their version, and who may run them, for the server refuses to be root's; or, where we
/// can't install them, `missing`, one line about it.
export function postgres() {
  if (!folder() && canInstall()) {
    mkdirSync(settings, { recursive: true });
    writeFileSync(withoutCluster, "create_main_cluster = false\n");
    try {
      install("postgresql");
    } finally {
      rmSync(withoutCluster, { force: true });
    }
    if (!folder()) throw new Fault("postgresql could not be installed: see apt-get's message above");
  }
  const found = folder();
  if (found) {
    const owner = process.getuid?.() === 0 ? account("postgres") ?? account("nobody") : {};
    if (owner) return { folder: found, version: version(found), owner };
  }
  return { missing: "no PostgreSQL server (Debian: apt-get install --no-install-recommends postgresql)" };
}

// The newest of Debian's, which are on nobody's path, or what is on ours.
function folder() {
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => Number(other) - Number(one)) : [];
  const initdb = onPath("initdb");
  return [...versions.map((version) => join(debian, version, "bin")), ...(initdb ? [dirname(initdb)] : [])]
    .find((bin) => ["initdb", "postgres"].every((name) => executable(join(bin, name))));
}

function version(bin) {
  const asked = spawnSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
  return /(\d+(?:\.\d+)*)/.exec(asked.stdout)?.[1] ?? "";
}

function account(name) {
  const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m").exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  return uid && { uid: Number(uid), gid: Number(gid) };
}
