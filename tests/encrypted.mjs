// Sessions in a database that is reached over TLS, on workerd, and in none whose certificate is not to be trusted:
// node tests/encrypted.mjs
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault, onPath } from "../scripts/paths.mjs";
import { postgres } from "../scripts/postgres.mjs";
import { startWorkerd } from "../scripts/workerd.mjs";
import { later, subject } from "./foreign/checks.mjs";
import { alice, freePorts, pair, prepare } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { database } from "./postgres.mjs";

// A certificate authority, and a certificate of it for each of these names.
function certificates(...names) {
  if (!onPath("openssl")) throw new Fault("openssl is missing: install it (Debian: apt-get install openssl)");
  const folder = mkdtempSync(join(tmpdir(), "gatelatch-certificates-"));
  later(() => rmSync(folder, { recursive: true, force: true }));
  const at = (file) => join(folder, file);
  const openssl = (...args) => {
    const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    if (status !== 0) throw new Fault(`openssl ${args[0]}: ${stderr}`);
  };
  const key = (name) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at(`${name}.key`)];
  openssl("req", "-x509", ...key("authority"), "-out", at("authority.pem"), "-subj", "/CN=an authority of the test", "-days", "1");
  for (const name of names) {
    writeFileSync(at("extensions"), `subjectAltName = DNS:${name}\n`);
    openssl("req", ...key(name), "-out", at("request"), "-subj", `/CN=${name}`);
    openssl(
      "x509", "-req", "-in", at("request"), "-CA", at("authority.pem"), "-CAkey", at("authority.key"), "-CAcreateserial",
      "-extfile", at("extensions"), "-out", at(`${name}.pem`), "-days", "1",
    );
  }
  const of = (name) => ({ certificate: at(`${name}.pem`), key: at(`${name}.key`) });
  return { of, authority: readFileSync(at("authority.pem"), "utf8") };
}

// The pair with its sessions in the database at this URL; who signed `certificates` is trusted.
async function signIn(url, trusted) {
  const { config, app } = await pair({ gateway: () => ({ SESSION_MODE: "postgres", DATABASE_URL: url }) });
  const { config: whole, output } = await prepare({ ...config, gateway: { ...config.gateway, trusted } });
  const workerd = startWorkerd(whole, output);
  const ended = once(workerd, "exit");
  later(async () => {
    workerd.kill("SIGKILL");
    await ended;
  });
  const visitor = new Visitor();
  for (;;) {
    assert.equal(workerd.exitCode, null, "workerd ended");
    const ready = await fetch(`${app}/auth/health`).catch(() => null);
    if (ready?.status === 200) break;
    await sleep(50);
  }
  const page = await visitor.follow(await visitor.open(`${app}/echo`));
  return visitor.follow(await visitor.submit(page, alice));
}

const { missing } = postgres();
if (missing) {
  console.log(`a database over TLS\n  NOT RUN: ${missing}`);
  process.exit();
}

await subject("a database over TLS", async (it) => {
  const { of, authority } = certificates("localhost", "db.example");
  const [port] = await freePorts(1);
  const server = await database(port, { tls: of("localhost") });
  later(() => server.stop());
  const url = (more) => `${server.url.replace("127.0.0.1", "localhost")}${more}`;

  await it("sessions are kept in a database that takes nothing but TLS, when its certificate is trusted", async () => {
    const seen = await signIn(url("?sslmode=require"), [authority]);
    assert.equal(seen.status, 200, seen.body.slice(0, 300));
  });

  await it("a database that wants TLS is not reached without it", async () => {
    assert.equal((await signIn(url("?sslmode=disable"), [authority])).status, 503);
  });

  await it("a database whose certificate nobody vouches for gets no session", async () => {
    assert.equal((await signIn(url("?sslmode=require"), [])).status, 503);
  });

  const [another] = await freePorts(1);
  const other = await database(another, { tls: of("db.example") });
  later(() => other.stop());

  await it("a database whose certificate is for another host gets no session", async () => {
    const url = `${other.url.replace("127.0.0.1", "localhost")}?sslmode=require`;
    assert.equal((await signIn(url, [authority])).status, 503);
  });
});
