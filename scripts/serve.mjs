// Serves what one file describes: node scripts/serve.mjs CONFIG. Says `ready` on stdout when everything answers.
import { once } from "node:events";
import { fstatSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { build, workers } from "./build.mjs";
import { readConfig } from "./config.mjs";
import { Fault, complain, main } from "./paths.mjs";
import { startWorkerd } from "./workerd.mjs";

// A path of each that asks nobody else: only a Worker that refuses its configuration answers 5xx there.
const probes = { idp: "/.well-known/openid-configuration", gateway: "/auth/ready", origin: "/status/200" };

async function serve(file, options) {
  return serveConfig(await readConfig(file), options);
}

// Returns once everything answers, with `ended`: the promise of an exit code.
export async function serveConfig(config, { withParent = false } = {}) {
  await build(workers.filter((name) => config[name]));

  const workerd = startWorkerd(config);
  const ended = endOf(workerd, withParent);
  const answers = Object.keys(probes).filter((name) => config[name]).map((name) => answering(name, config[name].port, workerd));
  try {
    await Promise.all(answers);
  } catch (fault) {
    stop(workerd);
    // Asked to stop while starting is no fault.
    if (await ended === 0) process.exit(0);
    throw fault;
  }
  return { config, ended };
}

// 0 when we were asked to stop, 1 when workerd ended by itself.
async function endOf(workerd, withParent) {
  let asked = false;
  const end = () => {
    asked = true;
    stop(workerd);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
  process.on("exit", () => workerd.kill("SIGKILL"));

  // A parent that holds our stdin as a pipe and dies, even by SIGKILL, takes us along. A terminal, a file or
  // /dev/null is nobody's life line.
  const stdin = fstatSync(0, { throwIfNoEntry: false });
  if (withParent && (stdin?.isFIFO() || stdin?.isSocket())) process.stdin.on("close", end).on("error", end).resume();

  const [, signal] = await once(workerd, "exit");
  // Ctrl-C reaches workerd too, perhaps before us.
  return asked || signal === "SIGINT" ? 0 : 1;
}

// Lets requests in flight end, but not for long: an event stream never does.
function stop(workerd) {
  if (workerd.exitCode !== null || workerd.signalCode !== null) return;
  workerd.kill("SIGTERM");
  setTimeout(() => workerd.kill("SIGKILL"), 1000).unref();
}

// Waits for an answer below 500. One of 500 or more gets two seconds to change its mind.
async function answering(name, port, workerd) {
  const started = Date.now();
  let refusedSince;
  for (;;) {
    if (workerd.exitCode !== null || workerd.signalCode !== null) throw new Fault("workerd ended: see its messages above");
    const answer = await ask(port, probes[name]);
    if (answer && answer.status < 500) return;
    if (answer) refusedSince ??= Date.now();
    if (answer && Date.now() - refusedSince > 2000) throw new Fault(`${name} answers ${answer.status}:\n${answer.body.trim()}`);
    if (Date.now() - started > 30_000) throw new Fault(`${name} does not answer on port ${port} for 30 s`);
    await sleep(50);
  }
}

async function ask(port, path) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", signal: AbortSignal.timeout(5000) });
    return { status: answer.status, body: await answer.text() };
  } catch {
    return null;
  }
}

if (main(import.meta)) {
  const [file] = process.argv.slice(2);
  if (!file) complain(new Fault("say which file: node scripts/serve.mjs CONFIG"));
  const { ended } = await serve(file, { withParent: true }).catch(complain);
  console.log("ready");
  process.exit(await ended);
}
