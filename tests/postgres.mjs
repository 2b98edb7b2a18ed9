// A PostgreSQL server of our own: on loopback alone, on a free port, with a password, in a folder that is removed.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { postgres } from "../scripts/postgres.mjs";
import { Fault } from "../scripts/paths.mjs";

const user = "gatelatch";

// Starts a server on `port`. The answer has its `url`, `stop`, which removes everything, `away` and `back`, which end the
// server and start it again over the same data, and `crash`, which kills it as nobody should: all of it, which then comes
// back by `back`, or one of its processes, after which it starts anew by itself. With `tls`, the files of a certificate and its
// key, it takes nobody without. It ends with us, however we end: it holds a
// pipe of ours.
export async function database(port, { connections = 100, tls } = {}) {
  const { folder: programs, owner, missing } = postgres();
  if (missing) throw new Fault(missing);
  const folder = mkdtempSync(join(tmpdir(), "gatelatch-postgres-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  const [data, secret] = [join(folder, "data"), join(folder, "password")];
  const password = randomBytes(16).toString("base64url");
  writeFileSync(secret, password, { mode: 0o600 });
  if (owner.uid !== undefined) for (const path of [folder, secret]) chownSync(path, owner.uid, owner.gid);
  const made = spawnSync(join(programs, "initdb"), [
    "-D", data, "-U", user, "-A", "scram-sha-256", `--pwfile=${secret}`, "-E", "UTF8", "--no-locale", "--no-sync",
  ], { ...owner, cwd: folder, encoding: "utf8" });
  if (made.status !== 0) throw new Fault(`no database could be made: ${made.stderr}`);

  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", `max_connections=${connections}`, "fsync=off"];
  if (tls) settings.push(...encrypted(tls, folder, data, owner));
  const command = [join(programs, "postgres"), "-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])];
  let server = await start(command, owner, folder);
  const away = () => server.end();
  const stop = async () => {
    await away();
    remove();
    process.off("exit", remove);
  };
  const back = async (tries = 20) => {
    try {
      server = await start(command, owner, folder);
    } catch (fault) {
      // The orphans of a server that was killed may still be about to notice.
      if (tries === 1) throw fault;
      await sleep(100);
      await back(tries - 1);
    }
  };
  const crash = async (whole) => {
    const [pid] = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const one = () => whole ? pid : spawnSync("pgrep", ["-P", pid], { encoding: "utf8" }).stdout.trim().split("\n").at(-1);
    while (!isKilled(Number(one())));
    if (whole) await away();
  };
  return { url: `postgres://${user}:${password}@127.0.0.1:${port}/postgres`, stop, away, back, crash };
}

// Whether there was such a process: that of one connection may be gone by itself.
function isKilled(pid) {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (fault) {
    if (fault.code === "ESRCH") return false;
    throw fault;
  }
}

// The settings of a server that speaks TLS alone. A key that others may read is none to it.
function encrypted({ certificate, key }, folder, data, owner) {
  const copy = (file, name) => {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(file), { mode: 0o600 });
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid);
    return path;
  };
  const rules = join(data, "pg_hba.conf");
  writeFileSync(rules, readFileSync(rules, "utf8").replace(/^host\b/gm, "hostssl"));
  return ["ssl=on", `ssl_cert_file=${copy(certificate, "certificate.pem")}`, `ssl_key_file=${copy(key, "certificate.key")}`];
}

async function start(command, owner, folder) {
  // The shell waits for the end of its input, which is ours, and ends the server then.
  const script = `"$@" & server=$!; cat > /dev/null; kill -QUIT $server; wait $server`;
  const server = spawn("sh", ["-c", script, "sh", ...command], { ...owner, cwd: folder, stdio: ["pipe", "ignore", "pipe"] });
  const said = [];
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const ready = new Promise((resolve) => server.stderr.on("data", (part) => {
    said.push(String(part));
    if (said.join("").includes("ready to accept connections")) resolve(true);
    // A line for each connection that broke would fill the memory of a long run.
    if (said.length > 100) said.shift();
  }));
  const late = new Promise((resolve) => setTimeout(resolve, 30_000).unref());
  const end = async () => {
    server.stdin.end();
    await ended;
  };
  if (await Promise.race([ready, ended, late]) === true) return { end };
  await end();
  throw new Fault(`PostgreSQL did not start: ${said.join("")}`);
}
