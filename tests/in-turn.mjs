// Runs the files NAME.mjs of a folder one after the other, each in a process of its own, and exits.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

// `asked` is the command line: names, and flags that each file is given too.
export async function inTurn(folder, all, asked, well) {
  const flags = asked.filter((argument) => argument.startsWith("--"));
  const names = asked.filter((argument) => !argument.startsWith("--"));
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length) {
    console.error(`nothing is called ${unknown.join(", ")}: there are ${all.join(", ")}`);
    process.exit(1);
  }

  // Ctrl-C reaches the child too; it stops what it started, and then we go.
  let child;
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      stopped = true;
      child?.kill(signal);
    });
  }

  const failed = [];
  for (const name of names.length ? names : all) {
    child = spawn(process.execPath, [join(folder, `${name}.mjs`), ...flags], { stdio: "inherit" });
    const [code] = await once(child, "exit");
    if (stopped) process.exit(1);
    if (code !== 0) failed.push(name);
  }
  console.log(failed.length ? `failed: ${failed.join(", ")}` : well);
  process.exit(failed.length ? 1 : 0);
}
