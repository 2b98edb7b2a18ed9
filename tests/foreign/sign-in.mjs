// The person in front of a foreign client: opens what the client says, signs in where it leads, comes back.
import assert from "node:assert/strict";
import { alice } from "./pair.mjs";

// Where the clients of these tests are sent back to. Nobody listens there: the tests look at the URL.
export const redirectUri = "http://localhost:1/callback";
const isBack = (url) => url.href.startsWith(redirectUri);

// From the authorization URL over the sign-in page to the redirect URI, with all its parameters.
export async function signIn(visitor, url, somebody = alice) {
  const page = await visitor.open(url);
  assert.equal(page.status, 200, `no sign-in page: ${page.status} ${page.headers.location ?? page.body.slice(0, 500)}`);
  const answer = await visitor.submit(page, somebody);
  const { next } = await visitor.follow(answer, isBack);
  assert.ok(next, `${answer.status} instead of the way back:\n${answer.body.slice(0, 2000)}`);
  return next;
}

// To the redirect URI without a page, because the person is signed in or because nothing may be shown.
export async function pass(visitor, url) {
  const { next, status } = await visitor.follow(await visitor.open(url), isBack);
  assert.ok(next, `answered ${status} instead of redirecting to the client`);
  return next;
}

// What a page that asks for the password looks like from outside.
export async function asksForPassword(visitor, url) {
  const page = await visitor.open(url);
  return page.status === 200 && /type="password"/.test(page.body);
}
