// An issuer that does what it is told: honest, unless its `behaviour` says otherwise. It answers authorization requests
// at once, without a page, and remembers everything that it was asked.
//
// A behaviour has a function for what it changes, of what would be right and of what was asked:
//   discovery, jwks, token, userinfo, revocation   the answer { status, headers, body }; a body goes as JSON, unless it is text or bytes
//   authorize, endSession                          the parameters that the browser takes back; of a list each, by the same name
//   idToken                                        the ID token { header, claims, key }; a text is sent as it is
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { later } from "../foreign/checks.mjs";
import { halfHash, random, seconds, signed, signingKey } from "./token.mjs";

// Who is signed in, and what userinfo tells. The ID token has no names, so that who wants them has to ask.
export const alice = {
  sub: "248289761001", name: "Alice Liddell", given_name: "Alice", family_name: "Liddell", preferred_username: "alice",
  email: "alice@example.com", email_verified: true, phone_number: "+1 202 555 0100", address: { country: "GB" },
};

// Listens on a free port. `answer` is told a request { method, path, query, headers, body }, which is remembered in
// `seen` too, and gives { status, headers, body }.
export async function listen(answer) {
  const seen = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { pathname: path, searchParams: query } = new URL(incoming.url, "http://localhost");
    const request = { method: incoming.method, path, query, headers: incoming.headers, body: Buffer.concat(chunks).toString("utf8") };
    seen.push(request);
    const { status = 200, headers = {}, body = "" } = await answer(request);
    const raw = typeof body === "string" || Buffer.isBuffer(body);
    const bytes = Buffer.from(raw ? body : JSON.stringify(body));
    const length = !("transfer-encoding" in headers) && { "content-length": bytes.length };
    outgoing.writeHead(status, { "content-type": raw ? "text/html" : "application/json", ...length, ...headers }).end(bytes);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  later(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://localhost:${server.address().port}`, seen };
}

// For one client, { id, secret, auth, redirectUri, home }. `path` makes its identifier one that doesn't end with the host.
// What it publishes is in `keys`, and it signs with the first of them.
export async function issuerFor(client, { path = "", metadata = {}, keys = publishedKeys() } = {}) {
  // Where everything is nobody can know who has not read the metadata, and the keys.
  const place = random();
  const { url, seen } = await listen((request) => answer(request));
  const identifier = url + path;
  const at = (name) => `${url}/${place}/${name}`;
  const issuer = { identifier, seen, keys, behaviour: {}, codes: new Map(), refreshTokens: new Map(), accessTokens: new Map(), idTokens: [] };

  const endpoints = {
    [`${path.replace(/\/$/, "")}/.well-known/openid-configuration`]: ["discovery", () => ({ body: issuer.metadata })],
    [`/${place}/jwks`]: ["jwks", () => ({ body: { keys: issuer.keys.map(({ jwk }) => jwk) } })],
    [`/${place}/authorize`]: ["authorize", authorize],
    [`/${place}/token`]: ["token", token],
    [`/${place}/userinfo`]: ["userinfo", userinfo],
    [`/${place}/revoke`]: ["revocation", revoke],
    [`/${place}/end`]: ["endSession", endSession],
  };
  issuer.metadata = {
    issuer: identifier,
    authorization_endpoint: at("authorize"),
    token_endpoint: at("token"),
    userinfo_endpoint: at("userinfo"),
    jwks_uri: at("jwks"),
    revocation_endpoint: at("revoke"),
    end_session_endpoint: at("end"),
    scopes_supported: ["openid", "profile", "email", "address", "phone", "offline_access"],
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256", "ES256", "EdDSA"],
    code_challenge_methods_supported: ["S256"],
    ...metadata,
  };
  // What was asked of one endpoint.
  issuer.asked = (endpoint) => seen.filter((request) => request.endpoint === endpoint);
  issuer.forget = () => seen.splice(0);
  return issuer;

  async function answer(request) {
    const [endpoint, honest] = endpoints[request.path] ?? ["nothing", () => ({ status: 404 })];
    request.endpoint = endpoint;
    request.form = new URLSearchParams(request.body);
    const right = await honest(request);
    return (isRedirect(endpoint) ? null : issuer.behaviour[endpoint]?.(right, request)) ?? right;
  }

  // RFC 6749 §4.1.2.
  function authorize({ query }) {
    const code = random();
    issuer.codes.set(code, { redirectUri: query.get("redirect_uri"), challenge: query.get("code_challenge"), nonce: query.get("nonce") });
    const promised = issuer.metadata.authorization_response_iss_parameter_supported && { iss: identifier };
    return back("authorize", client.redirectUri, { code, state: query.get("state"), ...promised });
  }

  // §4.1.3 and §6: everything that a strict issuer would look at.
  function token({ form, headers }) {
    if (!isClient(headers.authorization, form)) return { status: 401, body: { error: "invalid_client" } };
    const refused = { status: 400, body: { error: "invalid_grant" } };
    if (form.get("grant_type") === "refresh_token") {
      const grant = take(issuer.refreshTokens, form.get("refresh_token"));
      return grant ? { body: issue({ ...grant, nonce: undefined }, form) } : refused;
    }
    const grant = take(issuer.codes, form.get("code"));
    const isTheirs = grant && form.get("redirect_uri") === grant.redirectUri && challengeOf(form.get("code_verifier")) === grant.challenge;
    return isTheirs ? { body: issue({ nonce: grant.nonce, sid: random(), at: seconds() }, form) } : refused;
  }

  function issue(grant, form) {
    const [accessToken, refreshToken, key] = [random(), random(), issuer.keys[0]];
    issuer.accessTokens.set(accessToken, grant);
    issuer.refreshTokens.set(refreshToken, grant);
    const honest = {
      header: { alg: key.alg, ...(key.kid && { kid: key.kid }) },
      claims: {
        iss: identifier, sub: alice.sub, aud: client.id, iat: seconds(), exp: seconds() + 300, auth_time: grant.at, sid: grant.sid,
        at_hash: halfHash(accessToken, key.alg), ...(grant.nonce && { nonce: grant.nonce }),
      },
      key,
    };
    const idToken = issuer.behaviour.idToken?.(honest, form) ?? honest;
    const text = typeof idToken === "string" ? idToken : signed(idToken.header, idToken.claims, idToken.key);
    issuer.idTokens.push(text);
    return { access_token: accessToken, token_type: "Bearer", expires_in: 300, refresh_token: refreshToken, id_token: text };
  }

  // OpenID Connect Core §5.3.
  function userinfo({ headers }) {
    const [scheme, accessToken] = (headers.authorization ?? "").split(" ");
    const known = scheme === "Bearer" && issuer.accessTokens.has(accessToken);
    return known ? { body: alice } : { status: 401, headers: { "www-authenticate": `Bearer error="invalid_token"` } };
  }

  // RFC 7009 §2.2: also of a token that it does not know.
  function revoke({ form, headers }) {
    if (!isClient(headers.authorization, form)) return { status: 401, body: { error: "invalid_client" } };
    issuer.refreshTokens.delete(form.get("token"));
    return { status: 200 };
  }

  // RP-Initiated Logout 1.0 §2: back to where this client may be sent, or a page.
  async function endSession({ query }) {
    await issuer.behaviour.loggedOut?.();
    const known = issuer.idTokens.includes(query.get("id_token_hint")) && query.get("post_logout_redirect_uri") === client.home;
    const state = query.has("state") && { state: query.get("state") };
    return known ? back("endSession", client.home, { ...state }) : { status: 400, body: "<h1>Sign out?</h1>" };
  }

  function back(endpoint, uri, parameters) {
    const changed = issuer.behaviour[endpoint]?.(parameters) ?? parameters;
    const url = new URL(uri);
    for (const [name, values] of Object.entries(changed)) {
      for (const value of [values].flat()) if (value !== undefined) url.searchParams.append(name, value);
    }
    return { status: 303, headers: { location: url.href } };
  }

  function isClient(authorization, form) {
    const posted = [form.get("client_id"), form.get("client_secret")];
    const given = {
      client_secret_basic: authorization === basic(client) && posted.every((one) => one === null),
      client_secret_post: authorization === undefined && posted[0] === client.id && posted[1] === client.secret,
      none: authorization === undefined && posted[0] === client.id && posted[1] === null,
    };
    return given[client.auth];
  }
}

// One key of each kind, the first of them the one to sign with.
export const publishedKeys = () => [signingKey("RS256", random()), signingKey("ES256", random()), signingKey("EdDSA", random())];

// RFC 6749 §2.3.1: both are form-encoded before they are joined.
function basic({ id, secret }) {
  const encode = (text) => new URLSearchParams({ "": text }).toString().slice(1);
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString("base64")}`;
}

export const challengeOf = (verifier) => createHash("sha256").update(verifier ?? "").digest("base64url");

// What the browser is sent back with is changed before it becomes an answer.
const isRedirect = (endpoint) => endpoint === "authorize" || endpoint === "endSession";

// Codes and refresh tokens work once.
function take(map, name) {
  const found = map.get(name);
  map.delete(name);
  return found;
}
