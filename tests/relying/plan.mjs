// One of the certification plans for relying parties: its modules by their official names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { subject } from "../foreign/checks.mjs";

// Runs `body` with `module(name, sentence, check)`. docs/conformance.md has to say of each module that it passed, and of
// no other module of the plan.
export function plan(name, body) {
  return subject(`${name}, on workerd`, async (it) => {
    const tested = new Set();
    await body((module, sentence, check) => {
      tested.add(module);
      return it(`${module}: ${sentence}`, check);
    });
    await it("docs/conformance.md lists these modules as passed, and no others", () => {
      const rows = rowsOf(name);
      for (const [module, said] of rows) assert.match(said, /^(passed|not applicable)(: |$)/, module);
      const passed = rows.filter(([, said]) => said.startsWith("passed")).map(([module]) => module);
      assert.deepEqual(passed.sort(), [...tested].sort());
    });
  });
}

// The rows under the plan's heading.
function rowsOf(name) {
  const page = readFileSync(join(root, "docs/conformance.md"), "utf8");
  const [, section = ""] = page.split(`\n### ${name}\n`);
  const [own] = section.split(/\n##/);
  return [...own.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, module, said]) => [module, said]);
}
