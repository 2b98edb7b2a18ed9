// GR-07: the gateway alone is killed, or the database that its sessions are in, and started again over the same state, while
// the issuer goes on. STORES=name,name: these alone; SEED=number repeats the instants of a run, which prints
// its own, and KILLS=n makes so many.
import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorkerd } from "../../scripts/workerd.mjs";
import { figure, later, subject } from "../foreign/checks.mjs";
import { prepare, serve } from "../foreign/pair.mjs";
import { full, quantile } from "./client.mjs";
import { Crowd } from "./crowd.mjs";
import { dice, seed } from "./dice.mjs";
import { describe, stores } from "./stores.mjs";

const kills = Number(process.env.KILLS ?? (full ? 200 : 4));
// So many sessions go on from kill to kill.
const most = full ? 16 : 6;
// So short that tokens are renewed between any two kills.
const accessTokenSeconds = 5;

// A gateway whose process can be killed, and an issuer that lives on.
async function deploy(mode) {
  const world = await describe(mode, {
    idp: { ACCESS_TOKEN_SECONDS: accessTokenSeconds },
    gateway: () => ({ FRESHNESS_SECONDS: 1 }),
  });
  const { idp, ...rest } = world.config;
  await serve({ idp });
  const { config, output } = await prepare(rest);
  world.random = dice(seed);
  world.start = () => {
    world.workerd = startWorkerd(config, output);
    world.ended = once(world.workerd, "exit");
  };
  world.kill = async () => {
    world.workerd?.kill("SIGKILL");
    await world.ended;
  };
  later(() => world.kill());
  process.on("exit", () => world.workerd?.kill("SIGKILL"));
  world.crowd = new Crowd(world, most);
  world.times = [];
  return world;
}

// Until `check` is true; how long it took.
async function ready(check) {
  const started = performance.now();
  for (;;) {
    const good = await check().catch(() => false);
    const milliseconds = performance.now() - started;
    if (good) return milliseconds;
    assert.ok(milliseconds < 60_000, "not ready after 60 s");
    await sleep(10);
  }
}

// What dies: the gateway, or of a database one process or all of it.
const victims = {
  gateway: async (world) => {
    await world.kill();
    return world.start;
  },
  backend: async (world) => {
    await world.store.crash(false);
    return () => {};
  },
  server: async (world) => {
    await world.store.crash(true);
    return () => world.store.back();
  },
};
const victimOf = ({ store }, kill) => store ? ["gateway", "server", "gateway", "backend"][(kill >> 1) % 4] : "gateway";

// Any time; or, every other time, just when the issuer has rotated a token, and the gateway is about to hear of it.
async function moment({ line, random }, kill) {
  let spring = () => {};
  const sprung = new Promise((resolve) => (spring = resolve));
  line.hold = async ({ form }, stage) => {
    if (form.get("grant_type") !== "refresh_token") return;
    if (stage === "going") spring(true);
    // Now and then it does not hear of it at all.
    await sleep(stage === "going" && kill % 4 === 1 ? 500 : random() * 10);
  };
  if (kill % 2 === 0) return sleep(50 + random() * 700);
  await Promise.race([sprung, sleep(3000)]);
  return sleep(random() * 10);
}

async function die(world, kill) {
  const { crowd, line } = world;
  const under = crowd.run();
  // A fault of somebody at work ends the waiting.
  await Promise.race([moment(world, kill), under]);
  crowd.over = true;
  const calling = line.calls.some(({ form, left }) => form.get("grant_type") === "refresh_token" && (!left || Date.now() - left < 20));
  if (calling) crowd.seen.refreshing += 1;
  const revive = await victims[victimOf(world, kill)](world);
  await under;
  line.hold = async () => {};
  await revive();
  world.times.push(await ready(() => crowd.isServed()));
  await crowd.verify();
}

await subject("deaths of the gateway", async (it) => {
  console.log(`  SEED=${seed}`);
  const worlds = await Promise.all(stores.map(deploy));
  await Promise.all(worlds.map(async (world) => {
    world.start();
    await ready(async () => (await fetch(`${world.app}/auth/session`)).status < 500);
    await world.crowd.begin(4);
  }));
  await Promise.all(worlds.map((world) => it(`gr_07, ${world.mode}: after each of ${kills} kills who was signed in is, who had signed out is not, and no token was spent twice`, async () => {
    const { mode, crowd, times } = world;
    for (let kill = 0; kill < kills; kill += 1) {
      try {
        await die(world, kill);
      } catch (fault) {
        throw new Error(`kill ${kill + 1}, ${victimOf(world, kill)}`, { cause: fault });
      }
      if (full && (kill + 1) % 20 === 0) console.log(`  ${mode}: ${kill + 1} kills, ${JSON.stringify(crowd.seen)}`);
    }
    if (full) await crowd.settle();
    const { alive, ended, either, waited, beyond, refreshing } = crowd.seen;
    assert.ok(alive > 0 && ended > 0, "there was too little to lose");
    figure(`deaths, ${mode}: kills, SEED`, `${kills}, ${seed}`);
    figure(`deaths, ${mode}: sessions found alive, found ended as acknowledged, signing out unheard`, `${alive}, ${ended}, ${either}`);
    figure(`deaths, ${mode}: kills with a refresh under way; told to come back until a lease was over; back too late for the issuer; lost, back from the dead, tokens spent twice`, `${refreshing}; ${waited}; ${beyond}; 0, 0, 0`);
    figure(`deaths, ${mode}: milliseconds from start to the first answer, median and worst`, `${Math.round(quantile(times))}, ${Math.round(quantile(times, 1))}`);
  }, 60 * kills + 60)));
});
