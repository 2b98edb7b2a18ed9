// Other people's software against ours, one after the other: node tests/foreign/run.mjs [NAME...]
import { inTurn } from "../in-turn.mjs";

const all = ["openid-client", "oauth4webapi", "openidconnect", "oidc-provider"];
await inTurn(import.meta.dirname, all, process.argv.slice(2), "all of them agree with us");
