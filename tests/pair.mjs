// The tests of the pair over HTTP: node tests/pair.mjs [mode ...] [-- what nextest is given].
//
// The same tests that run natively, against both Workers on workerd with the demo origin behind them: once for
// each place where sessions live, each time with ports of its own and a state folder that is removed afterwards.
// There the gateway reaches the issuer by a service binding; in a fourth run, of those tests that are about the
// two of them, by its address.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Fault, complain, environment, main, root } from "../scripts/paths.mjs";
import { postgres } from "../scripts/postgres.mjs";
import { database } from "./postgres.mjs";

// Each with what it needs besides the Workers: started on a port of its own, with the settings that name it.
const modes = {
  hybrid: nothing,
  durable: nothing,
  sealed: nothing,
  // Hybrid.
  address: nothing,
  async kv() {
    return { settings: {}, gateway: { kv: true }, stop() {} };
  },
  async postgres(port) {
    const { url, stop } = await database(port);
    return { settings: { DATABASE_URL: url }, stop };
  },
};
// What this machine lacks for a mode, if anything.
const lacks = (mode) => mode === "postgres" ? postgres().missing : undefined;

async function nothing() {
  return { settings: {}, stop() {} };
}

// Short, for here nobody can set the clock: src/pair.rs waits for as long. And all tests sign in as the same two people.
const changes = { idp: { ACCESS_TOKEN_SECONDS: 6 }, gateway: { FRESHNESS_SECONDS: 2, SESSIONS_PER_PERSON: 500 } };

async function run(name, more) {
  const byAddress = name === "address";
  const mode = byAddress ? "hybrid" : name;
  const folder = mkdtempSync(join(tmpdir(), "gatelatch-pair-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  try {
    const [idp, gateway, origin, second, other] = await freePorts(5);
    const store = await modes[name](other);
    const served = [];
    try {
      const config = configure(mode, { idp, gateway, origin }, second, join(folder, "state"), store);
      config.gateway.service_binding = !byAddress;
      const files = Object.entries({ pair: config, second: another(config, second, join(folder, "second")) }).map(([name, content]) => {
        const file = join(folder, `${name}.json`);
        writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
        return file;
      });
      for (const file of files) served.push(await serving(file));
      return await nextest(byAddress ? ["-E", "test(/::pa_/)", ...more] : more, {
        GATELATCH_ISSUER: `http://localhost:${idp}`,
        GATELATCH_GATEWAY: `http://localhost:${gateway}`,
        GATELATCH_SECOND: `http://127.0.0.1:${second}`,
        GATELATCH_MODE: mode,
      });
    } finally {
      await Promise.all(served.map((one) => one.stop()));
      await store.stop();
    }
  } finally {
    remove();
    process.off("exit", remove);
  }
}

// tests/configs/pair.json with other ports. The audience stays: it is a name, and the tests know it.
function configure(mode, ports, second, state, store) {
  const config = JSON.parse(readFileSync(join(import.meta.dirname, "configs/pair.json"), "utf8"));
  const [issuer, app, origin] = [ports.idp, ports.gateway, ports.origin].map((port) => `http://localhost:${port}`);
  config.state = relative(root, state);
  for (const name of Object.keys(ports)) config[name].port = ports[name];
  const { settings: idp } = config.idp;
  const { settings: gateway } = config.gateway;
  Object.assign(idp, { ISSUER: issuer, ...changes.idp });
  for (const client of idp.CLIENTS) {
    const base = client.client_id === "second" ? `http://127.0.0.1:${second}` : app;
    const moved = (uri) => base + new URL(uri).pathname;
    client.redirect_uris = client.redirect_uris.map(moved);
    client.post_logout_redirect_uris = client.post_logout_redirect_uris.map(moved);
    client.backchannel_logout_uri = moved(client.backchannel_logout_uri);
  }
  Object.assign(gateway, { ISSUER: issuer, PUBLIC_URL: app, SESSION_MODE: mode, REFRESH_TOKENS: "repeated", ...changes.gateway, ...store.settings });
  Object.assign(config.gateway, store.gateway);
  gateway.ROUTES = gateway.ROUTES.map((route) => ({ ...route, origin }));
  // Nobody listens there.
  gateway.ROUTES.unshift({ prefix: "/away", origin: "http://localhost:9", access: "signed-in" });
  return config;
}

// Another gateway of the same issuer, in a process of its own. A browser keeps its cookies apart by its other name.
function another({ gateway: { settings, kv } }, port, state) {
  const own = { PUBLIC_URL: `http://127.0.0.1:${port}`, CLIENT_ID: "second", SEALING_KEYS: "Z2F0ZWxhdGNoLWV4YW1wbGUtZ2F0ZXdheS10ZXN0LTI" };
  return { state: relative(root, state), gateway: { port, settings: { ...settings, ...own }, ...(kv && { kv }) } };
}

// Ports that nobody has. Somebody may take one before we do; then `serve` says so.
async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

// Runs scripts/serve.mjs until it says `ready`. It holds a pipe of ours, and ends with us however we end.
async function serving(file) {
  const child = spawn(process.execPath, [join(root, "scripts/serve.mjs"), file], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const ready = new Promise((resolve) => child.stdout.on("data", (data) => String(data).includes("ready") && resolve(true)));
  if (await Promise.race([ready, ended]) !== true) throw new Fault(`${file} was not served: see the messages above`);
  return { stop: () => (child.stdin.end(), ended) };
}

function nextest(more, variables) {
  const args = ["nextest", "run", "-p", "tests", "--test", "pair", ...more];
  const child = spawn("cargo", args, { cwd: root, env: { ...environment(), ...variables }, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}

if (main(import.meta)) {
  // What is served holds a pipe of ours and ends with us; `exit` removes the folder.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
  const given = process.argv.slice(2);
  const split = given.includes("--") ? given.indexOf("--") : given.length;
  const [asked, more] = [given.slice(0, split), given.slice(split + 1)];
  const known = Object.keys(modes);
  const unknown = asked.filter((mode) => !known.includes(mode));
  if (unknown.length) complain(new Fault(`no mode is called ${unknown.join(", ")}: there are ${known.join(", ")}`));
  try {
    const failed = [];
    for (const mode of asked.length ? asked : known) {
      console.error(`sessions: ${mode}`);
      if (lacks(mode)) {
        console.error(`NOT RUN: ${lacks(mode)}`);
        continue;
      }
      if (!await run(mode, more)) failed.push(mode);
    }
    if (failed.length) throw new Fault(`the tests failed with sessions: ${failed.join(", ")}`);
  } catch (fault) {
    complain(fault);
  }
}
