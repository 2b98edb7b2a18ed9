// Writes workerd's own configuration from ours, and starts workerd with it. No wrangler, no miniflare.
//
// Alarms and a restart: workerd keeps the alarms of a namespace beside its objects, so one that was set
// before a restart still comes; one that fell due meanwhile comes at the start.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { Fault, root, workerdBinary } from "./paths.mjs";

// Starts one process that serves everything the configuration names. `output` is where it says what. Three members of the
// gateway, which no file can set, are for tests: `cfHeader`, the header whose JSON is the request's `cf` object, `standIn`,
// the address of who stands in for the bindings LOGIN_LIMIT and ANALYTICS, and `trusted`, certificates of authorities (PEM).
export function startWorkerd({ state, idp, gateway, origin }, output = 2) {
  const folder = resolve(root, state);
  const [workers, extensions] = [[], []];
  if (idp) workers.push({ name: "idp", port: idp.port, members: rustWorker("idp", idp.settings, [], folder) });
  if (gateway) {
    const bindings = gateway.service_binding ? [`(name = "${bindingOf(gateway.settings, idp.settings)}", service = "idp")`] : [];
    if (gateway.kv) {
      bindings.push(`(name = "SESSIONS", kvNamespace = "kv")`);
      workers.push({ name: "kv", members: script("namespace.js", "tests/kv/namespace.js", folder) });
    }
    if (gateway.hyperdrive) {
      const { host, username, password, pathname } = new URL(gateway.hyperdrive);
      const [user, secret, database] = [username, password, pathname.slice(1)].map(decodeURIComponent);
      bindings.push(`(name = "HYPERDRIVE", hyperdrive = (designator = "hyperdrive", scheme = "postgresql", user = ${text(user)}, password = ${text(secret)}, database = ${text(database)}))`);
      workers.push({ name: "hyperdrive", external: `(address = ${text(host)}, tcp = ())` });
    }
    if (gateway.standIn) {
      workers.push({ name: "stand-in", external: `(address = ${text(gateway.standIn)}, http = ())` });
      extensions.push({ name: "stand-in:bindings", source: embed(folder, "tests/bindings.js") });
      for (const [name, made] of Object.entries({ LOGIN_LIMIT: "limit", ANALYTICS: "dataset" })) {
        bindings.push(`(name = "${name}", wrapped = (moduleName = "stand-in:bindings", entrypoint = "${made}", innerBindings = [(name = "at", service = "stand-in")]))`);
      }
    }
    const { port, settings, cfHeader } = gateway;
    workers.push({ name: "gateway", port, cfHeader, members: rustWorker("gateway", settings, bindings, folder) });
  }
  if (origin) workers.push({ name: "origin", port: origin.port, members: script("origin.js", "tests/demo/origin.js", folder) });
  return launch(folder, workers, output, { extensions, trusted: gateway?.trusted });
}

// What the gateway looks for when it wants the issuer: with several providers each has a binding of its own.
function bindingOf({ PROVIDERS: listed = [] }, { ISSUER: issuer }) {
  const ours = (typeof listed === "string" ? JSON.parse(listed) : listed).find((provider) => provider.issuer === issuer);
  return ours ? `PROVIDER_${ours.id.toUpperCase().replaceAll("-", "_")}` : "IDP";
}

// Starts workers, each with a name, the members of workerd's struct of that name, and a port if anybody but the others
// is to reach it; or, by `external`, names somebody else. `extensions` are modules that bindings are made of; who
// signed the certificates in `trusted` (PEM) is believed besides those whom browsers believe.
export function launch(state, workers, output = 2, { extensions = [], trusted = [] } = {}) {
  const storage = join(state, "durable-objects");
  mkdirSync(storage, { recursive: true, mode: 0o700 });
  chmodSync(state, 0o700);

  // The file holds secrets. Removed first: a mode is given to new files only.
  const file = join(state, "workerd.capnp");
  rmSync(file, { force: true });
  writeFileSync(file, workerdConfig(workers, storage, extensions, trusted), { mode: 0o600 });

  // What workers log goes to our stderr, unless told otherwise, also what workerd would write to stdout: that belongs to `ready`.
  return spawn(workerdBinary, ["serve", file], { cwd: state, stdio: ["ignore", output, output] });
}

