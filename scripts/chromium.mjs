// Finds the Chromium that the browser tests drive; on Debian and Ubuntu root gets it installed.
import { spawnSync } from "node:child_process";
import { canInstall, install } from "./debian.mjs";
import { Fault, executable, onPath } from "./paths.mjs";

const names = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
const places = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// The path of a browser that starts.
export function chromium() {
  const chosen = process.env.CHROMIUM_BIN;
  if (chosen) {
    if (executable(chosen)) return chosen;
    throw new Fault(`CHROMIUM_BIN names ${chosen}, which can't be run`);
  }
  const found = installed();
  if (found) return found;

  if (canInstall()) {
    install("chromium");
    const now = installed();
    if (now) return now;
  }
  throw new Fault("no Chromium or Chrome found: install one, or name it in CHROMIUM_BIN");
}

// Asked for its version, because Ubuntu's package of that name is a stub which only points at a snap.
function installed() {
  return [...names.map(onPath), ...places.filter(executable)]
    .find((file) => file && spawnSync(file, ["--version"], { stdio: "ignore" }).status === 0);
}
