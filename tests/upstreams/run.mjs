// Signing in with every kind of upstream over HTTP, on workerd, what becomes of it when theirs goes wrong, and what happens
// afterwards: node tests/upstreams/run.mjs [cells] [caches] [told] [out] [again]. Who they are is played by stand-ins
// (tests/stand-in) on a port of their own.
import assert from "node:assert/strict";
import { Fault, complain } from "../../scripts/paths.mjs";
import { subject } from "../foreign/checks.mjs";
import * as again from "./asking-again.mjs";
import * as caches from "./caches.mjs";
import * as cells from "./cells.mjs";
import * as plain from "./signing-in.mjs";
import * as out from "./signing-out.mjs";
import * as told from "./told.mjs";
import { world } from "./world.mjs";

const walks = {
  cells: cells.goingWrong, caches: caches.remembering, told: told.beingTold, out: out.signingOut, again: again.askingAgain,
};
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in walks));
if (unknown.length) complain(new Fault(`nothing is called ${unknown.join(", ")}: there are ${Object.keys(walks).join(", ")}`));

await subject("upstreams of every kind, on workerd", async (it) => {
  const here = await world([plain, cells, caches, told, out, again].flatMap(({ upstreams }) => upstreams));
  await plain.signingIn(it, here);
  // Instances know nothing of each other, so all of them go wrong at the same time; what waits, waits together.
  await Promise.all((asked.length ? asked : Object.keys(walks)).map((name) => walks[name](it, here)));
  await it("and each of them signs alice in as before", async () => {
    for (const at of plain.upstreams) assert.ok((await here.arrive(await here.attempt(at))).sub, at.id);
  });
});
