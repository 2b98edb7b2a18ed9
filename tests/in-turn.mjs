// Runs the files NAME.mjs of a folder one after the other, each in a process of its own, and exits.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { notRun } from "./foreign/checks.mjs";

// Names in a list of their own run side by side: such files mostly wait. `asked` is the command line: names, and
// flags that each file is given too.
export async function inTurn(folder, all, asked, well) {
  const known = all.flat();
  const flags = asked.filter((argument) => argument.startsWith("--"));
  const names = asked.filter((argument) => !argument.startsWith("--"));
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length) {
    console.error(`nothing is called ${unknown.join(", ")}: there are ${known.join(", ")}`);
    process.exit(1);
  }

  // Ctrl-C reaches the children too; they stop what they started, and then we go.
  const children = new Set();
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      stopped = true;
      for (const child of children) child.kill(signal);
    });
  }

  const failed = [];
  const without = [];
  for (const turn of names.length ? names : all) {
    const group = [turn].flat();
    await Promise.all(group.map(async (name) => {
      const output = group.length > 1 ? "pipe" : "inherit";
      const child = spawn(process.execPath, [join(folder, `${name}.mjs`), ...flags], { stdio: ["inherit", output, "inherit"] });
      children.add(child);
      const said = [];
      child.stdout?.on("data", (part) => said.push(part));
      const [code] = await once(child, "close");
      children.delete(child);
      process.stdout.write(Buffer.concat(said));
      if (code === notRun) without.push(name);
      else if (code !== 0) failed.push(name);
    }));
    if (stopped) process.exit(1);
  }
  if (without.length) console.log(`not run: ${without.join(", ")}`);
  console.log(failed.length ? `failed: ${failed.join(", ")}` : well);
  process.exit(failed.length ? 1 : 0);
}
