// Answers of the token endpoint and of userinfo, while somebody signs in, that are odd or wrong.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { subject } from "../foreign/checks.mjs";
import { answering, telling } from "./behaviour.mjs";
import { alice, listen } from "./issuer.mjs";
import { seconds, signed, signingKey } from "./token.mjs";
import { world } from "./world.mjs";

const token = (answer) => answering("token", answer);
const unavailable = /^NotVouched\(Token\(Unavailable \{ retry_after: None \}\)\)$/;
const html = "<!DOCTYPE html><title>Oops</title><h1>Something went wrong</h1>";
const megabyte = "x".repeat(1 << 20);
const bomb = gzipSync(Buffer.alloc(32 << 20, 0x20));

await subject("answers to a code, on workerd", async (it) => {
  const shared = await world();
  const { issuer } = shared;
  const trap = await listen(() => ({ body: { access_token: "stolen", token_type: "Bearer" } }));
  const refusesEach = async (behaviours, cause, options) => {
    for (const [index, behaviour] of behaviours.entries()) {
      await shared.refuses(behaviour, cause, options).catch((fault) => {
        throw new Error(`number ${index + 1}`, { cause: fault });
      });
    }
  };
  // How long the access token is taken to live, between two bounds, for nobody knows when exactly it came.
  async function livesFor(behaviour, wanted) {
    const before = seconds();
    const { session } = await shared.signsIn(behaviour);
    const ends = session.access_token_ends_at;
    assert.ok(ends >= before + wanted && ends <= seconds() + wanted, `it ends in ${ends - before} s instead of ${wanted}`);
  }

  await it("gc_10, rfc6749_5_2: invalid_grant means the same with every status: begin again", async () => {
    for (const status of [400, 200, 401, 403, 500]) {
      await shared.refuses(token({ status, body: { error: "invalid_grant", error_description: "<b>no</b>" } }), /^NotVouched\(Token\(Refused\)\)$/, { status: 400 });
    }
    await shared.refuses(telling({ error: "invalid_grant" }), /^NotVouched\(Token\(Refused\)\)$/, { status: 400 });
  });
  await it("rfc6749_5_2: an error wins over the tokens beside it, with status 200 too", async () => {
    await shared.refuses(telling({ error: "invalid_client" }), /^NotVouched\(Token\(Misconfigured\(Some\(InvalidClient\)\)\)\)$/);
    await shared.refuses(telling({ error: "something_else" }), /^NotVouched\(Token\(Misconfigured\(None\)\)\)$/);
    await shared.refuses(telling({ error: 7 }), /^NotVouched\(Token\(Misconfigured\(None\)\)\)$/);
    await shared.signsIn(telling({ error: null }));
  });
  await it("rfc6749_5_2: that it is the gateway which is not accepted is for the operator", async () => {
    const words = { invalid_client: [401, "InvalidClient"], unauthorized_client: [400, "UnauthorizedClient"], invalid_scope: [403, "InvalidScope"], access_denied: [200, "AccessDenied"] };
    for (const [error, [status, name]] of Object.entries(words)) {
      const cause = new RegExp(`^NotVouched\\(Token\\(Misconfigured\\(Some\\(${name}\\)\\)\\)\\)$`);
      const { page } = await shared.refuses(token({ status, body: { error, error_description: "kaput-4711" } }), cause);
      assert.ok(!page.body.includes(error) && !page.body.includes("4711"), "the browser is told the issuer's words");
    }
    for (const error of ["server_error", "temporarily_unavailable"]) await shared.refuses(token({ status: 400, body: { error } }), unavailable);
  });

  await it("gc_12, rfc6749_7_1: a token of a type that is not Bearer is not used", async () => {
    const types = ["DPoP", "mac", "N_A", "", "Bearer ", "Bearer, DPoP", undefined, null, 7, ["Bearer"]];
    await refusesEach(types.map((token_type) => telling({ token_type })), /^NotVouched\(Token\(Misconfigured\(None\)\)\)$/);
    for (const token_type of ["bearer", "BEARER", "bEARER"]) await shared.signsIn(telling({ token_type }));
  });
  await it("gc_12: an access token that no header could carry is not used, and without one there is none", async () => {
    for (const access_token of ["two words", "line\nbreak", "sch\u00f6n", "\u0000"]) {
      await shared.refuses(telling({ access_token }), /^NotVouched\(Token\(Misconfigured\(None\)\)\)$/);
    }
    for (const access_token of [undefined, null, "", 7, {}]) await shared.refuses(telling({ access_token }), unavailable);
  });
  await it("gc_12, rfc6749_5_1: expires_in may be absent, text, or senseless: nothing lives for ever, and nobody is refused", async () => {
    for (const [expires_in, wanted] of [[600, 600], ["600", 600], [" 600 ", 600], [600.9, 600], [1e20, 366 * 86_400]]) await livesFor(telling({ expires_in }), wanted);
    for (const expires_in of [undefined, null, -1, 0, 0.5, "soon", "", "NaN", {}, [600], true, "-600"]) await livesFor(telling({ expires_in }), 300);
    // Nobody can get another one: it is used until the session ends, ten hours by default.
    await livesFor(telling({ expires_in: undefined, refresh_token: undefined }), 36_000);
  });
  await it("gc_12: what else an answer says, and a scope that is not what was asked for, is no fault", async () => {
    await shared.signsIn(telling({ scope: "openid" }));
    await shared.signsIn(telling({ scope: 7, refresh_token: null, extra: [{ deep: {} }], session_state: "x" }));
    for (const type of ["text/plain", "application/json;charset=UTF-8", "text/html"]) {
      await shared.signsIn({ token: ({ body }) => ({ headers: { "content-type": type }, body }) });
    }
  });

  await it("gc_13, fd_31: pages, nothing, half of something and odd statuses are no tokens", async () => {
    const good = ({ body }, status) => ({ status, body });
    await refusesEach([
      ...[200, 400, 404, 408, 429, 500, 502, 503].map((status) => token({ status, body: html })),
      token({ status: 200 }),
      token({ status: 204 }),
      token({ body: "{\"access_token\":" }),
      ...[[], "null", "true", "[{}]"].map((body) => token({ body })),
      token({ body: `{"access_token":"a","access_token":"b","token_type":"Bearer"}` }),
      ...[201, 202, 400, 500].map((status) => ({ token: (answer) => good(answer, status) })),
    ], unavailable);
  });
  await it("gc_13: how long to wait is for the operator to read", async () => {
    for (const [after, read] of [["7", "Some(7)"], ["999999", "Some(3600)"], ["soon", "None"]]) {
      const cause = new RegExp(`^NotVouched\\(Token\\(Unavailable \\{ retry_after: ${read.replace(/[()]/g, "\\$&")} \\}\\)\\)$`);
      await shared.refuses(token({ status: 503, headers: { "retry-after": after }, body: html }), cause);
    }
  });
  await it("fd_31: an answer of a megabyte is not read to its end, whether or not it says so, nor one that unpacks to 32", async () => {
    await refusesEach([
      telling({ padding: megabyte }),
      { token: ({ body }) => ({ headers: { "transfer-encoding": "chunked" }, body: { ...body, padding: megabyte } }) },
      token({ headers: { "content-encoding": "gzip" }, body: bomb }),
    ], unavailable);
    await shared.signsIn({ token: ({ body }) => ({ headers: { "content-encoding": "gzip" }, body: gzipSync(JSON.stringify(body)) }) });
  });
  await it("fd_29: a redirect at the token endpoint is not followed, neither elsewhere nor to itself", async () => {
    const places = [`${trap.url}/token`, issuer.metadata.token_endpoint, "/token", "//localhost/token"];
    for (const status of [301, 302, 303, 307, 308]) {
      for (const location of places) await shared.refuses(token({ status, headers: { location } }), unavailable);
    }
    await shared.refuses(token({ status: 300, headers: { location: trap.url, refresh: `0;url=${trap.url}` } }), unavailable);
    assert.deepEqual(trap.seen, []);
    assert.deepEqual([issuer.asked("token").length, issuer.asked("nothing").length], [1, 0]);
  });

  // Names are not worth failing a sign-in; somebody else's names are.
  const knowsNoNames = async (behaviour) => {
    const { session } = await shared.signsIn(behaviour);
    assert.deepEqual(session.claims, {});
    assert.equal(issuer.asked("userinfo").length, 1);
  };
  await it("oidc_core_5_3_2: userinfo as a JWT, which nobody asked for, is not used: neither a good one nor a forged one", async () => {
    const headers = { "content-type": "application/jwt" };
    const told = { ...alice, iss: issuer.identifier, aud: "gateway" };
    for (const key of [issuer.keys[0], signingKey("RS256", "forged")]) {
      await knowsNoNames({ userinfo: () => ({ headers, body: signed({ alg: key.alg, kid: key.kid }, told, key) }) });
    }
  });
  await it("userinfo that fails, or makes no sense, tells nothing, and alice is signed in all the same", async () => {
    const answers = [
      ...[401, 403, 404, 429, 500, 503].map((status) => ({ status, body: { ...alice } })),
      { body: html }, { status: 204 }, { body: [alice] }, { body: "null" },
      { body: `{"sub":"${alice.sub}","name":"A","name":"B"}` },
      { body: { ...alice, padding: megabyte } },
      { headers: { "content-encoding": "gzip" }, body: bomb },
    ];
    for (const answer of answers) await knowsNoNames(answering("userinfo", answer));
  });
  await it("fd_29: a redirect at userinfo is not followed, so nobody else gets the token", async () => {
    for (const status of [302, 307, 308]) await knowsNoNames(answering("userinfo", { status, headers: { location: `${trap.url}/userinfo` } }));
    assert.deepEqual(trap.seen, []);
  });
  await it("userinfo can't put itself in the place of the ID token, nor fill the session", async () => {
    const { session } = await shared.signsIn({ userinfo: ({ body }) => ({ body: { ...body, iss: "https://other.example", sid: "x", exp: 1, picture: "p".repeat(5000), roles: ["admin"] } }) });
    assert.equal(session.subject, alice.sub);
    assert.deepEqual(Object.keys(session.claims).sort(), ["email", "email_verified", "family_name", "given_name", "name", "preferred_username"]);
  });
  await it("an ID token that names her is enough: userinfo isn't asked", async () => {
    const { session } = await shared.signsIn({ idToken: ({ claims, ...rest }) => ({ ...rest, claims: { ...claims, name: "Alice of the token" } }) });
    assert.deepEqual([session.claims.name, issuer.asked("userinfo").length], ["Alice of the token", 0]);
  });
  await it("and after all of that alice signs in as before", () => shared.signsIn());
});
