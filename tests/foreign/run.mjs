// Other people's software against ours, one after the other: node tests/foreign/run.mjs [NAME...]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { notRun } from "./checks.mjs";

const all = [
  "openid-client", "oauth4webapi", "oidc-client-ts", "openidconnect", "oauth2", "authlib", "requests-oauthlib",
  "mod_auth_openidc", "oidc-provider",
];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.includes(name));
if (unknown.length) {
  console.error(`nothing is called ${unknown.join(", ")}: there are ${all.join(", ")}`);
  process.exit(1);
}

// Ctrl-C reaches the child too; it stops what it started, and then we go.
let child;
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    stopped = true;
    child?.kill(signal);
  });
}

const failed = [];
const without = [];
for (const name of asked.length ? asked : all) {
  child = spawn(process.execPath, [join(import.meta.dirname, `${name}.mjs`)], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (stopped) process.exit(1);
  if (code === notRun) without.push(name);
  else if (code !== 0) failed.push(name);
}
if (without.length) console.log(`not run: ${without.join(", ")}`);
console.log(failed.length ? `failed: ${failed.join(", ")}` : `all ${without.length ? "the others" : "of them"} agree with us`);
process.exit(failed.length ? 1 : 0);
