// `make bench-many`: whether refreshing, redeeming, userinfo and signing in cost more when the issuer has stored a million
// accounts and families than when it has a thousand. Two issuers, measured in turn in the same run.
// node tests/bench/many.mjs [ROUNDS] [SECONDS] [MANY]
//
// Some hundreds of people are real: they sign in and redeem codes over HTTP, and they are who is measured. The others are
// made on the disk while nothing runs: see multiply.mjs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.mjs";
import { later, subject } from "../foreign/checks.mjs";
import { alice, freePorts, key, secretDigest } from "../foreign/pair.mjs";
import { able, client, crowdOf, inParallel, signIns, signedIn } from "./issuers.mjs";
import { codeRedemptions, issuing } from "./issuing.mjs";
import { inRounds, raw, wrk } from "./load.mjs";
import { multiply } from "./multiply.mjs";
import { cpuOf, memoryOf, ours } from "./processes.mjs";
import { median, table } from "./table.mjs";

const [rounds = 4, seconds = 4, many = 1_000_000] = process.argv.slice(2, 5).map(Number);
const few = 1000;
const real = 300;
const crowd = crowdOf(real);

// An issuer with so many accounts stored, of which the real ones are signed in and have families.
async function issuerWith(folder, stored) {
  const [port] = await freePorts(1);
  const name = `idp-${stored}`;
  const url = `http://localhost:${port}`;
  const { client_secret: secret, ...registration } = client;
  const settings = {
    ISSUER: url, SEALING_KEYS: key(), ACCOUNTS: crowd, CODE_SECONDS: "600", ACCESS_TOKEN_SECONDS: "3600",
    CLIENTS: [{ ...registration, client_secret_sha256: secretDigest(secret) }],
  };
  const start = () => ours(folder, name, { idp: { port, settings } });
  // The one process that there is, whatever is started anew.
  const process = await start();
  const issuer = able(await signedIn(url, crowd, ({ username }) => [{ username, password: alice.password }]));
  await issuer.families(real);
  await process.stop("SIGTERM");
  await multiply(join(folder, name), stored - real);

  const starts = [];
  const again = async () => {
    await process.stop("SIGTERM");
    Object.assign(process, await start());
    starts.push({ cpu: cpuOf(process) * 1000, memory: memoryOf(process) });
  };
  await again();
  return { issuer: { ...issuer, process }, again, starts };
}

// What is measured of it.
async function subjectsOf(name, { issuer, again }) {
  const { process } = issuer;
  const path = new URL(issuer.metadata.userinfo_endpoint).pathname;
  const tokens = (await issuer.families(real)).map(({ access_token: token }) => token);
  const bearers = tokens.map((token) => raw("GET", path, { Authorization: `Bearer ${token}` }));
  // workerd puts away what nobody has asked for a while: just before, everybody is there.
  const warm = ({ name, load }) => ({
    name, process, load: async () => {
      const loaded = await load();
      await inParallel(real, async (index) => {
        const { status } = await fetch(issuer.metadata.userinfo_endpoint, { headers: { Authorization: `Bearer ${tokens[index]}` } });
        assert.equal(status, 200);
      });
      return loaded;
    },
  });
  // Everybody once, after a start: each object is opened for it.
  const cold = (what, lines) => ({
    name: `${name}: ${what}, cold`, process, load: async () => {
      const load = await lines();
      await again();
      return load;
    },
  });
  return [
    ...(await issuing(name, issuer, { families: real })).filter(({ name }) => /refresh|redemption/.test(name)).map(warm),
    warm({ name: `${name}: userinfo`, load: () => ({ lines: bearers }) }),
    warm({ name: `${name}: signing in`, load: async () => ({ once: true, status: 303, lines: await signIns(issuer, crowd) }) }),
    cold("code redemption", () => codeRedemptions(issuer, real)),
    cold("userinfo", () => ({ once: true, lines: bearers })),
  ];
}

await subject("bench of many", async () => {
  wrk();
  await build(["idp"]);
  const folder = mkdtempSync(join(tmpdir(), "gatelatch-bench-"));
  later(() => rmSync(folder, { recursive: true, force: true }));

  const worlds = [];
  const named = [];
  for (const stored of [few, many]) {
    worlds.push(await issuerWith(folder, stored));
    named.push(await subjectsOf(`${stored}`, worlds.at(-1)));
  }
  const pairs = named[0].map((one, index) => [one, named[1][index]]);
  await inRounds(pairs.flat(), folder, rounds, seconds);

  const figure = ({ results }, name) => median(results.map((result) => result[name]));
  console.log(`\n${rounds} rounds of ${seconds} s, 16 connections, ${real} people, ${cpus().length} x ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}\n`);
  console.log(table(
    ["CPU µs a request", `${few} stored`, `${many} stored`, "ratio", "requests/s", "requests/s"],
    pairs.map(([one, other]) => [
      one.name.replace(`${few}: `, ""), ...[one, other].map((of) => figure(of, "cpu").toFixed(0)), (figure(other, "cpu") / figure(one, "cpu")).toFixed(2),
      ...[one, other].map((of) => figure(of, "rate").toFixed(0)),
    ]),
  ));
  const starts = (what) => worlds.map(({ starts }) => median(starts.map((start) => start[what])).toFixed(0));
  console.log(table(
    ["to the first answer", `${few} stored`, `${many} stored`],
    [["CPU ms", ...starts("cpu")], ["MB", ...starts("memory")]],
  ));
});
