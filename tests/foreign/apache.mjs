// An Apache of our own: in the foreground, with its files in a folder that is removed, and with these hosts.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { local, root } from "../../scripts/paths.mjs";
import { later } from "./checks.mjs";

const loaded = [
  "mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "headers", "proxy", "proxy_http",
];

// `hosts` are `{ port, lines }`; the binary and its modules are what scripts/apache.mjs found. The answer is the server's
// process, whose children do the work.
export async function startApache({ binary, modules }, hosts) {
  const parent = join(local, "foreign");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(parent, "apache-"));
  writeFileSync(join(folder, "httpd.conf"), configuration(folder, modules, hosts), { mode: 0o600 });

  const child = spawn("sh", ["-c", withUs, "sh", binary, "-d", folder, "-f", join(folder, "httpd.conf"), "-DFOREGROUND"], {
    env: { PATH: process.env.PATH, TMPDIR: folder }, stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  later(async (failed) => {
    child.stdin.end();
    await ended;
    if (failed) console.log(`  what Apache said is in ${relative(root, folder)}`);
    else rmSync(folder, { recursive: true, force: true });
  });
  const gone = ended.then(() => { throw new Error("Apache ended: see its messages above, or its log"); });
  await Promise.race([gone, Promise.all(hosts.map(({ port }) => answering(port)))]);
  return Number(readFileSync(join(folder, "pid"), "utf8"));
}

// The shell holds a pipe of ours, so that the server ends with us even when we are killed.
const withUs = `exec 3<&0
"$@" 3<&- & server=$!
{ read -r _ <&3; kill $server; } 2>/dev/null & reader=$!
wait $server; status=$?
kill $reader 2>/dev/null
exit $status`;

function configuration(folder, modules, hosts) {
  return [
    `ServerRoot "${folder}"`,
    `DefaultRuntimeDir "${folder}"`,
    `PidFile "${join(folder, "pid")}"`,
    `ErrorLog "${join(folder, "log")}"`,
    "LogLevel warn",
    "ServerName localhost",
    // It refuses to answer as root.
    ...(process.getuid() === 0 ? ["User www-data", "Group www-data"] : []),
    // Several processes, as everywhere: what one of them remembers, another doesn't. No more, so that none comes or goes.
    "ServerLimit 2",
    "StartServers 2",
    "MaxRequestWorkers 50",
    ...loaded.map((name) => `LoadModule ${name}_module "${join(modules, `mod_${name}.so`)}"`),
    ...hosts.flatMap(({ port, lines }) => [
      `Listen 127.0.0.1:${port}`,
      `<VirtualHost 127.0.0.1:${port}>`,
      `  ServerName localhost:${port}`,
      ...lines.map((line) => `  ${line}`),
      "</VirtualHost>",
    ]),
    "",
  ].join("\n");
}

async function answering(port) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/public/`, { redirect: "manual" }).catch(() => null);
    if (answer) return void await answer.text();
    if (Date.now() > deadline) throw new Error(`Apache does not answer on port ${port}`);
    await sleep(50);
  }
}
