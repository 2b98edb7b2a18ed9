// Runs one of the programs in python/ against our issuer. They say their sentences themselves.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { python } from "../../scripts/python.mjs";
import { later } from "./checks.mjs";
import { account, alice, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri } from "./sign-in.mjs";

const longest = 300_000;

// `clients` maps each client's id to its secret, to the key it signs with, or to neither, and to what else it is
// registered with.
export async function runPython(program, clients, more = {}) {
  const { command, env } = python();
  const issuer = await ourIssuer(Object.entries(clients).map(([client_id, { secret, key, ...registered }]) => ({
    client_id,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    ...(secret && { client_secret_sha256: secretDigest(secret) }),
    ...registered,
  })));

  const { password, ...claims } = account;
  delete claims.username;
  const given = {
    issuer, redirect_uri: redirectUri, ...alice, claims,
    secrets: Object.fromEntries(Object.entries(clients).map(([id, { secret, key }]) => [id, secret ?? key ?? null])),
    ...more,
  };
  const child = spawn(command, [join(import.meta.dirname, "python", program)], {
    env: { ...env, GIVEN: JSON.stringify(given), NO_PROXY: "localhost", no_proxy: "localhost" },
    stdio: ["ignore", "inherit", "inherit"], timeout: longest,
  });
  later(() => child.kill());
  const [code, signal] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program}: ${signal ?? `exit code ${code}`}`);
}
