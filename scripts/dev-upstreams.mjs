// Whom people may sign in with at `make dev` besides the demo account: the providers whose names and secrets stand in
// .dev.vars, or else stand-ins.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, root } from "./paths.mjs";
import { client, standIns } from "./stand-in.mjs";

const vars = ".dev.vars";

// What an entry of UPSTREAMS takes from which line. What stands under `may` need not be there.
const providers = [
  { id: "github", needs: { client_id: "GITHUB_CLIENT_ID" }, secret: "GITHUB_CLIENT_SECRET" },
  { id: "auth0", needs: { domain: "AUTH0_DOMAIN", client_id: "AUTH0_CLIENT_ID" }, secret: "AUTH0_CLIENT_SECRET" },
  { id: "workos", provider: "authkit", needs: { client_id: "WORKOS_CLIENT_ID" }, may: { issuer: "WORKOS_ISSUER" }, secret: "WORKOS_API_KEY" },
  { id: "google", needs: { client_id: "GOOGLE_CLIENT_ID" }, may: { hosted_domain: "GOOGLE_HOSTED_DOMAIN" }, secret: "GOOGLE_CLIENT_SECRET" },
  { id: "entra", needs: { tenant: "ENTRA_TENANT", client_id: "ENTRA_CLIENT_ID" }, secret: "ENTRA_CLIENT_SECRET" },
  {
    id: "openid", needs: { issuer: "OPENID_ISSUER", client_id: "OPENID_CLIENT_ID" }, may: { label: "OPENID_LABEL" },
    secret: "OPENID_CLIENT_SECRET",
  },
];

// Adds them to the settings of the issuer, unless those name some, or none, themselves. Answers with lines to print.
export async function addUpstreams(settings, standInPort) {
  if ("UPSTREAMS" in settings) return [];
  const found = real();
  if (found.length) {
    add(settings, found);
    return [`Upstreams of ${vars}; the callback to register at each:`, ...found.map(({ entry }) =>
      `  ${entry.id.padEnd(8)} ${settings.ISSUER}/sign-in/callback/${entry.id}`)];
  }
  console.error("starting the stand-ins for identity providers; the first time cargo compiles them");
  const { url } = await standIns(standInPort);
  add(settings, pretended(url));
  return [
    `GitHub and Acme are stand-ins at ${url}, where nobody needs an account; alice@alpha.test leads to a third.`,
    `Put your own application at GitHub, Auth0 or WorkOS into ${vars}, and they are offered instead: docs/upstreams/README.md`,
  ];
}

function add(settings, upstreams) {
  settings.UPSTREAMS = upstreams.map(({ entry }) => entry);
  for (const { entry, secret } of upstreams) settings[`UPSTREAM_${entry.id.toUpperCase()}_SECRET`] = secret;
}

const pretended = (url) => [
  { id: "github", provider: "github", label: "GitHub (stand-in)", base: `${url}/github/dev` },
  { id: "acme", provider: "openid", label: "Acme (stand-in)", issuer: `${url}/generic/acme` },
  { id: "alpha", provider: "auth0", label: "Alpha (stand-in for Auth0)", base: `${url}/auth0/alpha`, domains: ["alpha.test"] },
].map((entry) => ({ entry: { ...entry, client_id: client.id }, secret: client.secret }));

function real() {
  const lines = read();
  const known = providers.flatMap(({ needs, may, secret }) => [...Object.values(needs), ...Object.values(may ?? {}), secret]);
  const problems = Object.keys(lines).filter((name) => !known.includes(name))
    .map((name) => `${name} is an unknown name: the names here are ${known.join(", ")}`);
  const taken = (members = {}) => Object.entries(members).filter(([, name]) => lines[name]).map(([member, name]) => [member, lines[name]]);
  const found = providers.flatMap(({ id, provider = id, needs, may, secret }) => {
    const names = [...Object.values(needs), secret];
    const missing = names.filter((name) => !lines[name]);
    const mentioned = names.length > missing.length || taken(may).length;
    if (!mentioned) return [];
    problems.push(...missing.map((name) => `${name} is missing: ${id} needs ${names.join(", ")}`));
    return [{ entry: { id, provider, ...Object.fromEntries([...taken(needs), ...taken(may)]) }, secret: lines[secret] }];
  });
  if (problems.length) throw new Fault(problems.map((problem) => `${vars}: ${problem}`).join("\n"));
  return found;
}

// Lines of NAME=value, as wrangler writes them; quotes around a value need not be there.
function read() {
  const file = join(root, vars);
  if (!existsSync(file)) return {};
  const lines = readFileSync(file, "utf8").split("\n").map((line, index) => [line.trim(), index + 1]);
  return Object.fromEntries(lines.filter(([line]) => line && !line.startsWith("#")).map(([line, number]) => {
    const [, name, value] = /^([A-Z0-9_]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (!name) throw new Fault(`${vars}: line ${number} is not of the form NAME=value`);
    return [name, value.replace(/^(["'])(.*)\1$/, "$2")];
  }));
}
