// Reads the file that says what `make serve` runs, and names everything that is wrong with it in one go.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Fault } from "./paths.mjs";

// The names that are ours. Their values are the Workers' business: they refuse what they don't understand.
const settings = {
  idp: [
    "ISSUER", "SEALING_KEYS", "SIGNING_KEYS", "DROPPED_KEYS", "PAIRWISE_SECRET", "SCOPES", "CLAIMS", "CLIENTS", "INITIAL_ACCESS_TOKENS", "ADMINS", "ACCOUNTS", "DISABLED_ACCOUNTS", "UPSTREAMS",
    "ACCESS_TOKEN_SECONDS", "ID_TOKEN_SECONDS", "CODE_SECONDS", "REFRESH_IDLE_SECONDS",
    "REFRESH_ABSOLUTE_SECONDS", "SESSION_IDLE_SECONDS", "SESSION_ABSOLUTE_SECONDS", "KEY_ROTATION_SECONDS",
  ],
  gateway: [
    "PUBLIC_URL", "ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_AUTH", "SIGNING_KEYS", "PAR", "SCOPE", "RESOURCE", "ROUTES", "SESSION_MODE", "DATABASE_URL",
    "SEALING_KEYS", "SESSION_IDLE_SECONDS", "SESSION_ABSOLUTE_SECONDS", "FRESHNESS_SECONDS", "SESSIONS_PER_PERSON",
    "EXPLAIN_TOKEN_SHA256", "REQUEST_LOG", "SERVER_TIMING", "TRUSTED_ORIGINS", "REFRESH_TOKENS", "FOLLOW_REGION", "HSTS_SECONDS", "PROVIDERS",
    "TURNSTILE_SITE_KEY", "TURNSTILE_SECRET", "TURNSTILE_CLEARANCE_SECONDS", "TURNSTILE_SITEVERIFY_URL",
  ],
};
// Each of the issuer's upstreams, and of the gateway's providers, has one of its own.
const secrets = { idp: "UPSTREAM", gateway: "PROVIDER" };
const isSecretOf = (worker, name) => new RegExp(`^${secrets[worker]}_[A-Z0-9_]+_SECRET$`).test(name);
const members = {
  idp: ["port", "settings"],
  gateway: ["port", "settings", "service_binding", "kv", "hyperdrive"],
  origin: ["port"],
};

export async function readConfig(file) {
  const { config, problems } = readShape(file);
  if (isObject(config)) problems.push(...await busy(config));
  if (problems.length) throw new Fault(problems.map((problem) => `${file}: ${problem}`).join("\n"));
  return config;
}

// What the file says, and what is wrong with its shape. What the settings say is the Workers' business.
export function readShape(file) {
  let config;
  try {
    config = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Fault(error.code === "ENOENT" ? `${file}: there is no such file` : `${file} can't be read: ${error.message}`);
  }
  return { config, problems: isObject(config) ? [...shape(config)] : ["the file holds one JSON object"] };
}

// The settings of a Worker as variables of this process, as in a deployment.
export function fromEnvironment(worker) {
  if (!settings[worker]) throw new Fault(`no Worker is called ${worker}: there are ${Object.keys(settings).join(" and ")}`);
  const named = Object.keys(process.env).filter((name) => settings[worker].includes(name) || isSecretOf(worker, name));
  const found = named.filter((name) => process.env[name]).map((name) => [name, process.env[name]]);
  return { [worker]: { settings: Object.fromEntries(found) } };
}

function* shape(config) {
  yield* unknown(Object.keys(config), ["state", ...Object.keys(members)], "", "member");
  if (typeof config.state !== "string" || config.state === "") {
    yield `"state" is missing: name a folder, such as ".gatelatch/pair"`;
  }
  const served = Object.keys(members).filter((name) => name in config);
  if (served.length === 0) yield `there is nothing to serve: add "idp", "gateway" or "origin"`;

  const taken = new Map();
  for (const name of served) {
    const part = config[name];
    if (!isObject(part)) {
      yield `"${name}" must be an object`;
      continue;
    }
    yield* unknown(Object.keys(part), members[name], `${name}.`, "member");
    yield* port(name, part.port, taken);
    if (settings[name]) yield* settingsOf(name, part.settings);
  }

  const binding = config.gateway?.service_binding;
  for (const name of ["service_binding", "kv"]) {
    const given = config.gateway?.[name];
    if (given !== undefined && typeof given !== "boolean") yield `"gateway.${name}" must be true or false`;
  }
  const hyperdrive = config.gateway?.hyperdrive;
  if (hyperdrive !== undefined && !(typeof hyperdrive === "string" && URL.canParse(hyperdrive))) {
    yield `"gateway.hyperdrive" must be the URL of a database`;
  }
  if (binding === true && !config.idp) yield `"gateway.service_binding" needs "idp" in the same file: add it, or say false`;
}

function* port(name, value, taken) {
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    yield `"${name}.port" must be a number from 1 to 65535, not ${JSON.stringify(value) ?? "left out"}`;
  } else if (taken.has(value)) {
    yield `"${name}.port" is ${value}, as is "${taken.get(value)}.port": give each its own`;
  } else {
    taken.set(value, name);
  }
}

function* settingsOf(name, value) {
  if (!isObject(value)) {
    yield `"${name}.settings" must be an object`;
    return;
  }
  const named = Object.keys(value).filter((setting) => !isSecretOf(name, setting));
  const known = [...settings[name], `${secrets[name]}_ID_SECRET`];
  yield* unknown(named, known, `${name}.settings.`, "setting");
  for (const [key, setting] of Object.entries(value)) {
    if (setting === null) yield `"${name}.settings.${key}" is null: leave it out instead`;
  }
}

function* unknown(present, known, prefix, kind) {
  for (const key of present.filter((key) => !known.includes(key))) {
    yield `"${prefix}${key}" is an unknown ${kind}: the ${kind}s here are ${known.join(", ")}`;
  }
}

async function busy(config) {
  const asked = Object.keys(members).map(async (name) => {
    const port = config[name]?.port;
    const validPort = Number.isInteger(port) && port >= 1 && port <= 65535;
    const fault = validPort && await new Promise((resolve) => {
      const server = createServer();
      server.once("error", ({ code }) => resolve(code));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(null)));
    });
    if (fault === "EADDRINUSE") return [`port ${port} (${name}) is busy: stop what listens there, or choose another`];
    return fault ? [`port ${port} (${name}) can't be opened: ${fault}`] : [];
  });
  return (await Promise.all(asked)).flat();
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
