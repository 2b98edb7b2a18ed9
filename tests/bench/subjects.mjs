// What is measured: a name, the process that does it, and the requests that it gets.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { apache } from "../../scripts/apache.mjs";
import { startApache } from "../foreign/apache.mjs";
import { alice, freePorts, key, secretDigest } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { always, raw } from "./load.mjs";
import { able, client, crowdOf, inParallel, signedIn } from "./issuers.mjs";
import { issuing } from "./issuing.mjs";
import { node, ours, theirs } from "./processes.mjs";

const people = 20;
const coldRequests = 2000;
const hour = 3600;

const crowd = crowdOf(people);
const orders = "https://orders.example";
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
export const apacheName = "Apache, mod_auth_openidc: session in a cookie";

// Everything that is measured, running and ready.
export async function subjects(folder) {
  const ports = await freePorts(14);
  const [originPort] = ports;
  const origin = `http://127.0.0.1:${originPort}`;
  const empty = await theirs(folder, "empty", ports.shift());
  const emptyRust = await theirs(folder, "empty-rust", ports.shift());
  const passThrough = await theirs(folder, "pass-through", ports.shift(), { ORIGIN: origin });
  const cookie = await theirs(folder, "cookie", ports.shift(), { ORIGIN: origin, KEY: randomBytes(32).toString("base64url") });
  const object = await theirs(folder, "object", ports.shift(), { ORIGIN: origin });

  const least = await theirs(folder, "issuer", ports.shift());

  const app = await ourPair(folder, origin, ports);
  const token = bearerOf(await app.idp.families(1));
  const peer = await oidcProvider(ports.shift(), "ES256");
  // As it comes, ID tokens are RS256.
  const peerAsItComes = await oidcProvider(ports.shift(), "RS256");
  // As much in the row as a family of ours has, in as many objects.
  const refreshing = crowd.map((_, index) => raw("POST", "/refresh", {}, `${index + 10}${"x".repeat(600)}`));
  const signing = ({ name }) => /refresh|redemption/.test(name);
  return [
    always("empty JavaScript Worker", empty),
    always("empty Rust Worker", emptyRust),
    always("JavaScript pass-through", passThrough),
    always("JavaScript cookie Worker", cookie, await byHand(cookie, token)),
    always("JavaScript session object", object, await byHand(object, token)),
    always("gateway: public route", app.hybrid.process, {}, "/public"),
    { name: "gateway: hybrid, warm", process: app.hybrid.process, load: async () => ({ lines: [raw("GET", "/hop?x=1", await app.hybrid.cookie())] }) },
    { name: "gateway: hybrid, cold", process: app.hybrid.process, load: async () => ({ once: true, lines: await app.freshCookies(coldRequests) }) },
    { name: "gateway: hybrid, a token for the origin", process: app.hybrid.process, load: async () => ({ lines: [raw("GET", "/orders?x=1", await app.hybrid.cookie())] }) },
    { name: "gateway: durable", process: app.durable.process, load: async () => ({ lines: [raw("GET", "/hop?x=1", await app.durable.cookie())] }) },
    app.apache ? { name: apacheName, process: app.apache.process, load: async () => ({ lines: [raw("GET", "/hop?x=1", await app.apache.cookie())] }) } : { name: apacheName, absent: true },
    { name: "JavaScript issuer: refresh", process: least, load: () => ({ lines: refreshing }) },
    always("JavaScript issuer: userinfo", least, {}, "/userinfo"),
    ...await issuing("issuer", app.idp),
    ...await issuing("oidc-provider", peer),
    ...(await issuing("oidc-provider, RS256", peerAsItComes)).filter(signing),
  ];
}

const bearerOf = ([{ access_token: token }]) => token;

// A session of a Worker written by hand, with as much in it as one of ours.
async function byHand({ port }, token) {
  const session = { sub: alice.username, name: "Alice Liddell", email: "alice@example.com", expires: Math.floor(Date.now() / 1000) + hour, access_token: token };
  const answer = await fetch(`http://127.0.0.1:${port}/login?${encodeURIComponent(JSON.stringify(session))}`);
  return { Cookie: answer.headers.get("set-cookie").split(";")[0] };
}

