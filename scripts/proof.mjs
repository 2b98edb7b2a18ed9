// `make proof`: everything that `make test` does in small, at full size, and the figures of it as a table for
// docs/proof.md. With names (node scripts/proof.mjs storms): these sections alone.
import { execFileSync, spawn } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { createInterface } from "node:readline";
import { Fault, complain, environment, root, workerdBinary } from "./paths.mjs";

// What a section prints as `  figure  WHAT: VALUE` becomes a line of its table.
const sections = {
  storms: ["node", "tests/storms/run.mjs", "--full"],
  bodies: ["node", "tests/bodies.mjs", "--full"],
};

async function perform([command, ...args]) {
  const child = spawn(command, args, { cwd: root, env: environment(), stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => child.kill(signal));
  const figures = [];
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    const [, what, value] = /^ {2}figure {2}(.+): (.+)$/.exec(line) ?? [];
    if (what) figures.push([what, value]);
  }
  if (await ended !== 0) throw new Fault(`${[command, ...args].join(" ")} failed: see above`);
  return figures;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in sections));
if (unknown.length) complain(new Fault(`no section is called ${unknown.join(", ")}: there are ${Object.keys(sections).join(", ")}`));
try {
  const tables = [];
  for (const name of asked.length ? asked : Object.keys(sections)) {
    const started = performance.now();
    const figures = await perform(sections[name]);
    const seconds = Math.round((performance.now() - started) / 1000);
    tables.push(`## ${name}\n\n\`${sections[name].join(" ")}\`, ${seconds} s\n\n| | |\n|---|---|\n${figures.map((row) => `| ${row.join(" | ")} |`).join("\n")}`);
  }
  const workerd = execFileSync(workerdBinary, ["--version"], { encoding: "utf8" }).trim();
  console.log(`\n${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0].model}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}, Node ${process.version}, ${workerd}\n`);
  console.log(tables.join("\n\n"));
} catch (fault) {
  complain(fault);
}
