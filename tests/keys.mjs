// Signing keys of an operator's own and dropped keys on workerd: node tests/keys.mjs. One issuer is served again
// and again over the same state, each time with other settings.
import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { subject } from "./foreign/checks.mjs";
import { account, freePorts, key, prepare, serve } from "./foreign/pair.mjs";
import { signIn } from "./foreign/sign-in.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { Client, send, userinfo } from "./storms/client.mjs";

const algs = ["ES256", "RS256", "EdDSA"];
const pairs = () => ({
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  EdDSA: generateKeyPairSync("ed25519"),
});
const pem = (keys) => Object.values(keys).map(({ privateKey }) => privateKey.export({ type: "pkcs8", format: "pem" })).join("\n");
const jwk = ({ privateKey }) => privateKey.export({ format: "jwk" });
// RFC 7638 §3: the members of the type, in order.
const thumbprint = ({ publicKey }) => {
  const { crv, e, kty, n, x, y } = publicKey.export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, e, kty, n, x, y })).digest("base64url");
};
const part = (token, index) => JSON.parse(Buffer.from(token.split(".")[index], "base64url"));
const kid = (token) => part(token, 0).kid;

// Node's verdict, with a key that did not come by the issuer.
function isSignedBy({ publicKey }, token) {
  const [head, payload, signature] = token.split(".");
  const { alg } = part(token, 0);
  const options = alg === "ES256" ? { key: publicKey, dsaEncoding: "ieee-p1363" } : publicKey;
  return verify(alg === "EdDSA" ? null : "sha256", Buffer.from(`${head}.${payload}`), options, Buffer.from(signature, "base64url"));
}

