// Starts what a configuration describes on free ports, in a fresh folder, and stops it again.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build, workers } from "../../scripts/build.mjs";
import { local, root } from "../../scripts/paths.mjs";
import { startWorkerd } from "../../scripts/workerd.mjs";
import { later } from "./checks.mjs";

// Somebody with an account at our issuer. The hash is argon2id of the password (m=19456, t=2, p=1).
export const alice = { username: "alice", password: "wonderland" };
export const account = {
  username: alice.username,
  password: "$argon2id$v=19$m=19456,t=2,p=1$wrkJiB1TXwJn8BOgKm4DHQ$DcldRnbev4SrAfumQnHf4JANi2i4H6kmfFL4fSyHN8o",
  name: "Alice Liddell", given_name: "Alice", family_name: "Liddell",
  preferred_username: alice.username, email: "alice@example.com", email_verified: true, locale: "en-GB",
};

export const key = () => randomBytes(32).toString("base64url");
export const secretDigest = (secret) => createHash("sha256").update(secret).digest("base64url");

const given = new Set();
let built = Promise.resolve();

// Ports that nobody listens on, and that nobody was given before.
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject).listen(0, "127.0.0.1", () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const fresh = ports.filter((port) => !given.has(port));
  for (const port of fresh) given.add(port);
  return fresh.length === count ? fresh : [...fresh, ...await freePorts(count - fresh.length)];
}

// Our issuer on a free port, with these clients.
export async function ourIssuer(clients, settings = {}) {
  const [port] = await freePorts(1);
  const issuer = `http://localhost:${port}`;
  await serve({ idp: { port, settings: { ISSUER: issuer, SEALING_KEYS: key(), CLIENTS: clients, ACCOUNTS: [account], ...settings } } });
  return issuer;
}

// The routes that the tests walk: pages, an API and what is for everybody, all of the demo origin.
export const routesTo = (origin) => [
  { prefix: "/public", origin, access: "public" },
  { prefix: "/api", origin, access: "api" },
  { prefix: "/", origin, access: "signed-in" },
];

// Our pair with the demo origin behind it. `gateway` is told the origin's URL. `between` is told the issuer's
// port and says where its URL is instead; the gateway then goes there, and past no service binding. `told`: whether the
// gateway is told of logouts.
export async function pair({
  idp = {}, gateway = () => ({}), clients = [], between, told = false, kv = false, hyperdrive,
} = {}) {
  const [idpPort, gatewayPort, originPort] = await freePorts(3);
  const [app, origin] = [gatewayPort, originPort].map((port) => `http://localhost:${port}`);
  const issuer = between ? await between(idpPort) : `http://localhost:${idpPort}`;
  const secret = key();
  const client = {
    client_id: "gateway",
    client_name: "Wonderland",
    client_secret_sha256: secretDigest(secret),
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [`${app}/auth/callback`],
    post_logout_redirect_uris: [`${app}/`],
    audience: origin,
    ...(told && { backchannel_logout_uri: `${app}/auth/backchannel-logout` }),
  };
  const config = {
    idp: {
      port: idpPort,
      settings: { ISSUER: issuer, SEALING_KEYS: key(), CLIENTS: [client, ...clients], ACCOUNTS: [account], ...idp },
    },
    gateway: {
      port: gatewayPort,
      settings: {
        PUBLIC_URL: app, ISSUER: issuer, CLIENT_ID: "gateway", CLIENT_SECRET: secret, SEALING_KEYS: key(),
        ROUTES: routesTo(origin), ...gateway(origin),
      },
      service_binding: !between,
      kv,
      ...(hyperdrive && { hyperdrive }),
    },
    origin: { port: originPort },
  };
  return { config, issuer, app, origin };
}

// The same, served.
export async function ourPair(options) {
  const { config, ...urls } = await pair(options);
  await serve(config);
  return urls;
}

// Writes `config` into a folder of its own, which is removed at the end if all went well.
export async function prepare(config) {
  // Here, one after the other, and not by several servers that start at once.
  await (built = built.then(() => build(workers.filter((name) => config[name]))));
  const parent = join(local, "foreign");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(parent, "run-"));
  const file = join(folder, "config.json");
  const log = join(folder, "log");
  const whole = { state: relative(root, join(folder, "state")), ...config };
  writeFileSync(file, JSON.stringify(whole), { mode: 0o600 });
  later((failed) => {
    if (failed) console.log(`  what the servers said is in ${relative(root, log)}`);
    else rmSync(folder, { recursive: true, force: true });
  });
  return { config: whole, file, log, output: openSync(log, "w", 0o600) };
}

// Serves `config`; returns when all of it answers, with `stop`, which nobody needs to call, and the file `log`.
// Holds the server's stdin, so that it ends with us even when we are killed.
export async function serve(config) {
  const { file, log, output } = await prepare(config);
  const child = spawn("node", ["scripts/serve.mjs", file], { cwd: root, stdio: ["pipe", "pipe", output] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  later(stop);
  const ready = new Promise((resolve) => child.stdout.on("data", (said) => String(said).includes("ready") && resolve(true)));
  if (!await Promise.race([ready, ended.then(() => false)])) {
    throw new Error(`the servers did not start:\n${readFileSync(log, "utf8").slice(-1500)}`);
  }
  return { stop, log };
}

// The same in a process of our own, with what only startWorkerd can be told; returns that process and the file `log`.
export async function serveBare(config) {
  const { config: whole, log, output } = await prepare(config);
  const workerd = startWorkerd(whole, output);
  const ended = once(workerd, "exit");
  later(async () => {
    workerd.kill("SIGTERM");
    const late = sleep(2000, undefined, { ref: false }).then(() => workerd.kill("SIGKILL"));
    await Promise.race([ended, late]);
    await ended;
  });
  for (;;) {
    assert.equal(workerd.exitCode, null, "workerd ended");
    const asked = ["gateway", "idp", "origin"].filter((name) => whole[name]).map((name) => fetch(`http://127.0.0.1:${whole[name].port}/`, { redirect: "manual" }));
    const answers = await Promise.all(asked).catch(() => []);
    for (const answer of answers) await answer.arrayBuffer();
    if (answers.length && answers.every(({ status }) => status < 500)) return { log, workerd };
    await sleep(50);
  }
}
