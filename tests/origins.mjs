// A token for each origin, a signed identity, and none at all, on workerd with every store: node tests/origins.mjs
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { postgres } from "../scripts/postgres.mjs";
import { later, subject } from "./foreign/checks.mjs";
import { alice, freePorts, pair, serve } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { database } from "./postgres.mjs";

const [orders, billing, own, internal] = ["orders", "billing", "site", "internal"].map((name) => `https://${name}.example`);
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const routes = (origin) => [
  { prefix: "/orders", origin, access: "signed-in", token: { resource: orders, scope: "profile" } },
  { prefix: "/billing", origin, access: "api", token: { resource: billing, by: "exchange", scope: "email" } },
  { prefix: "/refused", origin, access: "api", token: { resource: orders, audience: "nobody", by: "exchange" } },
  { prefix: "/signed", origin, access: "signed-in", token: "none", assertion: { audience: internal, claims: ["email"] } },
  { prefix: "/", origin, access: "signed-in" },
];

const { missing } = postgres();
if (missing) console.log(`  NOT RUN with postgres: ${missing}`);
const modes = ["hybrid", "durable", "kv", "sealed", ...(missing ? [] : ["postgres"])];

await subject("a token for each origin", async (it) => {
  for (const mode of modes) {
    let store = {};
    if (mode === "postgres") {
      const [port] = await freePorts(1);
      const { url, stop } = await database(port);
      later(stop);
      store = { DATABASE_URL: url };
    }
    const key = { ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }), kid: "k" };
    const { config, app } = await pair({
      kv: mode === "kv",
      gateway: (origin) => ({ SESSION_MODE: mode, REFRESH_TOKENS: "repeated", RESOURCE: own, SIGNING_KEYS: [key], ROUTES: routes(origin), ...store }),
    });
    const [client] = config.idp.settings.CLIENTS;
    Object.assign(client, { audience: own, resources: [orders, billing], grant_types: [...client.grant_types, exchange] });
    const { stop } = await serve(config);
    const visitor = new Visitor();
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    assert.equal((await visitor.follow(await visitor.submit(page, alice))).status, 200);
    const received = async (path) => {
      const { status, body } = await visitor.fetch(app + path);
      assert.equal(status, 200, `${path}: ${body.slice(0, 300)}`);
      return Object.fromEntries(JSON.parse(body).headers);
    };
    const bearer = async (path) => (await received(path)).authorization.replace(/^Bearer /, "");
    const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    const audience = (token) => [claims(token).aud].flat().filter((name) => name.endsWith(".example"));

    await it(`${mode}, GP-24: each origin is sent a token that is for itself alone, and of the scope that its route names`, async () => {
      const tokens = await Promise.all(["/echo", "/orders/echo", "/billing/echo"].map(bearer));
      assert.deepEqual(tokens.map(audience), [[own], [orders], [billing]]);
      assert.deepEqual(tokens.slice(1).map((token) => claims(token).scope), ["profile", "email"]);
      assert.equal(new Set(tokens.map((token) => claims(token).sub)).size, 1);
    });

    await it(`${mode}, GR-01: it is made once, however many ask, and kept`, async () => {
      // In sealed mode the cookie of the first answer has it; whoever asks at once has another cookie.
      const first = await bearer("/orders/echo");
      const asked = mode === "sealed" ? [await bearer("/orders/echo")] : await Promise.all(Array.from({ length: 20 }, () => bearer("/orders/echo")));
      assert.deepEqual(new Set(asked), new Set([first]));
    });

    await it(`${mode}, GP-24: where the issuer gives none the origin is not asked, and everything else goes on`, async () => {
      const { status } = await visitor.fetch(`${app}/refused/echo`);
      assert.ok([502, 503].includes(status), `${status}`);
      assert.deepEqual(audience(await bearer("/echo")), [own]);
      assert.deepEqual(audience(await bearer("/billing/echo")), [billing]);
    });

    await it(`${mode}: an origin that wants no token is told who it is by our own signature, for itself alone`, async () => {
      const headers = await received("/signed/echo");
      assert.equal(headers.authorization, undefined);
      const keys = createRemoteJWKSet(new URL(`${app}/auth/jwks`));
      const { payload } = await jwtVerify(headers["x-identity-assertion"], keys, { issuer: app, audience: internal, typ: "identity-assertion+jwt" });
      assert.equal(payload.email, "alice@example.com");
      assert.ok(payload.exp - payload.iat <= 60);
    });
    await stop();
  }
});
