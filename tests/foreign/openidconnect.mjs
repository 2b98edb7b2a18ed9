// The openidconnect crate, unmodified, against our issuer: see openidconnect/src/main.rs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { environment, root } from "../../scripts/paths.mjs";
import { later, subject } from "./checks.mjs";
import { alice, key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri } from "./sign-in.mjs";

await subject("openidconnect", async () => {
  await cargo(["build", "--locked", "--quiet", "-p", "foreign-openidconnect"]);

  const secret = key();
  const issuer = await ourIssuer([{
    client_id: "rust",
    client_secret_sha256: secretDigest(secret),
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
  }]);
  await cargo(["run", "--locked", "--quiet", "-p", "foreign-openidconnect"], {
    ISSUER: issuer, CLIENT_ID: "rust", CLIENT_SECRET: secret, REDIRECT_URI: redirectUri,
    USERNAME: alice.username, PASSWORD: alice.password,
  });
});

async function cargo(args, variables = {}) {
  const child = spawn("cargo", args, { cwd: root, env: { ...environment(), ...variables }, stdio: ["ignore", "inherit", "inherit"] });
  later(() => child.kill());
  const [code, signal] = await once(child, "exit");
  if (code !== 0) throw new Error(`cargo ${args.join(" ")}: ${signal ?? `exit code ${code}`}`);
}