await subject("signing keys of an operator's own, and dropped ones", async (it) => {
  const [port] = await freePorts(1);
  const issuer = `http://localhost:${port}`;
  const clients = algs.map((alg) => new Client(alg));
  const registrations = clients.map((client) => ({ ...client.registration, id_token_signed_response_alg: client.id }));
  const sealing = [key(), key()];
  const basis = { ISSUER: issuer, SEALING_KEYS: sealing[0], CLIENTS: registrations, ACCOUNTS: [account] };
  // Its folder is the one with the state.
  const { config } = await prepare({ idp: { port, settings: basis } });
  const state = ({ ...more } = {}) => ({ state: config.state, idp: { port, settings: { ...basis, ...more } } });

  let running;
  const deploy = async (settings) => {
    await running?.stop();
    running = await serve(state(settings));
  };
  const published = async () => {
    const { keys } = await (await fetch(`${issuer}/jwks`)).json();
    return keys;
  };
  // The tokens that a client of each algorithm gets.
  const arrive = async () => {
    const tokens = {};
    for (const client of clients) {
      const { url, verifier } = client.authorization(issuer);
      const back = await signIn(new Visitor(), url);
      const { body } = await send(client.redemption(issuer, { code: back.searchParams.get("code"), verifier }));
      assert.ok(body.id_token, JSON.stringify(body));
      tokens[client.id] = body;
    }
    return tokens;
  };

  const [first, second] = [pairs(), pairs()];
  let before;

  await it("PEM keys of each algorithm sign from the first token on, under their thumbprints, and nothing private is published", async () => {
    await deploy({ SIGNING_KEYS: pem(first) });
    before = await arrive();
    for (const alg of algs) {
      assert.equal(kid(before[alg].id_token), thumbprint(first[alg]));
      assert.ok(isSignedBy(first[alg], before[alg].id_token), alg);
      assert.ok(isSignedBy(first.ES256, before[alg].access_token), alg);
    }
    const keys = await published();
    assert.deepEqual(keys.map(({ kid }) => kid).sort(), algs.map((alg) => thumbprint(first[alg])).sort());
    for (const key of keys) {
      assert.ok(Object.keys(key).every((name) => ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"].includes(name)), JSON.stringify(key));
      assert.ok(createPublicKey({ key, format: "jwk" }));
    }
  });

  await it("the keys of a JWK Set in their place are published at once and sign when everybody can know them", async () => {
    const set = { keys: algs.map((alg) => ({ ...jwk(second[alg]), kid: "theirs", use: "sig", alg })) };
    await deploy({ SIGNING_KEYS: set, SEALING_KEYS: [sealing[1], sealing[0]].join(",") });
    const tokens = await arrive();
    for (const alg of algs) assert.equal(kid(tokens[alg].id_token), thumbprint(first[alg]));
    const kids = [first, second].flatMap((keys) => algs.map((alg) => thumbprint(keys[alg])));
    assert.deepEqual((await published()).map(({ kid }) => kid).sort(), kids.sort());
  });

  await it("they outlive the sealing key they were kept under", async () => {
    await deploy({ SIGNING_KEYS: pem(second), SEALING_KEYS: sealing[1] });
    const tokens = await arrive();
    for (const alg of algs) assert.ok(isSignedBy(first[alg], tokens[alg].id_token), alg);
  });

  await it("no token of a dropped key is good from the start of the deployment on, and its successor signs at once", async () => {
    assert.ok((await userinfo(issuer, before.ES256.access_token)).sub);
    const dropped = [first.ES256, first.EdDSA].map(thumbprint);
    await deploy({ SIGNING_KEYS: pem(second), DROPPED_KEYS: dropped.join(", "), SEALING_KEYS: sealing[1] });
    assert.deepEqual(await userinfo(issuer, before.ES256.access_token), { status: 401 });
    const tokens = await arrive();
    assert.ok(isSignedBy(second.ES256, tokens.ES256.access_token));
    assert.ok(isSignedBy(second.EdDSA, tokens.EdDSA.id_token));
    assert.ok(isSignedBy(first.RS256, tokens.RS256.id_token), "it was not dropped");
    assert.ok((await userinfo(issuer, tokens.ES256.access_token)).sub);
    const kids = (await published()).map(({ kid }) => kid);
    assert.ok(!kids.some((kid) => dropped.includes(kid)), kids.join());
  });

  await it("with no successor a new key is made, also for an own key that is dropped", async () => {
    await deploy({ SIGNING_KEYS: pem(second), DROPPED_KEYS: thumbprint(second.ES256), SEALING_KEYS: sealing[1] });
    const tokens = await arrive();
    const known = [first, second].map(({ ES256 }) => thumbprint(ES256));
    assert.ok(!known.includes(kid(tokens.ES256.access_token)));
    assert.ok((await userinfo(issuer, tokens.ES256.access_token)).sub);
    before = tokens;
  });

  await it("no later setting brings a dropped key back", async () => {
    await deploy({ SIGNING_KEYS: pem(first), SEALING_KEYS: sealing[1] });
    const tokens = await arrive();
    assert.equal(kid(tokens.ES256.access_token), kid(before.ES256.access_token));
    const kids = (await published()).map(({ kid }) => kid);
    assert.ok(![first.ES256, first.EdDSA, second.ES256].map(thumbprint).some((kid) => kids.includes(kid)), kids.join());
  });

  await it("a key that cannot be one is named before anything is served, and not repeated", async () => {
    const secret = jwk(first.ES256).d;
    const wrong = { keys: [{ ...jwk(first.ES256), d: `${secret}AAAA` }, jwk(first.EdDSA)] };
    await assert.rejects(deploy({ SIGNING_KEYS: wrong }), (fault) => {
      assert.match(fault.message, /SIGNING_KEYS\[0\]\.d: must be/);
      assert.ok(!fault.message.includes(secret));
      return true;
    });
  });

  await it("a key whose halves do not belong together signs nothing", async () => {
    for (const alg of algs) {
      const mixed = { ...jwk(first[alg]), ...second[alg].publicKey.export({ format: "jwk" }) };
      const [port] = await freePorts(1);
      const settings = { ...basis, ISSUER: `http://localhost:${port}`, SIGNING_KEYS: mixed };
      const { stop, log } = await serve({ idp: { port, settings } });
      const { status } = await fetch(`http://localhost:${port}/jwks`);
      await stop();
      assert.equal(status, 503, alg);
      const said = readFileSync(log, "utf8");
      assert.match(said, new RegExp(`the ${alg} key of SIGNING_KEYS cannot be used`));
      assert.ok(!said.includes(mixed.d));
    }
  });
});
