// The rows of the issuer's objects, in SQLite as workerd has it: node tests/rows.mjs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embed, launch } from "../scripts/workerd.mjs";
import { figure, later, subject } from "./foreign/checks.mjs";
import { freePorts } from "./foreign/pair.mjs";
import { running } from "./bench/processes.mjs";

// As idp/src/edge/rows.rs has it.
const everySweep = 16;

await subject("rows", async (it) => {
  const state = mkdtempSync(join(tmpdir(), "gatelatch-rows-"));
  later(() => rmSync(state, { recursive: true, force: true }));
  const [port] = await freePorts(1);
  const module = (name, path) => `(name = "${name}", esModule = ${embed(state, path)})`;
  await running(() => launch(state, [{
    name: "rows",
    port,
    members: [
      `modules = [${module("worker.js", "tests/rows/worker.js")}, ${module("rows.js", "idp/src/edge/rows.js")}]`,
      `compatibilityDate = "2026-01-01"`,
      `bindings = [(name = "ROWS", durableObjectNamespace = "Rows")]`,
      `durableObjectNamespaces = [(className = "Rows", uniqueKey = "rows", enableSql = true)]`,
      `durableObjectStorage = (localDisk = "storage")`,
    ],
  }]), port);
  const story = async (name, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}/${name}`, { method: "POST", body: JSON.stringify({ everySweep, kept: 0, ...body }) });
    assert.equal(answer.status, 200);
    return answer.json();
  };

  await it("pl_21: a table does not outgrow what is alive by more than a third", async () => {
    const { most, lost } = await story("long", { writes: 20000, life: 900, instance: Infinity });
    figure("rows alive, rows at the most", [900, most].join(", "));
    assert.equal(lost, 0, "a row was swept before its time");
    assert.ok(most < 900 * 4 / 3 + 64, `${most} rows`);
  });
  await it("pl_21: nor does one whose instances live for 100 writes each, by more than twice", async () => {
    const { most, lost } = await story("short", { writes: 20000, life: 900, instance: 100 });
    figure("rows alive, rows at the most", [900, most].join(", "));
    assert.equal(lost, 0, "a row was swept before its time");
    assert.ok(most < 900 * 3, `${most} rows`);
  });
  await it("what is to be kept for ever is kept, however much is swept around it", async () => {
    const { keptStill, most } = await story("kept", { writes: 5000, life: 50, instance: 1000, kept: 500 });
    assert.equal(keptStill, 500);
    assert.ok(most < 550 * 2, `${most} rows`);
  });
});
