// PA-14: who signs out here signs out at the upstream too, where it has a place for that, and ends up where the client wants.
import assert from "node:assert/strict";
import { out, upstream } from "./world.mjs";

const upward = (preset, name = `${preset}-out`) => upstream(preset, name, { logout: true });

// Each with the path of its place, what it is told, and under which name where to lead back.
const places = [
  { at: upward("auth0"), path: "/oidc/logout", told: ["client_id", "logout_hint", "state"], back: "post_logout_redirect_uri" },
  { at: upward("auth0", "auth0-older"), path: "/v2/logout", told: ["client_id"], back: "returnTo" },
  { at: upward("authkit"), path: "/user_management/sessions/logout", told: ["session_id"], back: "return_to" },
  { at: upward("entra"), path: "/organizations/oauth2/v2.0/logout", told: ["client_id", "state"], back: "post_logout_redirect_uri" },
  { at: upward("openid"), path: "/end-session", told: ["client_id", "logout_hint", "state"], back: "post_logout_redirect_uri" },
];
const without = ["workos-sso", "github", "google"].map((preset) => upward(preset));
export const upstreams = [...places.map(({ at }) => at), ...without];

export async function signingOut(it, here) {
  const { url, issuer, told: client, onward, seen, signIn } = here;
  const after = `${out}?state=theirs`;
  const isOut = (to) => to.href.startsWith(out);
  const sendOut = ({ visitor, tokens }) => visitor.open(`${issuer}/end_session?${new URLSearchParams({
    id_token_hint: tokens.id_token, post_logout_redirect_uri: out, state: "theirs",
  })}`);
  // Whether a browser that comes there has to say who it is.
  const isAsked = async (at, visitor) => {
    const left = await visitor.open(`${client.authorization(issuer).url}&idp_hint=${at.id}`);
    const page = await visitor.follow(left, (to) => to.href.startsWith(`${issuer}/`));
    return page.status === 200 && page.body.includes("Choose a person");
  };

  for (const { at, path, told, back } of places) {
    await it(`pa_14: alice signs out at a client, and so here and at ${path} of ${at.id}, and ends up at the client`, async () => {
      if (path === "/v2/logout") await here.arrange(at, "discovery", "no_end_session");
      const alice = await signIn(at, { client });
      const { visitor } = alice;
      const away = await sendOut(alice);
      const there = new URL(away.headers.location);
      assert.equal(there.origin + there.pathname, `${url}/${at.place}${path}`);
      const home = `${issuer}/sign-in/signed-out/${at.id}`;
      assert.equal(there.searchParams.get(back), home);
      assert.deepEqual([...there.searchParams.keys()].sort(), [back, ...told].sort());
      assert.equal(await here.isSignedIn(visitor), false, "whatever becomes of it there");

      const { next: ours } = await visitor.follow(away, (to) => to.href.startsWith(home));
      assert.ok(ours, "it leads back");
      assert.equal((await seen(at, "logout")).length, 1);
      assert.equal((await visitor.follow(await visitor.open(ours), isOut)).next?.href, after);
      assert.equal((await visitor.follow(await visitor.open(ours), isOut)).status, 200, "once");
      assert.ok(await isAsked(at, visitor), "there she has to say who she is");
    }, 600);

    await it(`pa_14: alice says yes on our own page, and so signs out at ${path} of ${at.id} too, and comes back to us`, async () => {
      const { visitor } = await signIn(at, { client });
      const left = await visitor.submit(await visitor.open(`${issuer}/end_session`), { confirm: "yes" });
      const there = onward(left);
      assert.ok(there.startsWith(`${url}/${at.place}${path}?`), there);
      assert.equal(await here.isSignedIn(visitor), false);
      const last = await visitor.follow(await visitor.open(there));
      assert.deepEqual([last.status, last.url.split("?")[0]], [200, `${issuer}/sign-in/signed-out/${at.id}`]);
      assert.ok(await isAsked(at, visitor));
    }, 600);
  }

  const none = without.map(({ preset }) => preset).join(", ");
  await it(`pa_14: where there is no such place, at ${none}, alice goes straight to the client`, async () => {
    for (const at of without) {
      const alice = await signIn(at, { client });
      assert.equal((await sendOut(alice)).headers.location, after, at.id);
      assert.equal(await here.isSignedIn(alice.visitor), false, at.id);
      assert.ok(!await isAsked(at, alice.visitor), "there she is as she was");
    }
  }, 600);
}
