// PyPI's requests-oauthlib, unmodified, as a client of our issuer. See python/client_requests_oauthlib.py.
import { subject } from "./checks.mjs";
import { key } from "./pair.mjs";
import { runPython } from "./python.mjs";

await subject("requests-oauthlib", () => runPython("client_requests_oauthlib.py", {
  basic: { secret: `${key()} :/?#[]@!$&'()*,;="~` },
  encoded: { secret: `${key()}+%2B%é€` },
  post: { secret: `${key()} +%2B%&=é€`, token_endpoint_auth_method: "client_secret_post" },
  public: { token_endpoint_auth_method: "none" },
  narrow: { secret: key(), scope: "openid email" },
}));
