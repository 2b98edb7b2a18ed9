// What Debian and Ubuntu have packages for: root gets them installed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { onPath } from "./paths.mjs";

export const canInstall = () => process.getuid?.() === 0 && existsSync("/etc/debian_version") && Boolean(onPath("apt-get"));

// Whether it worked is for the caller to look at: what is wanted is a program that starts, not a package.
export function install(...packages) {
  console.error(`installing ${packages.join(", ")}`);
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "ignore", 2] };
  spawnSync("apt-get", ["update", "-qq"], quiet);
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], quiet);
}
