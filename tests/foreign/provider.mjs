// npm's oidc-provider, unmodified, on a free port: somebody else's issuer, with its own pages.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { later } from "./checks.mjs";
import { freePorts } from "./pair.mjs";

// It warns that its pages are for development, and that http is no https: that is what we want here.
console.info = console.warn = () => {};
const { default: Provider } = await import("oidc-provider");

// It keeps one-time refresh tokens: using one twice ends everything that came of the sign-in.
// `idTokenOnRefresh`: whether a refresh answers with an ID token, which issuers may leave out.
// `features`: what it offers besides.
// In what it returns, `refreshes` counts the refreshes that succeeded and `refused` holds the token calls that
// failed; while `away` is set, it breaks off every connection.
export async function foreignIssuer(client, { accessTokenSeconds, idTokenOnRefresh, features = {} }) {
  const [port] = await freePorts(1);
  const issuer = `http://localhost:${port}`;
  const jwk = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), use: "sig", ...more });
  const provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys: [jwk("rsa", { modulusLength: 2048 }, { alg: "RS256" }), jwk("ec", { namedCurve: "P-256" }, { alg: "ES256" }), jwk("ed25519", {}, { alg: "EdDSA" })] },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
    // It asks nobody on this machine for anything; here everybody is on it.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    cookies: { keys: [randomBytes(24).toString("base64url")] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: "Dinah", email: "dinah@example.com" }) }),
    claims: { openid: ["sub"], profile: ["name"], email: ["email"] },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    ttl: { AccessToken: accessTokenSeconds, IdToken: 60, RefreshToken: 600, Session: 600, Interaction: 600, Grant: 600 },
    features: { devInteractions: { enabled: true }, revocation: { enabled: true }, rpInitiatedLogout: { enabled: true }, ...features },
  });
  const seen = { issuer, refreshes: 0, refused: [], revoked: 0, away: false };
  provider.use(async (ctx, next) => {
    await next();
    const isRefresh = ctx.oidc?.route === "token" && ctx.oidc.params?.grant_type === "refresh_token";
    if (isRefresh && !idTokenOnRefresh) delete ctx.body.id_token;
  });
  provider.on("grant.success", (ctx) => {
    if (ctx.oidc.params.grant_type === "refresh_token") seen.refreshes += 1;
  });
  provider.on("grant.error", (_, fault) => seen.refused.push(fault));
  provider.on("server_error", (_, fault) => seen.refused.push(fault));
  provider.on("grant.revoked", () => { seen.revoked += 1; });

  const answer = provider.callback();
  const server = createServer((request, response) => {
    if (seen.away) request.socket.destroy();
    else answer(request, response);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  later(() => {
    server.close();
    server.closeAllConnections();
  });
  return seen;
}
