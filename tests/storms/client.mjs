// A client without opinions: it makes requests of every kind, and whether and when they are sent is the test's.
import assert from "node:assert/strict";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { secretDigest } from "../foreign/pair.mjs";
import { redirectUri } from "../foreign/sign-in.mjs";

// Alice and Bob, with hashes that cost next to nothing: here nobody guesses.
export const accounts = JSON.parse(readFileSync(join(root, "tests/configs/pair.json"), "utf8")).idp.settings.ACCOUNTS;
export const people = [{ username: "alice", password: "wonderland" }, { username: "bob", password: "builder" }];

const random = () => randomBytes(32).toString("base64url");

export class Client {
  // A public client without a secret.
  constructor(id, secret = random()) {
    this.id = id;
    this.secret = secret;
  }

  get registration() {
    return {
      client_id: this.id,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: [redirectUri],
      ...(this.secret ? { client_secret_sha256: secretDigest(this.secret) } : { token_endpoint_auth_method: "none" }),
    };
  }

  // Where a person is sent, and the verifier that belongs to it.
  authorization(issuer, scope = "openid offline_access") {
    const verifier = random();
    const url = new URL("/authorize", issuer);
    url.search = new URLSearchParams({
      response_type: "code", client_id: this.id, redirect_uri: redirectUri, scope, state: random(),
      code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
    });
    return { url: url.href, verifier };
  }

  redemption(issuer, { code, verifier }) {
    return this.#post(issuer, "/token", { grant_type: "authorization_code", code, redirect_uri: redirectUri, code_verifier: verifier });
  }

  refresh(issuer, token) {
    return this.#post(issuer, "/token", { grant_type: "refresh_token", refresh_token: token });
  }

  revocation(issuer, token) {
    return this.#post(issuer, "/revoke", { token });
  }

  introspection(issuer, token) {
    return this.#post(issuer, "/introspect", { token });
  }

  #post(issuer, path, form) {
    return {
      url: issuer + path,
      method: "POST",
      form: this.secret ? form : { ...form, client_id: this.id },
      headers: this.secret ? { authorization: `Basic ${btoa(`${this.id}:${this.secret}`)}` } : {},
    };
  }
}

// Sends one request; the body is the JSON of the answer, if it has any.
export async function send({ url, method, headers, form }) {
  const answer = await fetch(url, { method, headers, body: form && new URLSearchParams(form), signal: AbortSignal.timeout(20_000) });
  const body = await answer.text();
  return { status: answer.status, body: body && JSON.parse(body) };
}

// What the issuer says of the bearer of an access token: the one place where it shows that the token is alive.
export async function userinfo(issuer, token) {
  const answer = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
  return answer.ok ? answer.json() : { status: answer.status };
}

// The claims of an access token that the issuer's keys really signed.
export const claimsOf = async (issuer, token) => familyOf(await signed(issuer, token, "at+jwt"));

// The same of a token of any type.
export async function signed(issuer, token, wanted) {
  const { keys } = await (await fetch(`${issuer}/jwks`)).json();
  const [head, payload, signature] = token.split(".");
  const part = (text) => JSON.parse(Buffer.from(text, "base64url"));
  const { alg, kid, typ } = part(head);
  assert.deepEqual([alg, typ], ["ES256", wanted]);
  const jwk = keys.find((key) => key.kid === kid);
  assert.ok(jwk, `no key is called ${kid}`);
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  assert.ok(verify("sha256", `${head}.${payload}`, key, Buffer.from(signature, "base64url")), "the signature is wrong");
  return part(payload);
}

// The same of an access token without a look at the keys.
export const read = (token) => familyOf(JSON.parse(Buffer.from(token.split(".")[1], "base64url")));

// `jti` is the family and the generation: see docs/sessions.md.
function familyOf(claims) {
  const [family, generation] = claims.jti.split(".");
  return { ...claims, family, generation: Number(generation) };
}

// The bearer token that the demo origin's /echo says it got.
export function bearer({ status, body, url }) {
  assert.equal(status, 200, `${url ?? ""} ${body.slice(0, 500)}`);
  const [, line] = JSON.parse(body).headers.find(([name]) => name === "authorization") ?? [];
  assert.match(line ?? "", /^Bearer \S+$/);
  return line.slice("Bearer ".length);
}

export const full = process.argv.includes("--full");

// The middle of some numbers, or what stands at another part of them in order.
export const quantile = (numbers, part = 0.5) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))];
