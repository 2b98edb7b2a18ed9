// Metadata and keys that are wrong. What can't be used is not remembered, and what is remembered outlives what can't be used.
import assert from "node:assert/strict";
import { subject } from "../foreign/checks.mjs";
import { answering, signing } from "./behaviour.mjs";
import { issuerFor, listen, publishedKeys } from "./issuer.mjs";
import { random, signed, signingKey } from "./token.mjs";
import { world } from "./world.mjs";

const html = "<!DOCTYPE html><title>Oops</title>";
const megabyte = "x".repeat(1 << 20);
const discovery = (answer) => answering("discovery", answer);
const saying = (changes) => ({ discovery: ({ body }) => ({ body: { ...body, ...changes } }) });

await subject("metadata and keys, on workerd", async (it) => {
  const trap = await listen(() => ({ status: 404 }));

  await it("fd_29, fd_31: metadata that redirect, fail, are a page, or are too long, are none, and the next question is asked anew", async () => {
    const fresh = await world();
    // Good ones, elsewhere.
    const impostor = await issuerFor(fresh.client);
    impostor.metadata.issuer = fresh.issuer.identifier;
    const faults = [
      ...[301, 302, 303, 307, 308].map((status) => ({ status, headers: { location: `${impostor.identifier}/.well-known/openid-configuration` } })),
      ...[201, 204, 400, 404, 429, 500, 503].map((status) => ({ status, body: status === 204 ? "" : fresh.issuer.metadata })),
      { body: html }, { body: "" }, { body: "null" }, { body: [fresh.issuer.metadata] }, { body: JSON.stringify(fresh.issuer.metadata).slice(0, -1) },
      { body: { ...fresh.issuer.metadata, padding: megabyte } },
      { headers: { "transfer-encoding": "chunked" }, body: { ...fresh.issuer.metadata, padding: megabyte } },
    ];
    for (const [index, fault] of faults.entries()) {
      await fresh.sendsNobodyThere(discovery(fault)).catch((cause) => {
        throw new Error(`number ${index + 1}`, { cause });
      });
    }
    assert.deepEqual(impostor.seen, []);
    await fresh.signsIn();
  });
  await it("fd_30: an endpoint that is missing, without TLS, or has what is no part of one, is not used", async () => {
    const fresh = await world();
    const { token_endpoint } = fresh.issuer.metadata;
    const bad = [
      undefined, "", "/token", "http://other.example/x", "javascript:alert(1)", "file:///etc/passwd", `${token_endpoint}#f`,
      token_endpoint.replace("//", "//user:pass@"), `${token_endpoint}?client_id=evil`, 7, [token_endpoint],
    ];
    for (const name of ["authorization_endpoint", "token_endpoint", "jwks_uri"]) {
      for (const value of bad) {
        await fresh.sendsNobodyThere(saying({ [name]: value })).catch((cause) => {
          throw new Error(`${name}: ${value}`, { cause });
        });
      }
    }
    for (const name of ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"]) {
      for (const value of ["", "http://other.example/x", "javascript:alert(1)"]) await fresh.sendsNobodyThere(saying({ [name]: value }));
    }
    await fresh.signsIn();
  }, 120);
  await it("rfc6749_3_1: a query that an endpoint brings along is kept", async () => {
    const fresh = await world();
    await fresh.signsIn(saying({
      authorization_endpoint: `${fresh.issuer.metadata.authorization_endpoint}?tenant=a%26b`,
      token_endpoint: `${fresh.issuer.metadata.token_endpoint}?tenant=a%26b`,
    }));
    for (const endpoint of ["authorize", "token"]) {
      const [{ query }] = fresh.issuer.asked(endpoint);
      assert.equal(query.get("tenant"), "a&b", endpoint);
    }
  });
  await it("what metadata need not say, and what nobody knows, is no fault", async () => {
    const plain = await world({ issuer: { metadata: { userinfo_endpoint: undefined, revocation_endpoint: undefined, end_session_endpoint: undefined, scopes_supported: undefined, x_extra: [{}] } } });
    const { visitor, session } = await plain.signsIn();
    assert.deepEqual([session.claims, plain.issuer.asked("userinfo")], [{}, []]);
    plain.origin.seen.splice(0);
    const left = await plain.signOut(visitor);
    assert.equal(left.status, 200);
    assert.match(left.body, /You are signed out/);
    await plain.isNobody(visitor);
    assert.deepEqual([plain.issuer.asked("revocation"), plain.issuer.asked("endSession")], [[], []]);
  });

  await it("jv_27, fd_29: keys that redirect, fail, are a page, or are too long, check nothing", async () => {
    const faults = [
      { status: 302, headers: { location: `${trap.url}/jwks` } },
      { status: 500, body: html },
      { body: html },
      { body: { keys: [], padding: megabyte } },
      { body: { keys: [] } },
      { body: [] },
      { status: 404, body: html },
    ];
    // Each in a gateway of its own: one that never had keys waits a little before it asks again.
    const worlds = await Promise.all(faults.map(() => world()));
    for (const [index, fault] of faults.entries()) {
      await worlds[index].refuses(answering("jwks", fault), /^NotVouched\(IdToken\(Key\(Unavailable\)\)\)$/);
    }
    assert.deepEqual(trap.seen, []);
  }, 120);
  await it("jv_23, jv_24, jv_26, jv_27: keys that are weak, odd, of another purpose, or secret, check nothing; a good one beside them does", async () => {
    const named = (kid, changes, options) => {
      const key = signingKey("RS256", kid, options);
      return { ...key, jwk: { ...key.jwk, ...changes } };
    };
    const useless = [
      named("short", {}, { modulusLength: 1024 }),
      named("encrypts", { use: "enc" }),
      named("other-alg", { alg: "RS512" }),
      named("exponent", { e: "AQ" }),
      named("secret", { kty: "oct", k: "c2VjcmV0", alg: "HS256" }),
    ];
    const odd = [
      { kty: "XYZ", kid: "x" }, { kty: "EC", crv: "P-384", x: "AA", y: "AA", kid: "p384" }, { kty: "oct", k: "c2VjcmV0" }, {}, { kty: "RSA" }, "text", null,
      { kty: "OKP", crv: "X25519", x: "AA" },
    ].map((jwk) => ({ jwk }));
    const ec = signingKey("ES256", "off-curve");
    const off = { ...ec, jwk: { ...ec.jwk, y: ec.jwk.x } };
    const fresh = await world({ issuer: { keys: [...publishedKeys(), ...useless, ...odd, off] } });
    const by = (key) => signing(({ claims }) => ({ header: { alg: key.alg, kid: key.kid }, claims: { ...claims, at_hash: undefined }, key }));
    await fresh.signsIn();
    for (const key of useless) await fresh.refuses(by(key), /^NotVouched\(IdToken\(Key\(Unknown\)\)\)$/);
    await fresh.refuses(by(off), /^NotVouched\(IdToken\(Signature\(BadSignature\)\)\)$/);
    await fresh.signsIn();
  });
  await it("jv_27, jv_28: keys that were good serve on while there are no better ones", async () => {
    const fresh = await world();
    await fresh.signsIn();
    const [old] = fresh.issuer.keys;
    const later = signingKey("RS256", random());
    const byNew = signing(({ claims }) => signed({ alg: "RS256", kid: later.kid }, { ...claims, at_hash: undefined }, later));
    await fresh.refuses({ ...byNew, ...answering("jwks", { status: 500, body: html }) }, /^NotVouched\(IdToken\(Key\(Unavailable\)\)\)$/);
    await fresh.signsIn(answering("jwks", { body: { keys: [] } }));
    assert.deepEqual([fresh.issuer.keys[0], fresh.issuer.asked("jwks")], [old, []]);
  });
  await it("jv_08: forty unknown key ids cost one question", async () => {
    const fresh = await world();
    await fresh.signsIn();
    let asked = 0;
    for (let turn = 0; turn < 40; turn += 1) {
      await fresh.attempt(signing(({ header, claims, key }) => signed({ ...header, kid: random() }, claims, key)));
      asked += fresh.issuer.asked("jwks").length;
    }
    // Another one when they took longer than the half minute in between.
    assert.ok(asked >= 1 && asked <= 3, `${asked} questions`);
    await fresh.signsIn();
  }, 120);
});
