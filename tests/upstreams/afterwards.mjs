// What is left of a sign-in, as clients find it.
import assert from "node:assert/strict";
import { send, userinfo } from "../storms/client.mjs";

export const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

export const refresh = ({ issuer }, { client, tokens }) => send(client.refresh(issuer, tokens.refresh_token));

const isActive = async ({ issuer }, client, token) => (await send(client.introspection(issuer, token))).body.active;

// Everything of somebody is over: their session, their tokens, and what could be had with them.
export async function isOver(here, somebody) {
  const { visitor, client, tokens } = somebody;
  assert.equal(await here.isSignedIn(visitor), false, "the session");
  for (const token of [tokens.access_token, tokens.refresh_token]) assert.equal(await isActive(here, client, token), false);
  assert.deepEqual(await userinfo(here.issuer, tokens.access_token), { status: 401 });
  const { status, body } = await refresh(here, somebody);
  assert.deepEqual([status, body.error], [400, "invalid_grant"]);
}

// Everything of somebody is alive. They go on with what the refresh brought.
export async function isAlive(here, somebody) {
  const { visitor, client, tokens } = somebody;
  assert.equal(await here.isSignedIn(visitor), true, "the session");
  for (const token of [tokens.access_token, tokens.refresh_token]) assert.equal(await isActive(here, client, token), true);
  assert.ok((await userinfo(here.issuer, tokens.access_token)).sub);
  const { status, body } = await refresh(here, somebody);
  assert.equal(status, 200, JSON.stringify(body));
  somebody.tokens = { ...tokens, ...body };
}
