// The programs of rust/: built, and run against an issuer of ours.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { environment, root } from "../../scripts/paths.mjs";
import { later } from "./checks.mjs";

const program = (name) => ["--locked", "--quiet", "-p", "foreign-rust", "--bin", `foreign-${name}`];

export const build = (name) => cargo(["build", ...program(name)]);
export const run = (name, variables) => cargo(["run", ...program(name)], variables);

async function cargo(args, variables = {}) {
  const child = spawn("cargo", args, { cwd: root, env: { ...environment(), ...variables }, stdio: ["ignore", "inherit", "inherit"] });
  later(() => child.kill());
  const [code, signal] = await once(child, "exit");
  if (code !== 0) throw new Error(`cargo ${args.join(" ")}: ${signal ?? `exit code ${code}`}`);
}
