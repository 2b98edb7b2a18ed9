// The plan about signing out at the issuer, RP-Initiated Logout 1.0.
import assert from "node:assert/strict";
import { plan } from "./plan.mjs";
import { world } from "./world.mjs";

await plan("oidcc-client-rp-initiated-logout-rp-basic", async (module) => {
  const shared = await world();
  const { client, issuer } = shared;

  // Signs in and out again; `takes` is what the browser brings back from the issuer.
  async function walk(takes) {
    const { visitor } = await shared.signsIn();
    const [idToken] = issuer.idTokens.slice(-1);
    shared.origin.seen.splice(0);
    issuer.forget();
    issuer.behaviour = { endSession: takes };
    const { next, status } = await shared.signOut(visitor);
    assert.ok(next, `${status} instead of the way back`);
    const [asked, ...more] = issuer.asked("endSession");
    assert.equal(more.length, 0);
    const { state, ...sent } = Object.fromEntries(asked.query);
    assert.deepEqual(sent, { id_token_hint: idToken, client_id: client.id, post_logout_redirect_uri: client.home });
    await shared.isNobody(visitor);
    return { visitor, next, state };
  }

  // What the page that the browser comes back to makes of it: whoever wants to see it signs in anew.
  async function comesBack({ visitor, next }) {
    const page = await visitor.open(next);
    assert.deepEqual([page.status, new URL(page.headers.location, page.url).pathname], [302, "/auth/login"]);
    await shared.isNobody(visitor);
  }

  await module("oidcc-client-test-rp-init-logout", "the session ends here and at the issuer, with the ID token as a hint, and the refresh token is revoked", async () => {
    const { visitor, next, state } = await walk();
    assert.equal(next.searchParams.get("state"), state ?? null);
    const [revoked, ...more] = await shared.asksLater("revocation");
    assert.equal(more.length, 0);
    assert.equal(revoked.form.get("token_type_hint"), "refresh_token");
    assert.match(revoked.headers.authorization, /^Basic /);
    await comesBack({ visitor, next });
  });

  await module("oidcc-client-test-rp-init-logout-other-state", "a state that was never sent changes nothing: it is over already", async () => {
    const walked = await walk((parameters) => ({ ...parameters, state: "something-else" }));
    assert.equal(walked.next.searchParams.get("state"), "something-else");
    await comesBack(walked);
  });

  await module("oidcc-client-test-rp-init-logout-no-state", "nor does it matter that none comes back", async () => {
    const walked = await walk(() => ({}));
    assert.equal(walked.next.search, "");
    await comesBack(walked);
  });
});
