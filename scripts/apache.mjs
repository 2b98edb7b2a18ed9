// Finds Debian's Apache with mod_auth_openidc, which one of the foreign tests runs; on Debian and Ubuntu root gets it installed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { canInstall, install } from "./debian.mjs";
import { Fault } from "./paths.mjs";

// `apache2-bin` is the server without a service: nothing is started, and no port is taken.
const packages = ["apache2-bin", "libapache2-mod-auth-openidc"];
const binary = "/usr/sbin/apache2";
const modules = "/usr/lib/apache2/modules";
const module = join(modules, "mod_auth_openidc.so");

/// The server, the folder of its modules and the version of this one; or, where we can't install them, `missing`, one line about it.
export function apache() {
  if (!installed() && canInstall()) {
    install(...packages);
    if (!installed()) throw new Fault(`${packages.join(" and ")} could not be installed: see apt-get's message above`);
  }
  if (installed()) return { binary, modules, version: version() };
  return { missing: `no Apache with mod_auth_openidc (Debian: apt-get install --no-install-recommends ${packages.join(" ")})` };
}

const installed = () => existsSync(module)
  && spawnSync(binary, ["-v"], { stdio: "ignore" }).status === 0;

// It says so nowhere but in itself.
function version() {
  return /mod_auth_openidc-(\d+(?:\.\d+)*)/.exec(readFileSync(module, "latin1"))?.[1] ?? "";
}
