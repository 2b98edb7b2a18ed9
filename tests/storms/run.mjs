// Storms and kills against both Workers on workerd: node tests/storms/run.mjs [NAME...] [--full]
// `--full` makes more rounds and more kills; what happens in each of them is the same.
import { inTurn } from "../in-turn.mjs";

// The figures of a full run are of one at a time; `lost` waits nearly all of its time.
const full = process.argv.includes("--full");
const all = full
  ? ["refresh", "sealed", "many", "logout", "isolation", "deaths", "database", ["families", "lost"], "codes", "devices", "kills"]
  : ["refresh", ["codes", "lost", "kills"], ["families", "devices", "database"], ["many", "sealed", "logout"], "isolation", "deaths"];
await inTurn(import.meta.dirname, all, process.argv.slice(2), "nothing was lost, and nothing came twice");
