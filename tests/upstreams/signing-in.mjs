// Signing in with every kind of upstream while nothing is wrong.
import assert from "node:assert/strict";
import { presets, upstream } from "./world.mjs";

export const upstreams = presets.map(({ id }) => upstream(id));

export async function signingIn(it, { attempt, arrive, seen }) {
  const subjects = new Map();
  for (const at of upstreams) {
    const { openid = false } = presets.find(({ id }) => id === at.preset);
    await it(`${at.id} signs alice in, and tells what its provider told`, async () => {
      const claims = await arrive(await attempt(at));
      subjects.set(at.id, claims.sub);
      assert.equal(claims.email, "alice@alpha.test");
      // Nobody at that API says so.
      assert.equal(claims.email_verified ?? false, at.id !== "workos-sso");
      const [{ query }] = await seen(at, "authorize");
      const asked = Object.fromEntries(query);
      assert.equal(asked.code_challenge_method, "S256");
      assert.equal("nonce" in asked, openid);
      if (at.id !== "github") return;
      for (const { headers } of [...await seen(at, "userinfo"), ...await seen(at, "emails")]) {
        assert.equal(headers["user-agent"], "gatelatch");
      }
    });
  }
  await it("fd_21: somebody at seven providers is seven people", async () => {
    assert.equal(new Set(subjects.values()).size, presets.length);
  });
}
