// PyPI's Authlib, unmodified: as a client of our issuer, and as a resource server. See python/client_authlib.py.
import { generateKeyPairSync } from "node:crypto";
import { subject } from "./checks.mjs";
import { key } from "./pair.mjs";
import { runPython } from "./python.mjs";

const audience = "https://api.wonderland.test";
// Reads the same whether or not it was form-encoded, and form-encoding would have changed it.
const awkward = `${key()} :/?#[]@!$&'()*,;="~`;
// What has to be encoded, by RFC 6749 §2.3.1, and what no header may hold.
const worse = `${awkward}+%2B%é€`;

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signing = {
  key: privateKey.export({ type: "pkcs8", format: "pem" }),
  jwks: { keys: [publicKey.export({ format: "jwk" })] },
  token_endpoint_auth_method: "private_key_jwt",
};

await subject("Authlib", () => runPython("client_authlib.py", {
  basic: { secret: awkward, audience },
  encoded: { secret: worse },
  base64: { secret: `${key()}a+b/c==` },
  post: { secret: worse, token_endpoint_auth_method: "client_secret_post" },
  public: { token_endpoint_auth_method: "none" },
  signing,
  rsa: { secret: key(), id_token_signed_response_alg: "RS256" },
}, { audience }));
