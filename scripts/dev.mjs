// `make dev`: the pair, a demo origin behind it, and somebody to sign in as.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { readConfig } from "./config.mjs";
import { addUpstreams } from "./dev-upstreams.mjs";
import { Fault, complain, local, root } from "./paths.mjs";
import { serveConfig } from "./serve.mjs";

const username = "alice";
// The argon2id hash of "wonderland" (m=19456, t=2, p=1): a demo account on this machine, so it may be known.
const password = "$argon2id$v=19$m=19456,t=2,p=1$wrkJiB1TXwJn8BOgKm4DHQ$DcldRnbev4SrAfumQnHf4JANi2i4H6kmfFL4fSyHN8o";

const usual = { idp: 8787, gateway: 8788, origin: 8789 };
const ports = {
  idp: port("IDP_PORT", usual.idp),
  gateway: port("GATEWAY_PORT", usual.gateway),
  origin: port("ORIGIN_PORT", usual.origin),
};
// It stands in the name of everybody who has signed in with a stand-in, so it stays the same.
const standInPort = port("STAND_IN_PORT", 8790);

function port(variable, usually) {
  const value = process.env[variable] || String(usually);
  if (!/^\d{1,5}$/.test(value)) complain(new Fault(`${variable} must be a port number, not ${value}`));
  return Number(value);
}

// Other ports are another deployment: another issuer, with its own keys, accounts and sessions.
const places = Object.values(ports).join("-");
const folder = join(local, places === Object.values(usual).join("-") ? "dev" : `dev-${places}`);
const file = join(folder, "config.json");

function firstConfig() {
  const [issuer, app, origin] = [ports.idp, ports.gateway, ports.origin].map((port) => `http://localhost:${port}`);
  const secret = randomBytes(32).toString("base64url");
  const key = () => randomBytes(32).toString("base64url");
  return {
    state: relative(root, join(folder, "state")),
    idp: {
      port: ports.idp,
      settings: {
        ISSUER: issuer,
        SEALING_KEYS: key(),
        CLIENTS: [{
          client_id: "gateway",
          client_name: "Gatelatch demo",
          client_secret_sha256: createHash("sha256").update(secret).digest("base64url"),
          token_endpoint_auth_method: "client_secret_basic",
          grant_types: ["authorization_code", "refresh_token"],
          redirect_uris: [`${app}/auth/callback`],
          post_logout_redirect_uris: [`${app}/`],
          backchannel_logout_uri: `${app}/auth/backchannel-logout`,
          audience: origin,
        }],
        ACCOUNTS: [{
          username, password, name: "Alice Liddell", given_name: "Alice", family_name: "Liddell",
          preferred_username: username, email: "alice@example.com", email_verified: true, locale: "en-GB",
        }],
      },
    },
    gateway: {
      port: ports.gateway,
      settings: {
        PUBLIC_URL: app,
        ISSUER: issuer,
        CLIENT_ID: "gateway",
        CLIENT_SECRET: secret,
        SEALING_KEYS: key(),
        ROUTES: [
          { prefix: "/public", origin, access: "public" },
          { prefix: "/api", origin, access: "api" },
          { prefix: "/", origin, access: "signed-in" },
        ],
      },
      service_binding: true,
    },
    origin: { port: ports.origin },
  };
}

// Made once and then kept: new keys would end every session, and the file is there to be changed.
if (!existsSync(file)) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(firstConfig(), null, 2) + "\n", { mode: 0o600 });
}

async function start() {
  const config = await readConfig(file);
  const upstreams = config.idp ? await addUpstreams(config.idp.settings, standInPort) : [];
  return { ...await serveConfig(config), upstreams };
}

const { ended, upstreams } = await start().catch(complain);
console.log(`
  http://localhost:${ports.gateway}/          sign in as alice, password wonderland
  http://localhost:${ports.gateway}/public    for everybody
  http://localhost:${ports.gateway}/api/me    401 until you are signed in
  http://localhost:${ports.idp}/.well-known/openid-configuration
${upstreams.map((line) => `\n  ${line}`).join("")}${upstreams.length ? "\n" : ""}
  Settings: ${relative(root, file)}. Ctrl-C stops everything.
`);
process.exit(await ended);
