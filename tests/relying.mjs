// The certification plans for relying parties, put to the gateway on workerd, and what else an issuer may do wrong:
// node tests/relying.mjs [NAME...]. The issuer is tests/relying/issuer.mjs.
import { join } from "node:path";
import { inTurn } from "./in-turn.mjs";

// Those that wait for expiries, side by side with others.
const all = [
  ["basic", "config", "refresh-token", "logout", "back-channel"],
  ["tokens", "callback", "renewals"],
  ["answers", "odd", "published"],
];
await inTurn(join(import.meta.dirname, "relying"), all, process.argv.slice(2), "the gateway believes nothing that is wrong");
