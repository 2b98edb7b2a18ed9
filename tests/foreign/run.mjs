// Other people's software against ours, one after the other: node tests/foreign/run.mjs [NAME...]
import { inTurn } from "../in-turn.mjs";

// The last two wait for expiries nearly all of their time.
const all = [
  "openid-client", "registration", "oauth4webapi", "token-exchange", "dpop", "bearer", "upstream", "oidc-client-ts", "openidconnect",
  "oauth2", "authlib", "requests-oauthlib", "own-keys", "bound",
  ["mod_auth_openidc", "oidc-provider"],
];
await inTurn(import.meta.dirname, all, process.argv.slice(2), "all of them agree with us");
