// Starts the stand-ins for identity providers (tests/stand-in). They end with us, however we end: they hold a pipe of ours.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Fault, environment, root } from "./paths.mjs";

// The client that every stand-in knows; WorkOS calls the secret an API key.
export const client = { id: "gatelatch", secret: "stand-in-secret", key: "sk_stand_in" };

// Port 0 is any that is free. Compiles them first if need be.
export async function standIns(port = 0) {
  const child = spawn("cargo", ["run", "--quiet", "--locked", "-p", "stand-in", "--", String(port)], {
    cwd: root, env: environment(), stdio: ["pipe", "pipe", "inherit"],
  });
  const failed = new Fault(`the stand-ins could not be started on port ${port}: see the messages above`);
  const ended = once(child, "exit").catch(() => {});
  const first = once(createInterface({ input: child.stdout }), "line").then(([line]) => line);
  const url = await Promise.race([first, ended.then(() => { throw failed; })]);
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { url, stop };
}