function workerdConfig(workers, storage, extensions, trusted) {
  const certificates = trusted.length ? `, trustedCertificates = [${trusted.map(text).join(", ")}]` : "";
  const services = [
    `(name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true${certificates})))`,
    `(name = "storage", disk = (path = ${text(storage)}, writable = true))`,
    ...workers.map(({ name, members, external }) =>
      `(name = "${name}", ${external ? `external = ${external}` : `worker = (${members.join(",\n      ")})`})`),
  ];
  const sockets = workers.filter(({ port }) => port).map(({ name, port, cfHeader }) => {
    const http = cfHeader ? `cfBlobHeader = ${text(cfHeader)}` : "";
    return `(name = "${name}", address = "127.0.0.1:${port}", http = (${http}), service = "${name}")`;
  });

  const modules = extensions.map(({ name, source }) => `(name = "${name}", internal = true, esModule = ${source})`);

  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")}
  ],
  sockets = [
    ${sockets.join(",\n    ")}
  ],
  extensions = [${modules.length ? `(modules = [${modules.join(", ")}])` : ""}]
);
`;
}

// A Worker as worker-build leaves it, with what its wrangler.toml says of it.
function rustWorker(name, settings, bindings, state) {
  const declared = wranglerToml(name);
  const module = (file, kind) => `(name = "${file}", ${kind} = ${embed(state, `${name}/build/${file}`)})`;
  const namespaces = declared.objects.map(({ className }) =>
    `(className = "${className}", uniqueKey = "gatelatch-${name}-${className}", enableSql = true)`);
  return [
    `modules = [${module("index.js", "esModule")}, ${module("index_bg.wasm", "wasm")}]`,
    `compatibilityDate = "${declared.date}"`,
    `compatibilityFlags = [${declared.flags.map(text).join(", ")}]`,
    `bindings = [\n        ${[
      ...Object.entries(settings).map(([key, value]) =>
        `(name = ${text(key)}, text = ${text(typeof value === "string" ? value : JSON.stringify(value))})`),
      ...declared.objects.map(({ binding, className }) =>
        `(name = "${binding}", durableObjectNamespace = "${className}")`),
      ...bindings,
    ].join(",\n        ")}\n      ]`,
    `durableObjectNamespaces = [${namespaces.join(", ")}]`,
    `durableObjectStorage = (localDisk = "storage")`,
  ];
}

// A Worker that is one script and has no settings.
function script(name, path, state) {
  return [
    `modules = [(name = "${name}", esModule = ${embed(state, path)})]`,
    `compatibilityDate = "${wranglerToml("gateway").date}"`,
  ];
}

// What is deployed and what is served here have one description. Read with patterns and not with a TOML
// parser, so it is strict: a file that says it in another way is refused, not half understood.
function wranglerToml(name) {
  const path = `${name}/wrangler.toml`;
  const toml = readFileSync(join(root, path), "utf8");
  const [, date] = /^compatibility_date = "([\d-]+)"$/m.exec(toml) ?? [];
  const [, flags] = /^compatibility_flags = (\[.*\])$/m.exec(toml) ?? [];
  const objects = [...toml.matchAll(/^\[\[durable_objects\.bindings\]\]\nname = "(\w+)"\nclass_name = "(\w+)"$/gm)]
    .map(([, binding, className]) => ({ binding, className }));
  const mentioned = toml.match(/^\s*class_name\b/gm)?.length ?? 0;
  if (!date || !flags || objects.length === 0 || objects.length !== mentioned) {
    throw new Fault(`${path}: keep compatibility_date, compatibility_flags and [[durable_objects.bindings]] in the form they had`);
  }
  return { date, flags: JSON.parse(flags), objects };
}

// workerd reads the file itself; a path in its configuration is relative to that.
export function embed(state, path) {
  if (!existsSync(join(root, path))) throw new Fault(`${path} is missing: run make build`);
  return `embed ${text(relative(state, join(root, path)))}`;
}

// A string literal of Cap'n Proto: everything but plain ASCII goes in as the escaped bytes of its UTF-8.
export function text(value) {
  const bytes = [...Buffer.from(value, "utf8")].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`);
  return `"${bytes.join("")}"`;
}
