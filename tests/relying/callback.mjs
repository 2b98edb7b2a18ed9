// What the browser brings back, and what the gateway says about itself.
import assert from "node:assert/strict";
import { subject } from "../foreign/checks.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { alice } from "./issuer.mjs";
import { world } from "./world.mjs";

const stale = { status: 400 };
const back = (change) => ({ authorize: change });

await subject("authorization responses, on workerd", async (it) => {
  const [quiet, named, posting, open] = await Promise.all([
    world(),
    world({ issuer: { metadata: { authorization_response_iss_parameter_supported: true } } }),
    world({ settings: { CLIENT_AUTH: "client_secret_post" } }),
    world({ settings: { CLIENT_AUTH: "none" } }),
  ]);
  // Refused before anything was asked of the token endpoint.
  const refuses = async (world, change, cause, options = stale) => {
    const refused = await world.refuses(back(change), cause, options);
    assert.equal(world.issuer.asked("token").length, 0, "a code was redeemed");
    return refused;
  };

  await it("gc_01: without state, or with another, nothing is redeemed", async () => {
    for (const state of [undefined, "", "somebody-elses"]) {
      await refuses(quiet, (right) => ({ ...right, state }), /^State$/, { ...stale, pending: true });
    }
    await refuses(quiet, ({ state, ...right }) => ({ ...right, state: `${state}x` }), /^State$/, { ...stale, pending: true });
  });
  await it("gc_06: a parameter that is there twice is refused", async () => {
    await refuses(quiet, (right) => ({ ...right, code: [right.code, "another"] }), /^State$/, { ...stale, pending: true });
    await refuses(quiet, (right) => ({ ...right, state: [right.state, right.state] }), /^State$/, { ...stale, pending: true });
  });
  await it("rfc6749_4_1_2: without a code there is nothing to redeem", async () => {
    for (const code of [undefined, ""]) await refuses(quiet, (right) => ({ ...right, code }), /^Callback\(NoCode\)$/);
  });
  await it("gc_08, rfc6749_4_1_2_1: an error wins over a code, and its words are not repeated", async () => {
    const words = { access_denied: [403, "Some\\(AccessDenied\\)"], login_required: [400, "Some\\(LoginRequired\\)"], server_error: [400, "Some\\(ServerError\\)"], "<script>": [400, "None"], "": [400, "None"] };
    for (const [error, [status, told]] of Object.entries(words)) {
      const change = (right) => ({ ...right, error, error_description: "<img src=x onerror=alert(4711)>", error_uri: "javascript:alert(4711)" });
      const { page } = await refuses(quiet, change, new RegExp(`^Callback\\(Provider\\(${told}\\)\\)$`), { status });
      assert.ok(!/4711|javascript:|<script>|onerror/.test(page.body), page.body);
    }
  });

  await it("gc_04, rfc9207_2_4: an issuer that says who answers has to say it, and be the one we asked", async () => {
    await named.signsIn();
    const { identifier } = named.issuer;
    for (const iss of [undefined, "", "https://other.example", `${identifier}/`, identifier.toUpperCase()]) {
      await refuses(named, (right) => ({ ...right, iss }), /^Callback\(Issuer\)$/);
    }
    await refuses(named, ({ code, ...right }) => ({ ...right, iss: "https://other.example", error: "access_denied" }), /^Callback\(Issuer\)$/);
    await named.signsIn();
  });
  await it("fd_07, rfc9207_2_4: one that does not say so may be silent, but not be another", async () => {
    const { identifier } = quiet.issuer;
    await quiet.signsIn();
    await quiet.signsIn(back((right) => ({ ...right, iss: identifier })));
    for (const iss of ["", "https://other.example", quiet.app]) {
      await refuses(quiet, (right) => ({ ...right, iss }), /^Callback\(Issuer\)$/);
    }
  });

  await it("gc_02: a callback of another browser signs nobody in, and redeems nothing", async () => {
    const { visitor } = await quiet.attempt(back(({ state }) => ({ state })));
    let brought;
    await quiet.attempt({ authorize: (right) => {
      brought = right;
      return { state: right.state };
    } });
    quiet.issuer.forget();
    const page = await visitor.open(`${quiet.client.redirectUri}?${new URLSearchParams(brought)}`);
    assert.equal(page.status, 400);
    const stranger = await new Visitor().open(`${quiet.client.redirectUri}?${new URLSearchParams(brought)}`);
    assert.equal(stranger.status, 400);
    assert.deepEqual(quiet.issuer.asked("token"), []);
    await quiet.isNobody(visitor);
  });
  await it("gc_10, rfc9700_4_5: a code of somebody else's flow is worth nothing in this one", async () => {
    let stolen;
    await quiet.attempt(back(({ code, state }) => {
      stolen = code;
      return { state };
    }));
    await quiet.refuses(back((right) => ({ ...right, code: stolen })), /^NotVouched\(Token\(Refused\)\)$/, stale);
  });
  await it("gc_03: the same callback a second time redeems nothing, and leads on", async () => {
    let brought;
    const { visitor } = await quiet.signsIn(back((right) => (brought = right)));
    quiet.issuer.forget();
    const again = await visitor.follow(await visitor.open(`${quiet.client.redirectUri}?${new URLSearchParams(brought)}`));
    assert.equal(again.status, 200);
    assert.deepEqual(quiet.issuer.asked("token"), []);
  });
  await it("a sign-in that fails leaves the session that there was", async () => {
    const { visitor } = await quiet.signsIn();
    quiet.issuer.behaviour = { idToken: ({ claims, ...rest }) => ({ ...rest, claims: { ...claims, iss: "https://other.example" } }) };
    const page = await visitor.follow(await visitor.open(`${quiet.app}/auth/login?return_to=/page`));
    assert.equal(page.status, 502);
    assert.equal((await quiet.session(visitor)).subject, alice.sub);
  });
  await it("gc_11: signing in again makes another session, and the first one is over", async () => {
    const { visitor } = await quiet.signsIn();
    const before = visitor.cookie;
    const page = await visitor.follow(await visitor.open(`${quiet.app}/auth/login?return_to=/page`));
    assert.equal(page.status, 200);
    assert.notEqual(visitor.cookie, before);
    assert.equal((await quiet.asksLater("revocation")).length, 1, "the first refresh token is revoked");
  });

  await it("oidc_core_9: the secret goes into the form where that is configured, and nowhere else", async () => {
    await posting.signsIn();
    const [{ headers, form }] = posting.issuer.asked("token");
    assert.deepEqual([headers.authorization, form.get("client_secret")], [undefined, posting.client.secret]);
  });
  await it("rfc7636: a public client has no secret to send, and signs in by its verifier alone", async () => {
    await open.signsIn();
    const [{ headers, form }] = open.issuer.asked("token");
    assert.deepEqual([headers.authorization, form.has("client_secret"), form.get("client_id")], [undefined, false, "gateway"]);
  });
  await it("core_4: a sign-in that begins elsewhere goes to the issuer that is configured, and not to the one it names", async () => {
    const visitor = new Visitor();
    quiet.issuer.behaviour = {};
    const query = new URLSearchParams({ iss: "https://other.example", login_hint: "mallory", target_link_uri: "https://other.example/", return_to: "/page" });
    const sent = await visitor.open(`${quiet.app}/auth/login?${query}`);
    assert.ok(sent.headers.location.startsWith(quiet.issuer.metadata.authorization_endpoint), sent.headers.location);
    assert.ok(!/other\.example|mallory/.test(decodeURIComponent(sent.headers.location)));
    const page = await visitor.follow(sent);
    assert.equal(page.url, `${quiet.app}/page`);
  });
  await it("gl_13: no two flows share a state, a nonce or a challenge", async () => {
    const flows = [];
    for (let turn = 0; turn < 20; turn += 1) {
      await quiet.attempt(back(({ state }) => ({ state })));
      flows.push(...quiet.issuer.asked("authorize").map(({ query }) => query));
    }
    const values = flows.flatMap((query) => ["state", "nonce", "code_challenge"].map((name) => query.get(name)));
    assert.equal(new Set(values).size, 60);
  });
});
