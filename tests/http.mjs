// The issuer's tests once more, over HTTP: serves tests/configs/issuer.json on workerd, on a free port and with
// fresh storage, and points `cargo nextest` at it. Arguments go to nextest: node tests/http.mjs -E 'test(/^rt_/)'.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { Fault, environment, local, root } from "../scripts/paths.mjs";
import { listen } from "./listener.mjs";

// Tests of one run share an issuer and its people, and a handful of them at a time is what a brake on guessing allows.
const threads = "4";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Serves the keys of the client that has registered where they are: they are those of the one that registered them.
async function publish(clients) {
  const [here, afar] = ["c5", "afar"].map((id) => clients.find(({ client_id }) => client_id === id));
  const keys = JSON.stringify(here.jwks);
  const server = createHttpServer((_, answer) => answer.setHeader("content-type", "application/json").end(keys));
  await once(server.listen(0, "127.0.0.1"), "listening");
  server.unref();
  afar.jwks_uri = `http://127.0.0.1:${server.address().port}/jwks`;
}

// The file as it stands, but for where it listens and stores, where a client's keys are, and where its clients listen.
async function configuration(folder, listener) {
  const config = JSON.parse(readFileSync(join(root, "tests/configs/issuer.json"), "utf8"));
  config.state = relative(root, join(folder, "state"));
  config.idp.port = await freePort();
  config.idp.settings.ISSUER = `http://localhost:${config.idp.port}`;
  await publish(config.idp.settings.CLIENTS);
  for (const client of config.idp.settings.CLIENTS) {
    const { backchannel_logout_uri: told } = client;
    if (told) client.backchannel_logout_uri = new URL(new URL(told).pathname, listener.url).href;
  }
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return { file, issuer: config.idp.settings.ISSUER };
}

// Its stdin is our life line: it ends when we do.
async function serve(file) {
  const server = spawn("node", ["scripts/serve.mjs", file], { cwd: root, stdio: ["pipe", "pipe", 2] });
  const ended = once(server, "exit");
  const ready = (async () => {
    for await (const line of createInterface({ input: server.stdout })) if (line === "ready") return;
    throw new Fault("the issuer was not served: see its messages above");
  })();
  await ready;
  return async () => {
    server.kill("SIGTERM");
    await ended;
  };
}

async function test(issuer, listener) {
  const args = ["nextest", "run", "-p", "tests", "--test", "conformance", "--test", "attacks", "--test-threads", threads];
  const env = { ...environment(), GATELATCH_ISSUER: issuer, GATELATCH_LISTENER: listener.url };
  const nextest = spawn("cargo", [...args, ...process.argv.slice(2)], { cwd: root, env, stdio: "inherit" });
  // Asked to end, we end what we started, and then clean up.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => nextest.kill(signal));
  const [code] = await once(nextest, "exit");
  return code ?? 1;
}

const folder = join(local, `test-http-${process.pid}`);
const listener = await listen();
let stop = async () => {};
try {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { file, issuer } = await configuration(folder, listener);
  stop = await serve(file);
  process.exitCode = await test(issuer, listener);
} catch (fault) {
  process.exitCode = 1;
  if (!(fault instanceof Fault)) throw fault;
  console.error(fault.message);
} finally {
  await stop();
  listener.close();
  rmSync(folder, { recursive: true, force: true });
}
