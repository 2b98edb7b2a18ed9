// What an issuer does for clients and for the bearers of its tokens, as subjects of a measurement. Where an endpoint is,
// its discovery says; one that is not there has a row all the same.
import { always, raw } from "./load.mjs";
import { authorization, redemption } from "./issuers.mjs";

const form = { "Content-Type": "application/x-www-form-urlencoded" };

// `issuer` is what `able` makes, with its process. So many families and codes are used in a round, of all the people in turn.
export async function issuing(name, issuer, { families = 200, redemptions = 1000 } = {}) {
  const { process, metadata } = issuer;
  const path = (endpoint) => new URL(metadata[endpoint]).pathname;
  const [{ access_token: token }] = await issuer.families(1);
  const at = `${name}: `;
  return [
    always(`${at}discovery`, process, {}, "/.well-known/openid-configuration"),
    always(`${at}JWKS`, process, {}, path("jwks_uri")),
    { name: `${at}refresh`, process, load: () => refreshes(issuer, path("token_endpoint"), families) },
    { name: `${at}code redemption`, process, load: () => codeRedemptions(issuer, redemptions) },
    always(`${at}userinfo`, process, { Authorization: `Bearer ${token}` }, path("userinfo_endpoint")),
    // The client asks about an access token of its own.
    metadata.introspection_endpoint
      ? always(`${at}introspection`, process, { Authorization: authorization, ...form }, path("introspection_endpoint"), `token=${token}`)
      : { name: `${at}introspection`, absent: true },
  ];
}

// New families each round: what was in flight when the last round ended is lost to us.
async function refreshes(issuer, path, families) {
  const chain = (await issuer.families(families)).map(({ refresh_token: token }) => token);
  return { refresh: true, lines: [path, authorization, ...chain] };
}

// Each code once.
export async function codeRedemptions(issuer, count) {
  const path = new URL(issuer.metadata.token_endpoint).pathname;
  const lines = (await issuer.codes(count)).map((code) => {
    const { headers, body } = redemption(code);
    return raw("POST", path, headers, body);
  });
  return { once: true, lines };
}
