// The plan about discovery and keys. What a gateway has read it remembers, so each of these has one of its own.
import assert from "node:assert/strict";
import { signing } from "./behaviour.mjs";
import { publishedKeys } from "./issuer.mjs";
import { plan } from "./plan.mjs";
import { unsigned } from "./token.mjs";
import { world } from "./world.mjs";

await plan("oidcc-client-config-certification-test-plan", async (module) => {
  const [configured, mismatch, before, rotating] = await Promise.all([
    world({ issuer: { path: "/tenants/wonderland" } }),
    world(),
    world(),
    world(),
  ]);

  await module("oidcc-client-test-discovery-openid-config", "everything is where the metadata say, below an issuer with a path too", async () => {
    await configured.signsIn();
    const { issuer } = configured;
    assert.deepEqual(issuer.asked("discovery").map(({ method, path }) => [method, path]), [["GET", "/tenants/wonderland/.well-known/openid-configuration"]]);
    assert.deepEqual(issuer.asked("nothing"), []);
    await configured.signsIn();
    assert.deepEqual(issuer.asked("discovery"), [], "what was read is remembered");
  });

  await module("oidcc-client-test-discovery-jwks-uri-keys", "keys come from jwks_uri, which nobody can know but from the metadata", async () => {
    const fresh = await world();
    await fresh.signsIn();
    const { issuer } = fresh;
    assert.deepEqual(issuer.asked("jwks").map(({ path }) => path), [new URL(issuer.metadata.jwks_uri).pathname]);
    assert.deepEqual(issuer.asked("nothing"), []);
  });

  await module("oidcc-client-test-discovery-issuer-mismatch", "metadata of another issuer are not used", async () => {
    const { issuer } = mismatch;
    for (const other of ["https://other.example", `${issuer.identifier}/`, issuer.identifier.replace("localhost", "127.0.0.1"), undefined]) {
      await mismatch.sendsNobodyThere({ discovery: ({ body }) => ({ body: { ...body, issuer: other } }) });
    }
    await mismatch.signsIn();
  });

  await module("oidcc-client-test-idtoken-sig-none", "an unsigned ID token is refused although metadata offer it", async () => {
    const offering = await world({ issuer: { metadata: { id_token_signing_alg_values_supported: ["none", "RS256"] } } });
    await offering.refuses(signing(({ header, claims }) => unsigned(header, claims)), /^NotVouched\(IdToken\(Signature\(Malformed\)\)\)$/);
  });

  await module("oidcc-client-test-signing-key-rotation-just-before-signing", "keys that change while a code is redeemed are read again", async () => {
    const { issuer } = before;
    await before.signsIn();
    // The token is signed by the new key, and the old ones are gone.
    await before.signsIn({
      idToken({ claims }) {
        issuer.keys = publishedKeys();
        const [key] = issuer.keys;
        return { header: { alg: key.alg, kid: key.kid }, claims: { ...claims, at_hash: undefined }, key };
      },
    });
    assert.equal(issuer.asked("jwks").length, 1);
    await before.signsIn();
    assert.equal(issuer.asked("jwks").length, 0);
  });

  await module("oidcc-client-test-signing-key-rotation", "between two sign-ins keys are replaced: the second reads them again", async () => {
    const { issuer } = rotating;
    await rotating.signsIn();
    const old = issuer.keys;
    issuer.keys = publishedKeys();
    await rotating.signsIn();
    assert.equal(issuer.asked("jwks").length, 1);
    // What was withdrawn signs nobody in any more.
    const [withdrawn] = old;
    const stale = signing(({ claims }) => ({ header: { alg: withdrawn.alg, kid: withdrawn.kid }, claims, key: withdrawn }));
    await rotating.refuses(stale, /^NotVouched\(IdToken\(Key\(Unknown\)\)\)$/);
    await rotating.signsIn();
  });
});
