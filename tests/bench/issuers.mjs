// What the token endpoint of an issuer is asked for: codes and refresh tokens, come by as clients come by them.
import { createHash } from "node:crypto";
import { account, alice } from "../foreign/pair.mjs";
import { Visitor, formOf } from "../foreign/visitor.mjs";
import { raw } from "./load.mjs";

const redirectUri = "http://localhost:1/callback";
const verifier = "a-verifier-of-forty-three-letters-or-more-0123";
const challenge = createHash("sha256").update(verifier).digest("base64url");
const form = { "Content-Type": "application/x-www-form-urlencoded" };
const parallel = 16;

export const client = {
  client_id: "bench",
  client_secret: "a-secret-of-the-benchmark-0123456789abcdefg",
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code", "refresh_token"],
};
export const authorization = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString("base64")}`;

// The cheapest hash that the settings take, of Alice's password: its cost is no subject here.
const cheap = "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRmb3JhbGljZQ$C237aBJlmsGDvltthgrC1nfnMsqVRwpTZd/UVMlNUR4";

// So many people with accounts, all with Alice's password.
export function crowdOf(count) {
  return Array.from({ length: count }, (_, index) => ({ ...account, username: `${alice.username}-${index}`, password: cheap }));
}

// An issuer with people who are signed in. `fill` submits the pages that ask who somebody is, one after the other.
export async function signedIn(url, people, pages) {
  const metadata = await (await fetch(`${url}/.well-known/openid-configuration`)).json();
  const visitors = [];
  for (const person of people) {
    const visitor = new Visitor();
    let answer = await visitor.follow(await visitor.open(authorize(metadata)));
    for (const fill of pages(person)) answer = await visitor.follow(await visitor.submit(answer, fill), isBack);
    codeOf(answer);
    visitors.push(visitor);
  }
  return { url, metadata, visitors };
}

const isBack = (url) => url.href.startsWith(redirectUri);

// What an issuer does for us.
export const able = (issuer) => ({ ...issuer, codes: (count) => codes(issuer, count), families: (count) => families(issuer, count) });

function authorize({ authorization_endpoint: endpoint }) {
  const parameters = {
    client_id: client.client_id, redirect_uri: redirectUri, response_type: "code", scope: "openid offline_access", state: "s",
    nonce: "n", code_challenge: challenge, code_challenge_method: "S256",
  };
  return `${endpoint}?${new URLSearchParams(parameters)}`;
}

function codeOf({ next, status, body }) {
  const code = next?.searchParams.get("code");
  if (!code) throw new Error(`no code but ${next ?? `${status} ${body.slice(0, 500)}`}`);
  return code;
}

// So many codes that nobody has redeemed, of all the people in turn.
function codes({ metadata, visitors }, count) {
  const one = async (index) => {
    const visitor = visitors[index % visitors.length];
    return codeOf(await visitor.follow(await visitor.open(authorize(metadata)), isBack));
  };
  return inParallel(count, one);
}

// What posts the sign-in page of our issuer for each of these people, in a browser that has not been here before.
export function signIns({ metadata }, people) {
  return inParallel(people.length, async (index) => {
    const visitor = new Visitor();
    const { username } = people[index];
    const { action, hidden } = formOf((await visitor.follow(await visitor.open(authorize(metadata)))).body);
    return raw("POST", action, { Cookie: visitor.cookie, ...form }, String(new URLSearchParams({ ...hidden, username, password: alice.password })));
  });
}

// The request that redeems a code.
export function redemption(code) {
  const body = new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: redirectUri, code_verifier: verifier });
  return { headers: { Authorization: authorization, ...form }, body: String(body) };
}

// So many families: the token answers.
async function families(issuer, count) {
  const fresh = await codes(issuer, count);
  return inParallel(count, async (index) => {
    const { headers, body } = redemption(fresh[index]);
    const answer = await fetch(issuer.metadata.token_endpoint, { method: "POST", headers, body });
    const tokens = await answer.json();
    if (!tokens.refresh_token) throw new Error(`no refresh token but ${JSON.stringify(tokens)}`);
    return tokens;
  });
}

// Runs `one` for every index below `count`, a few at a time.
export async function inParallel(count, one) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      results[index] = await one(index);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return results;
}
