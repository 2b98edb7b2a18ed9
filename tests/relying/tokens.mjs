// ID tokens that are wrong in ways that no plan asks for, and odd ones that are right.
import assert from "node:assert/strict";
import { subject } from "../foreign/checks.mjs";
import { claiming, heading, signing, without } from "./behaviour.mjs";
import { listen } from "./issuer.mjs";
import { halfHash, random, seconds, signed, signedBySecret, signingKey, spoiled, unsigned } from "./token.mjs";
import { world } from "./world.mjs";

const audience = /^NotVouched\(IdToken\(Audience\)\)$/;
const time = /^NotVouched\(IdToken\(Time\)\)$/;
const malformed = /^NotVouched\(IdToken\(Signature\(Malformed\)\)\)$/;
const badSignature = /^NotVouched\(IdToken\(Signature\(BadSignature\)\)\)$/;
const day = 86_400;

await subject("ID tokens, on workerd", async (it) => {
  const shared = await world();
  const { client, issuer } = shared;
  const elsewhere = await listen(() => ({ body: { keys: [] } }));
  const refusesEach = async (behaviours, cause, options) => {
    for (const [index, behaviour] of behaviours.entries()) {
      await shared.refuses(behaviour, cause, options).catch((fault) => {
        throw new Error(`number ${index + 1}`, { cause: fault });
      });
    }
  };

  await it("oidc_core_3_1_3_7_3: one audience may stand in a list", async () => {
    await shared.signsIn(claiming({ aud: [client.id] }));
    await shared.signsIn(claiming({ aud: [client.id], azp: client.id }));
    await shared.signsIn(claiming({ aud: client.id, azp: client.id }));
  });
  await it("fd_11, jv_31, oidc_core_3_1_3_7_4_5: with other audiences the authorized party is said, and it is us", async () => {
    await shared.signsIn(claiming({ aud: [client.id, "another-client"], azp: client.id }));
    await refusesEach([
      claiming({ aud: [client.id, "another-client"] }),
      claiming({ aud: ["another-client", client.id], azp: "another-client" }),
      claiming({ aud: client.id, azp: "another-client" }),
      claiming({ aud: client.id, azp: "" }),
      claiming({ aud: client.id, azp: [client.id] }),
      claiming({ aud: ["another-client"], azp: client.id }),
      claiming({ aud: [[client.id]] }),
      claiming({ aud: [client.id, 7], azp: client.id }),
    ], audience);
  });

  await it("jv_13: a token that is over, or whose end is not a time, is refused", async () => {
    const ends = [seconds() - 60, seconds() - day, 0, -1, "never", `${seconds() + 300}`, null, [seconds() + 300], 1e300];
    await refusesEach([without("exp"), ...ends.map((exp) => claiming({ exp }))], time);
  });
  await it("jv_14: a token from the future, or of long ago, is refused", async () => {
    const made = [seconds() + day, seconds() + 600, seconds() - day - 600, `${seconds()}`, null, {}];
    await refusesEach([...made.map((iat) => claiming({ iat })), claiming({ nbf: seconds() + day }), claiming({ nbf: "later" })], time);
  });
  await it("clocks may differ: a token that was made in half a minute, with fractions of a second, is accepted", async () => {
    await shared.signsIn(claiming({ iat: seconds() + 30, nbf: seconds() + 30 }));
    await shared.signsIn(claiming({ iat: seconds() + 0.5, exp: seconds() + 300.25 }));
  });

  await it("jv_30, oidc_core_3_1_3_8: at_hash has to fit when it is there", async () => {
    const wrong = [halfHash("another token", "RS256"), "", null, 7, [halfHash("x", "RS256")]];
    await refusesEach(wrong.map((at_hash) => claiming({ at_hash })), /^NotVouched\(IdToken\(AccessTokenHash\)\)$/);
    await shared.signsIn(without("at_hash"));
  });
  await it("c_hash and s_hash say nothing in the code flow", async () => {
    await shared.signsIn(claiming({ c_hash: "anything", s_hash: 7 }));
  });
  await it("claims that nobody knows, and acr and amr, are no fault", async () => {
    await shared.signsIn(claiming({ acr: "0", amr: ["pwd"], "https://example.com/roles": ["admin"], nested: { deep: [{}] } }));
  });

  await it("the other algorithms are accepted too", async () => {
    for (const key of issuer.keys) {
      await shared.signsIn(signing(({ claims }) => ({ header: { alg: key.alg, kid: key.kid }, claims: { ...claims, at_hash: undefined }, key })));
    }
  });
  await it("jv_30: at_hash is made by the hash of the token's own algorithm", async () => {
    const accessTokens = () => [...issuer.accessTokens.keys()].slice(-1);
    for (const key of issuer.keys) {
      const hashing = (alg) => signing(({ claims }) => {
        const [accessToken] = accessTokens();
        return { header: { alg: key.alg, kid: key.kid }, claims: { ...claims, at_hash: halfHash(accessToken, alg) }, key };
      });
      await shared.signsIn(hashing(key.alg));
      if (key.alg === "EdDSA") await shared.refuses(hashing("RS256"), /^NotVouched\(IdToken\(AccessTokenHash\)\)$/);
    }
  });

  await it("jv_01: none in any spelling is refused", async () => {
    const spelled = ["none", "None", "NONE", "", "nOnE", null, undefined, 0];
    await refusesEach(spelled.map((alg) => signing(({ header, claims, key }) => {
      const [, , signature] = signed(header, claims, key).split(".");
      const input = unsigned({}, claims).split(".")[1];
      const head = Buffer.from(JSON.stringify({ ...header, alg })).toString("base64url");
      return `${head}.${input}.${signature}`;
    })), malformed);
  });
  await it("jv_02: a signature by our secret, or by a public key as if it were one, is refused", async () => {
    const [key] = issuer.keys;
    const secrets = [client.secret, "", JSON.stringify(key.jwk), key.jwk.n, Buffer.from(key.jwk.n, "base64url")];
    await refusesEach(secrets.map((secret) => signing(({ header, claims }) => signedBySecret(header, claims, secret))), malformed);
  });
  await it("jv_03: a key takes part in its own algorithm alone", async () => {
    const [rsa, ec] = issuer.keys;
    // Asked for by the name of a key of another kind: there is no such key.
    await shared.refuses(signing(({ claims }) => signed({ alg: "ES256", kid: rsa.kid }, claims, ec)), /^NotVouched\(IdToken\(Key\(Unknown\)\)\)$/);
    const others = ["PS256", "RS384", "ES384", "HS512", "RS1", "ES256K"];
    await refusesEach(others.map((alg) => heading({ alg })), malformed);
  });
  await it("jv_04, jv_05, jv_06: a key that a token brings along is not used, and nobody fetches one", async () => {
    const own = signingKey("RS256", random());
    const [known] = issuer.keys;
    const brought = [{ jwk: own.jwk }, { jku: `${elsewhere.url}/jwks` }, { x5u: `${elsewhere.url}/x5u` }, { x5c: ["MIIB"] }];
    await refusesEach(brought.map((more) => signing(({ claims }) => signed({ alg: "RS256", kid: known.kid, ...more }, claims, own))), badSignature);
    assert.deepEqual(elsewhere.seen, []);
  });
  await it("jv_07: names of keys that nobody has are refused, and lead nowhere", async () => {
    const names = ["../../etc/passwd", "' OR 1=1 --", `${elsewhere.url}/jwks`, "", "\u0000", "schl\u00fcssel", "k".repeat(4000)];
    await refusesEach(names.map((kid) => heading({ kid })), /^NotVouched\(IdToken\(Key\(Unknown\)\)\)$/);
    await refusesEach([7, [], { kid: 1 }].map((kid) => heading({ kid })), malformed);
    assert.deepEqual(elsewhere.seen, []);
    await shared.signsIn();
  });
  await it("jv_10: an extension that has to be understood is not", async () => {
    const critical = /^NotVouched\(IdToken\(Signature\(Critical\)\)\)$/;
    await refusesEach([["exp"], ["b64"], [], "exp", {}].map((crit) => heading({ crit, b64: false })), critical);
  });
  await it("jv_16, jv_17: another kind of token is no ID token", async () => {
    const kinds = ["at+jwt", "application/at+jwt", "AT+JWT", "logout+jwt", "dpop+jwt", "secevent+jwt", ""];
    await refusesEach(kinds.map((typ) => heading({ typ })), /^NotVouched\(IdToken\(Type\)\)$/);
    for (const typ of ["JWT", "jwt", "application/jwt"]) await shared.signsIn(heading({ typ }));
  });
  await it("jv_18: a member that is there twice is refused, in the header and among the claims", async () => {
    const twice = (value, member) => `${JSON.stringify(value).slice(0, -1)},${member}}`;
    await shared.refuses(signing(({ header, claims, key }) => signed(twice(header, `"alg":"RS256"`), claims, key)), malformed);
    const bad = /^NotVouched\(IdToken\(Signature\(BadClaims\)\)\)$/;
    await shared.refuses(signing(({ header, claims, key }) => signed(header, twice(claims, `"sub":"somebody-else"`), key)), bad);
    for (const text of ["[]", "null", `"x"`, "{", "7"]) {
      await shared.refuses(signing(({ header, key }) => signed(header, text, key)), bad);
    }
  });
  await it("jv_19, jv_20, jv_25: what is too long or too many parts, or not quite base64url, is refused", async () => {
    const spelled = (change) => signing(({ header, claims, key }) => change(signed(header, claims, key)));
    await refusesEach([
      claiming({ padding: "x".repeat(20_000) }),
      heading({ padding: "x".repeat(20_000) }),
      spelled((token) => `${token}.`),
      spelled((token) => `${token}.${token}`),
      spelled((token) => token.split(".").slice(0, 2).join(".")),
      spelled((token) => `${token}=`),
      spelled((token) => ` ${token}`),
      spelled((token) => token.replace(/\./, "..")),
      spelled(() => "...."),
      spelled(() => "x"),
      spelled((token) => JSON.stringify({ payload: token.split(".")[1], protected: token.split(".")[0], signature: token.split(".")[2] })),
    ], malformed);
    await shared.refuses(spelled((token) => `${token.slice(0, token.lastIndexOf("."))}.`), badSignature);
  });
  await it("jv_22: signatures of ECDSA that fit everything, or come as DER, are refused", async () => {
    const [, ec] = issuer.keys;
    const by = (change) => signing(({ claims }) => {
      const token = signed({ alg: "ES256", kid: ec.kid }, { ...claims, at_hash: undefined }, ec);
      const bytes = Buffer.from(token.slice(token.lastIndexOf(".") + 1), "base64url");
      return `${token.slice(0, token.lastIndexOf("."))}.${change(bytes).toString("base64url")}`;
    });
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    const der = (bytes) => Buffer.concat([Buffer.from([0x30, 68, 2, 32]), bytes.subarray(0, 32), Buffer.from([2, 32]), bytes.subarray(32)]);
    await shared.signsIn(by((bytes) => bytes));
    await refusesEach([
      by(() => Buffer.alloc(64)),
      by(() => Buffer.concat([order, order])),
      by(() => Buffer.concat([order, Buffer.alloc(31), Buffer.from([1])])),
      by((bytes) => bytes.subarray(0, 63)),
      by((bytes) => Buffer.concat([bytes, Buffer.alloc(1)])),
      by(der),
    ], badSignature);
    await shared.refuses(signing(({ claims }) => spoiled(signed({ alg: "ES256", kid: ec.kid }, claims, ec))), badSignature);
  });
  await it("jv_17: the access token, or an ID token of another sign-in, in its place is refused", async () => {
    await shared.signsIn();
    const [other] = issuer.idTokens.slice(-1);
    await shared.refuses(signing(() => other), /^NotVouched\(IdToken\((AccessTokenHash|Nonce)\)\)$/);
    await shared.refuses({ token: ({ body }) => ({ body: { ...body, id_token: body.access_token } }) }, malformed);
  });
  await it("gc_12: without an ID token nobody is signed in", async () => {
    for (const id_token of [undefined, null, "", 7, {}]) {
      await shared.refuses({ token: ({ body }) => ({ body: { ...body, id_token } }) }, /^NotVouched\(NoIdToken\)$/);
    }
  });
  await it("and after all of that alice signs in as before", () => shared.signsIn());
});
