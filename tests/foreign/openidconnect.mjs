// The openidconnect crate, unmodified, against our issuer: see rust/src/bin/openidconnect.rs.
import { build, run } from "./cargo.mjs";
import { subject } from "./checks.mjs";
import { alice, key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri } from "./sign-in.mjs";

await subject("openidconnect", async () => {
  await build("openidconnect");

  const secret = key();
  const issuer = await ourIssuer([{
    client_id: "rust",
    client_secret_sha256: secretDigest(secret),
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
  }]);
  await run("openidconnect", {
    ISSUER: issuer, CLIENT_ID: "rust", CLIENT_SECRET: secret, REDIRECT_URI: redirectUri,
    USERNAME: alice.username, PASSWORD: alice.password,
  });
});
