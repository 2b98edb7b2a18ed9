// The keys that seal the gateway's cookies and sessions are exchanged, on workerd, in every store: node tests/rotation.mjs
// One pair is served again and again over the same state, each time with another SEALING_KEYS.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { later, subject } from "./foreign/checks.mjs";
import { alice, freePorts, key, pair, prepare, serve } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { database } from "./postgres.mjs";
import { postgres } from "../scripts/postgres.mjs";
import { bearer, read } from "./storms/client.mjs";

// In seconds. A session is written anew when its token is.
const life = 6;

await subject("cookie keys are added, rotated and dropped", async (it) => {
  const { missing } = postgres();
  if (missing) console.log(`  NOT RUN with postgres: ${missing}`);
  for (const mode of ["hybrid", "durable", "kv", "sealed", ...(missing ? [] : ["postgres"])]) {
    await it(`gs_21, ${mode}: nobody who comes by is signed out, whoever stayed away is, and a dropped key opens nothing`, () => rotate(mode), 120);
  }
});

async function rotate(mode) {
  let store = {};
  if (mode === "postgres") {
    const [port] = await freePorts(1);
    const { url, stop } = await database(port);
    later(stop);
    store = { DATABASE_URL: url };
  }
  const [first, second, third] = [key(), key(), key()];
  const { config, app } = await pair({
    idp: { ACCESS_TOKEN_SECONDS: life }, kv: mode === "kv",
    gateway: () => ({ SESSION_MODE: mode, REFRESH_TOKENS: "repeated", SEALING_KEYS: first, FRESHNESS_SECONDS: "2", ...store }),
  });
  // Its folder is the one with the state.
  const { config: { state } } = await prepare(config);
  let running;
  const deploy = async (...keys) => {
    await running?.stop();
    const { settings } = config.gateway;
    running = await serve({ ...config, state, gateway: { ...config.gateway, settings: { ...settings, SEALING_KEYS: keys.join(",") } } });
  };
  const enter = async () => {
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/`));
    assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
    return visitor;
  };
  const tokenOf = async (visitor) => read(bearer(await visitor.fetch(`${app}/echo`)));
  const copy = (visitor) => Object.assign(new Visitor(), { cookies: new Map(visitor.cookies) });

  await deploy(first);
  const [visitor, away] = [await enter(), await enter()];
  const { sub, iat } = await tokenOf(visitor);
  const early = copy(visitor);

  await deploy(second, first);
  // By a cookie under the old key; then the token, and with it the session, is written anew.
  assert.equal((await tokenOf(visitor)).sub, sub);
  await sleep((life + 1) * 1000);
  const renewed = await tokenOf(visitor);
  assert.ok(renewed.iat > iat && renewed.sub === sub);

  await deploy(third, second);
  assert.equal((await tokenOf(visitor)).sub, sub);
  // Whoever did not come by in between, and whoever has an old cookie, is nobody now: 401, and no error.
  for (const other of [away, early]) {
    assert.equal((await other.fetch(`${app}/echo`)).status, 401);
    assert.equal((await other.fetch(`${app}/public`)).status, 200);
  }
  await sleep((life + 1) * 1000);
  assert.ok((await tokenOf(visitor)).iat > renewed.iat);

  await deploy(third);
  assert.equal((await tokenOf(visitor)).sub, sub);
  assert.equal((await visitor.fetch(`${app}/auth/logout`, { method: "POST" })).status, 303);
  assert.equal((await visitor.fetch(`${app}/echo`)).status, 401);
  await running.stop();
}
