// People who are there without ever having come: what workerd's local disk storage holds of some, again and again under
// other ids. To be done while nothing runs.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFileSync, linkSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../foreign/pair.mjs";
import { inParallel } from "./issuers.mjs";
import { theirs } from "./processes.mjs";

const shards = 16;

// Adds so many accounts, each with the families of one that is real, to the objects under `state`: a file under an object's
// id each, as many directory entries as there are people, but hard links to a copy of the real one, or the disk would be
// full. Nobody asks for them; what a real one costs among them is the question. Their identities are rows of the Directory.
export async function multiply(state, count) {
  const accounts = join(state, "durable-objects/gatelatch-idp-Account");
  const real = readdirSync(accounts).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name)).map((name) => join(accounts, name));
  assert.ok(real.length > 0 && count / real.length < 60_000, "a file system takes some 65,000 links to one file");
  const fresh = () => join(accounts, `${randomBytes(32).toString("hex")}.sqlite`);
  const twins = real.map((file) => {
    const twin = fresh();
    // Never the real one itself: SQLite would find that it has several names.
    copyFileSync(file, twin);
    return twin;
  });
  for (const twin of twins.slice(count)) rmSync(twin);
  for (let made = twins.length; made < count; made += 1) linkSync(twins[made % twins.length], fresh());
  assert.ok(readdirSync(accounts).length >= real.length + count);

  const [port] = await freePorts(1);
  const crowd = await theirs(state, "crowd", port, {}, state);
  const rows = await inParallel(shards, async (shard) => {
    const answer = await fetch(`http://127.0.0.1:${port}/shard-${shard}?${Math.ceil(count / shards)}`);
    assert.equal(answer.status, 200, await answer.clone().text());
    return Number(await answer.text());
  });
  assert.ok(rows.reduce((sum, next) => sum + next) >= real.length + count, "identities are missing");
  await crowd.stop("SIGTERM");
}
