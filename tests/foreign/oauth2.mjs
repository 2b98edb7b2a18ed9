// The oauth2 crate, unmodified, against our issuer: see rust/src/bin/oauth2.rs.
import { build, run } from "./cargo.mjs";
import { subject } from "./checks.mjs";
import { alice, key, ourIssuer, secretDigest } from "./pair.mjs";
import { redirectUri } from "./sign-in.mjs";

await subject("oauth2", async () => {
  await build("oauth2");

  const secret = key();
  const registered = (client_id, token_endpoint_auth_method, more) => ({
    client_id,
    token_endpoint_auth_method,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    ...(token_endpoint_auth_method !== "none" && { client_secret_sha256: secretDigest(secret) }),
    ...more,
  });
  // What RFC 6749 has a client encode before it goes into the header.
  const basic = "basic:100%+/rust";
  const issuer = await ourIssuer([
    registered(basic, "client_secret_basic"),
    registered("post", "client_secret_post"),
    registered("public", "none"),
    registered("once", "client_secret_basic", { grant_types: ["authorization_code"] }),
  ]);
  await run("oauth2", {
    ISSUER: issuer, CLIENT_SECRET: secret, REDIRECT_URI: redirectUri, USERNAME: alice.username, PASSWORD: alice.password,
    BASIC_CLIENT: basic, POST_CLIENT: "post", PUBLIC_CLIENT: "public", ONCE_CLIENT: "once",
  });
});
