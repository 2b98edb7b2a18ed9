// GS-26 to GS-28: an upstream says that somebody has signed out there.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { send, signed } from "../storms/client.mjs";
import { claims, isAlive, isOver } from "./afterwards.mjs";
import { upstream } from "./world.mjs";

const logout = "http://schemas.openid.net/event/backchannel-logout";
// Of those that speak OpenID Connect, the ones that tell.
const telling = ["auth0", "openid"].map((preset) => upstream(preset, `${preset}-telling`));
export const upstreams = telling;

export async function beingTold(it, here) {
  const { issuer, app, told, listener, control, signIn } = here;
  // The stand-in finds this machine by its address alone.
  const place = (id) => `${issuer.replace("localhost", "127.0.0.1")}/sign-in/logout/${id}`;
  const post = (id, token) => send({ url: place(id), method: "POST", form: { logout_token: token } });
  const posted = async (sid) => {
    const all = await (await fetch(`${listener.url}/told`)).json();
    const tokens = all.map(({ body }) => new URLSearchParams(body).get("logout_token"));
    return tokens.filter((token) => claims(token).sid === sid);
  };

  for (const at of telling) {
    await it(`gs_26 pa_05: at ${at.preset} alice signs out; here everything of hers is over, and our client is told`, async () => {
      const offline = { scope: "openid offline_access" };
      const alice = await signIn(at, { client: told, ...offline });
      const { visitor } = alice;
      const bound = await signIn(at, { client: app, scope: "openid", visitor });
      const bob = await signIn(at, { client: told, person: "bob", ...offline });
      const other = await signIn(upstream(at.preset), { client: told, ...offline });
      for (const somebody of [alice, bound, bob, other]) await isAlive(here, somebody);

      const { status, logout_token: token } = await control(at, "_logout", "POST", { person: "alice", to: place(at.id) });
      assert.equal(status, 200);
      for (const somebody of [alice, bound]) await isOver(here, somebody);
      for (const somebody of [bob, other]) await isAlive(here, somebody);

      const { sub, sid } = claims(alice.tokens.id_token);
      let heard = [];
      while (!(heard = await posted(sid)).length) await sleep(100);
      assert.equal(heard.length, 1);
      const heardThere = await signed(issuer, heard[0], "logout+jwt");
      const { iss, aud, events } = heardThere;
      assert.deepEqual([iss, aud, events, heardThere.sub, heardThere.sid], [issuer, told.id, { [logout]: {} }, sub, sid]);
      for (const { tokens } of [bob, other]) assert.deepEqual(await posted(claims(tokens.id_token).sid), []);

      // It works once, and only as it was signed. There she is signed in as she was.
      const again = await signIn(at, { client: told, visitor, ...offline });
      assert.equal(claims(again.tokens.id_token).sub, sub);
      const { logout_token: fresh } = await control(at, "_logout", "POST", { person: "alice" });
      const [head, , signature] = fresh.split(".");
      const bent = `${head}.${Buffer.from(JSON.stringify({ ...claims(fresh), jti: "another" })).toString("base64url")}.${signature}`;
      for (const bad of [token, bent, again.tokens.id_token, "x"]) {
        const { status, body } = await post(at.id, bad);
        assert.deepEqual([status, body.error], [400, "invalid_request"]);
      }
      for (const somebody of [again, bob]) await isAlive(here, somebody);
      assert.equal((await post(at.id, fresh)).status, 200);
      await isOver(here, again);
    }, 600);
  }

  await it("gs_27: who signs no ID tokens has nowhere to say so, and a text that is no token is not believed of the others", async () => {
    for (const [id, wanted] of [["github", 404], ["authkit", 404], ["workos-sso", 404], ["google", 400], ["entra", 400]]) {
      const answer = await fetch(place(id), { method: "POST", body: new URLSearchParams({ logout_token: "x" }) });
      assert.equal(answer.status, wanted, id);
    }
  });
}
