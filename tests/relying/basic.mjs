// The basic plan: ID tokens with one thing wrong, and userinfo.
import assert from "node:assert/strict";
import { answering, claiming, heading, nameless, signing, without } from "./behaviour.mjs";
import { alice } from "./issuer.mjs";
import { plan } from "./plan.mjs";
import { random, signed, signingKey, spoiled, unsigned } from "./token.mjs";
import { world } from "./world.mjs";

await plan("oidcc-client-basic-certification-test-plan", async (module) => {
  // Keys are remembered, so issuers that publish others have gateways of their own.
  const [shared, single, unnamed, several] = await Promise.all([
    world(),
    world({ issuer: { keys: [signingKey("RS256", random())] } }),
    world({ issuer: { keys: [signingKey("RS256")] } }),
    world({ issuer: { keys: [signingKey("RS256"), signingKey("RS256")] } }),
  ]);

  await module("oidcc-client-test", "code, tokens and userinfo: alice is signed in", async () => {
    const { token } = await shared.signsIn();
    const [asked, ...more] = shared.issuer.asked("userinfo");
    assert.equal(more.length, 0);
    assert.deepEqual([asked.method, asked.headers.authorization], ["GET", `Bearer ${token}`]);
    assert.equal(asked.query.size, 0);
  });

  await module("oidcc-client-test-invalid-iss", "an ID token of another issuer is refused", async () => {
    const { issuer: { identifier } } = shared;
    for (const iss of ["https://other.example", `${identifier}/`, `${identifier}x`, identifier.toUpperCase(), [identifier], ""]) {
      await shared.refuses(claiming({ iss }), /^NotVouched\(IdToken\(Issuer\)\)$/);
    }
    await shared.refuses(without("iss"), /^NotVouched\(IdToken\(Issuer\)\)$/);
  });

  await module("oidcc-client-test-missing-sub", "an ID token about nobody is refused", async () => {
    await shared.refuses(without("sub"), /^NotVouched\(IdToken\(Subject\)\)$/);
    for (const sub of ["", null, 7, "x".repeat(256)]) await shared.refuses(claiming({ sub }), /^NotVouched\(IdToken\(Subject\)\)$/);
  });

  await module("oidcc-client-test-invalid-aud", "an ID token for somebody else is refused", async () => {
    for (const aud of ["another-client", "", "Gateway", "gateway ", ["another-client"], [], null, { gateway: true }]) {
      await shared.refuses(claiming({ aud }), /^NotVouched\(IdToken\(Audience\)\)$/);
    }
    await shared.refuses(without("aud"), /^NotVouched\(IdToken\(Audience\)\)$/);
  });

  await module("oidcc-client-test-missing-iat", "an ID token of unknown age is refused", async () => {
    await shared.refuses(without("iat"), /^NotVouched\(IdToken\(Time\)\)$/);
    await shared.refuses(claiming({ iat: "now" }), /^NotVouched\(IdToken\(Time\)\)$/);
  });

  await module("oidcc-client-test-kid-absent-single-jwks", "without a key id the only key that fits is used", async () => {
    await single.signsIn(nameless);
    await unnamed.signsIn();
    // Of three published keys one is of the token's algorithm.
    await shared.signsIn(nameless);
  });

  await module("oidcc-client-test-kid-absent-multiple-jwks", "without a key id and with several that fit the ID token is refused, as it may be", async () => {
    await several.refuses({}, /^NotVouched\(IdToken\(Key\(Unknown\)\)\)$/);
  });

  await module("oidcc-client-test-idtoken-sig-rs256", "RS256 is accepted", async () => {
    await shared.signsIn(heading({ typ: "JWT" }));
    const [{ alg }] = shared.issuer.keys;
    assert.equal(alg, "RS256");
  });

  await module("oidcc-client-test-idtoken-sig-none", "an unsigned ID token is refused, and userinfo isn't asked", async () => {
    await shared.refuses(signing(({ header, claims }) => unsigned(header, claims)), /^NotVouched\(IdToken\(Signature\(Malformed\)\)\)$/);
    await shared.refuses(signing(({ claims }) => unsigned({}, claims)), /^NotVouched\(IdToken\(Signature\(Malformed\)\)\)$/);
  });

  await module("oidcc-client-test-invalid-sig-rs256", "a signature that doesn't fit is refused", async () => {
    const bad = /^NotVouched\(IdToken\(Signature\(BadSignature\)\)\)$/;
    await shared.refuses(signing(({ header, claims, key }) => spoiled(signed(header, claims, key))), bad);
    const other = signingKey("RS256");
    await shared.refuses(signing(({ header, claims }) => signed(header, claims, other)), bad);
  });

  await module("oidcc-client-test-userinfo-invalid-sub", "userinfo about somebody else is refused", async () => {
    for (const body of [{ ...alice, sub: "somebody-else" }, { ...alice, sub: undefined }, { ...alice, sub: Number(alice.sub) }]) {
      await shared.refuses(answering("userinfo", { body }), /^Userinfo\(OtherSubject\)$/, { userinfo: 1 });
    }
  });

  await module("oidcc-client-test-nonce-invalid", "an ID token that answers another request is refused", async () => {
    for (const nonce of ["somebody-elses", "", null]) await shared.refuses(claiming({ nonce }), /^NotVouched\(IdToken\(Nonce\)\)$/);
    await shared.refuses(without("nonce"), /^NotVouched\(IdToken\(Nonce\)\)$/);
  });

  await module("oidcc-client-test-scope-userinfo-claims", "claims are asked for by scope, and what userinfo tells is known", async () => {
    const { session } = await shared.signsIn();
    const [{ query }] = shared.issuer.asked("authorize");
    for (const scope of ["profile", "email"]) assert.ok(query.get("scope").split(" ").includes(scope), scope);
    const { name, email, email_verified } = session.claims;
    assert.deepEqual({ name, email, email_verified }, { name: alice.name, email: alice.email, email_verified: true });
  });

  await module("oidcc-client-test-client-secret-basic", "the secret goes into the header and nowhere else", async () => {
    await shared.signsIn();
    const [{ headers, body }] = shared.issuer.asked("token");
    const { id, secret } = shared.client;
    assert.equal(Buffer.from(headers.authorization.replace(/^Basic /, ""), "base64").toString(), `${id}:${secret}`);
    assert.ok(!body.includes(secret) && !body.includes("client_"));
  });
});
