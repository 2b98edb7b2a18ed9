// npm's oidc-provider, its state in memory: node oidc-provider.mjs PORT CLIENT ALG. Access tokens are opaque, which is what
// it makes of itself and what costs it least: it signs one token, the ID token by ALG, where we sign two.
import { generateKeyPairSync, randomBytes } from "node:crypto";

console.info = console.warn = () => {};
const { default: Provider } = await import("oidc-provider");

// A map: the adapter that comes with it forgets all but the last thousand things.
const things = new Map();
class Memory {
  constructor(kind) {
    this.name = (id) => `${kind}:${id}`;
  }
  async upsert(id, payload) {
    things.set(this.name(id), payload);
  }
  async find(id) {
    return things.get(this.name(id));
  }
  async findByUid(uid) {
    return [...things.values()].find((payload) => payload.uid === uid);
  }
  async consume(id) {
    things.get(this.name(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    things.delete(this.name(id));
  }
  async revokeByGrantId(grantId) {
    for (const [name, payload] of things) if (payload.grantId === grantId) things.delete(name);
  }
}

const [port, client, alg] = process.argv.slice(2);
const ttl = 3600;
const { privateKey } = alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(`http://localhost:${port}`, {
  adapter: Memory,
  clients: [{ ...JSON.parse(client), id_token_signed_response_alg: alg }],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg }] },
  enabledJWA: { idTokenSigningAlgValues: [alg] },
  cookies: { keys: [randomBytes(24).toString("base64url")] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  ttl: { AccessToken: ttl, AuthorizationCode: ttl, IdToken: ttl, RefreshToken: ttl, Session: ttl, Interaction: ttl, Grant: ttl },
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
  },
});
provider.on("server_error", (_, fault) => console.error(fault));
provider.listen(Number(port), "127.0.0.1");
process.stdin.on("end", () => process.exit(0)).resume();
