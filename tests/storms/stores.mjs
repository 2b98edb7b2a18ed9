// Our pair, with the gateway's sessions in each of the places where they can be.
import assert from "node:assert/strict";
import { postgres } from "../../scripts/postgres.mjs";
import { later } from "../foreign/checks.mjs";
import { freePorts, pair, serve } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { database } from "../postgres.mjs";
import { accounts } from "./client.mjs";
import { proxy } from "./proxy.mjs";

const { missing } = postgres();
// Those that keep sessions, and the one that gives them to the browser. STORES=kv,postgres: these alone.
const { STORES: asked } = process.env;
const among = (names) => asked ? names.filter((name) => asked.split(",").includes(name)) : names;
export const stores = among(["hybrid", "durable", "kv", ...missing ? [] : ["postgres"]]);
export const sealed = among(["sealed"]);
if (missing) console.log(`  NOT RUN with postgres: ${missing}`);

// What a store needs besides: settings of the gateway, whether it has a namespace, and its database.
export async function needsOf(mode) {
  if (mode !== "postgres") return { settings: { SESSION_MODE: mode, REFRESH_TOKENS: "repeated" }, kv: mode === "kv" };
  const [port] = await freePorts(1);
  const store = await database(port);
  later(store.stop);
  return { settings: { SESSION_MODE: mode, DATABASE_URL: store.url }, kv: false, store };
}

// A description of the pair with `line` between the two, to be served. `idp` and `gateway` are settings; the answer has
// the URLs and the credentials of the gateway as well.
export async function describe(mode, { idp = {}, gateway = () => ({}), clients } = {}) {
  const { settings, kv, store } = await needsOf(mode);
  const line = await proxy();
  const { config, ...urls } = await pair({
    idp: { ACCOUNTS: accounts, ...idp },
    gateway: (origin) => ({ SESSIONS_PER_PERSON: 500, ...gateway(origin), ...settings }),
    kv,
    clients,
    between: (port) => {
      line.issuerPort = port;
      return line.url;
    },
  });
  const { CLIENT_ID: id, CLIENT_SECRET: secret } = config.gateway.settings;
  return { mode, config, line, store, id, secret, ...urls };
}

// The same, served.
export async function deploy(mode, options) {
  const world = await describe(mode, options);
  await serve(world.config);
  return world;
}

// Signs somebody in, in a browser of theirs, by the way to `path`; the page that is there. The issuer may remember them.
// A machine that is too busy for its own issuer tells them to try again, and they do.
export async function arrive(app, person, path, visitor = new Visitor()) {
  visitor.patience = 60_000;
  for (let tries = 0; tries < 5; tries += 1) {
    let page = await visitor.follow(await visitor.open(app + path));
    if (page.status === 200 && page.headers["content-type"].startsWith("text/html")) {
      page = await visitor.follow(await visitor.submit(page, person));
    }
    if (page.status === 200) return { visitor, page };
    assert.ok([502, 503].includes(page.status), `${page.status} ${page.body.slice(0, 2000)}`);
  }
  throw new Error("the issuer does not answer");
}
