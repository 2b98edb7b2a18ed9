// Checks settings as the Workers would read them, and serves nothing: node scripts/check-config.mjs CONFIG for what
// `make serve` takes, --env idp or --env gateway for the variables of this process. Names every problem in one go.
import { spawnSync } from "node:child_process";
import { fromEnvironment, readShape } from "./config.mjs";
import { Fault, complain, environment, main, root } from "./paths.mjs";

// The problems, in words.
export function check(config) {
  const cargo = ["run", "--quiet", "--locked", "-p", "check-config"];
  const { status, stdout, error } = spawnSync("cargo", cargo, {
    cwd: root, env: environment(), input: JSON.stringify(bound(config)), encoding: "utf8", stdio: ["pipe", "pipe", "inherit"],
  });
  const problems = (stdout ?? "").split("\n").filter(Boolean);
  // Without a word it is not the settings that are wrong.
  if (error || (status !== 0 && !problems.length)) throw new Fault("the settings could not be checked: see the messages above");
  return problems;
}

// What is bound stands among the settings, as the Worker finds it.
function bound(config) {
  const { kv, hyperdrive, settings } = config.gateway ?? {};
  const found = { ...(kv && { SESSIONS: "{}" }), ...(hyperdrive && { DATABASE_URL: hyperdrive }) };
  return settings ? { ...config, gateway: { ...config.gateway, settings: { ...settings, ...found } } } : config;
}

if (main(import.meta)) {
  try {
    const [what, worker] = process.argv.slice(2);
    if (!what || (what === "--env" && !worker)) throw new Fault("say what to check: node scripts/check-config.mjs CONFIG, or --env idp");
    const name = what === "--env" ? worker : what;
    const { config, problems } = what === "--env" ? { config: fromEnvironment(worker), problems: [] } : readShape(what);
    problems.push(...check(config));
    if (problems.length) throw new Fault(problems.map((problem) => `${name}: ${problem}`).join("\n"));
    console.log(`${name}: no mistakes`);
  } catch (fault) {
    complain(fault);
  }
}