// Our issuer, two gateways before the origin and an Apache, each in a process of its own.
async function ourPair(folder, origin, ports) {
  const [idpPort, hybridPort, durablePort, freshPort, apachePort] = ports.splice(0, 5);
  const [issuer, publicUrl, durableUrl, apacheUrl] = [idpPort, hybridPort, durablePort, apachePort].map((port) => `http://localhost:${port}`);
  const secret = key();
  const { client_secret: benchSecret, ...registration } = client;
  const lifetimes = { ACCESS_TOKEN_SECONDS: String(hour), ID_TOKEN_SECONDS: String(hour), CODE_SECONDS: "600" };
  const idp = await ours(folder, "idp", {
    idp: {
      port: idpPort,
      settings: {
        ISSUER: issuer, SEALING_KEYS: key(), ACCOUNTS: crowd, ...lifetimes,
        CLIENTS: [
          { ...registration, client_secret_sha256: secretDigest(benchSecret) },
          {
            client_id: "gateway", client_secret_sha256: secretDigest(secret), grant_types: [...client.grant_types, exchange],
            redirect_uris: [publicUrl, durableUrl].map((url) => `${url}/auth/callback`), audience: origin, resources: [orders],
          },
          { client_id: "apache", client_secret_sha256: secretDigest(secret), grant_types: client.grant_types, redirect_uris: [`${apacheUrl}/back`], audience: origin },
        ],
      },
    },
  });

  const sealing = key();
  const gateway = (name, port, url, more) => ours(folder, name, {
    gateway: {
      port,
      settings: {
        PUBLIC_URL: url, ISSUER: issuer, CLIENT_ID: "gateway", CLIENT_SECRET: secret, SEALING_KEYS: sealing, FRESHNESS_SECONDS: "300", REQUEST_LOG: "refused",
        RESOURCE: origin,
        ROUTES: [
          { prefix: "/public", origin, access: "public" },
          { prefix: "/orders", origin, access: "signed-in", token: { resource: orders, by: "exchange" } },
          { prefix: "/", origin, access: "signed-in" },
        ],
        ...more,
      },
    },
  });
  const hybrid = await gateway("hybrid", hybridPort, publicUrl, {});
  const durable = await gateway("durable", durablePort, durableUrl, { SESSION_MODE: "durable" });
  // It asks its objects each time, and gives a new cookie each time: one that the measured one has never seen.
  const fresh = await gateway("fresh", freshPort, publicUrl, { FRESHNESS_SECONDS: "0" });

  const signIn = async (process, url, callback = "/auth/callback") => {
    const visitor = new Visitor();
    const back = ({ href }) => href.startsWith(url + callback);
    const page = await visitor.follow(await visitor.open(`http://localhost:${process.port}/hop`));
    const { next } = await visitor.follow(await visitor.submit(page, { ...alice, username: crowd[0].username }), back);
    const here = `http://localhost:${process.port}`;
    const answer = await visitor.open(here + next.pathname + next.search);
    assert.ok([302, 303].includes(answer.status), answer.body);
    const cookie = async () => {
      const answer = await visitor.open(`${here}/hop`);
      assert.deepEqual([answer.status, answer.headers.location], [200, undefined]);
      return { Cookie: [...visitor.cookies].filter(([name]) => /session/.test(name)).map(([name, value]) => `${name}=${value}`).join("; ") };
    };
    return { process, cookie };
  };
  const [asHybrid, asDurable, asFresh] = [await signIn(hybrid, publicUrl), await signIn(durable, durableUrl), await signIn(fresh, publicUrl)];
  const apached = await apacheAs(issuer, apachePort, origin, secret);
  const asApache = apached && await signIn(apached, apacheUrl, "/back");
  const freshCookies = (count) => inParallel(count, async () => raw("GET", "/hop?x=1", await asFresh.cookie()));

  const signed = await signedIn(issuer, crowd, ({ username }) => [{ username, password: alice.password }]);
  return { idp: { ...able(signed), process: idp }, hybrid: asHybrid, durable: asDurable, apache: asApache, freshCookies };
}

// What it does is what a gateway of ours does in `hybrid`: the session in a cookie, the token and the claims to the origin.
async function apacheAs(issuer, port, origin, secret) {
  const software = apache();
  if (software.missing) return undefined;
  const lines = [
    `OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration`, "OIDCClientID apache", `OIDCClientSecret ${secret}`,
    `OIDCRedirectURI http://localhost:${port}/back`, 'OIDCScope "openid profile email offline_access"', "OIDCPKCEMethod S256",
    "OIDCIDTokenSignedResponseAlg ES256", `OIDCCryptoPassphrase ${key()}`, "OIDCSessionType client-cookie", "OIDCCookie session",
    "<Location />", "AuthType openid-connect", "Require valid-user", "</Location>",
    "<Location /public>", "AuthType None", "Require all granted", "</Location>",
    `ProxyPass / ${origin}/`,
  ];
  const pid = await startApache(software, [{ port, lines }]);
  return { port, pid, stop: async () => {} };
}

async function oidcProvider(port, alg) {
  const process = await node("oidc-provider.mjs", port, JSON.stringify(client), alg);
  const issuer = await signedIn(`http://localhost:${port}`, crowd, ({ username }) => [{ login: username, password: "any" }, {}]);
  return { ...able(issuer), process };
}
