// What origins are told about the person and about where a request comes from, on workerd: node tests/signals.mjs.
// In place of Cloudflare a header of the tests says what the request's `cf` object is.
import assert from "node:assert/strict";
import { from, serveElsewhere } from "./elsewhere.mjs";
import { subject } from "./foreign/checks.mjs";
import { account, alice, pair } from "./foreign/pair.mjs";
import { Visitor } from "./foreign/visitor.mjs";

const here = {
  country: "CH", region: "Z\u00fcrich", city: "Z\u00fcrich", continent: "EU", timezone: "Europe/Zurich",
  latitude: "47.36", longitude: "8.55", asn: 13335, colo: "ZRH",
  botManagement: { score: 42, verifiedBot: false, ja4: "not looked at" },
  tlsClientAuth: {
    certPresented: "1", certVerified: "SUCCESS", certRevoked: "0", certFingerprintSHA256: "ab12", certSubjectDN: "CN=a\r\ncountry,DE",
  },
};
const toldHere = {
  "x-geo-country": "CH", "x-geo-region": "Z%C3%BCrich", "x-geo-city": "Z%C3%BCrich", "x-geo-continent": "EU",
  "x-geo-timezone": "Europe/Zurich", "x-geo-latitude": "47.36", "x-geo-longitude": "8.55", "x-edge-asn": "13335",
  "x-edge-colo": "ZRH", "x-bot-score": "42", "x-bot-verified": "false", "x-client-cert-verified": "SUCCESS",
  "x-client-cert-sha256": "ab12", "x-client-cert-subject": "CN=a%0D%0Acountry,DE",
};
const told = { "X-User-Id": "sub", "X-User-Name": "name", "X-User-Email": "email", "X-Team": "team" };
const claimed = Object.keys(told).map((name) => name.toLowerCase());
const ours = [...claimed, ...Object.keys(toldHere)];
// Every header that is only ours, as somebody would write it who hopes to be believed.
const forged = Object.fromEntries(ours.flatMap((name) => [[name, "forged"], [name.replaceAll("-", "_"), "forged"]]));

const routes = (origin) => [
  { prefix: "/public/near", origin, access: "public", require: { edge: { country: { any: ["CH", "DE"] }, bot_score_at_least: 30 } } },
  { prefix: "/public", origin, access: "public", signals: true },
  { prefix: "/near", origin, access: "signed-in", require: { edge: { client_certificate: true, asn: 13335 } } },
  { prefix: "/api", origin, access: "api" },
  { prefix: "/", origin, access: "signed-in", headers: told, signals: true },
];

// What the origin gets of a request that comes from there; undefined: without Cloudflare in front.
async function received(visitor, url, cf, more = {}) {
  const answer = await visitor.fetch(url, { headers: { ...from(cf), ...more } });
  assert.equal(answer.status, 200, answer.body.slice(0, 300));
  return Object.fromEntries(JSON.parse(answer.body).headers);
}

const only = (headers, names) => Object.fromEntries(names.filter((name) => name in headers).map((name) => [name, headers[name]]));

await subject("origins are told about the person and the edge", async (it) => {
  const person = { ...account, name: "Zo\u00eb\u2028Liddell" };
  const { config, app } = await pair({ idp: { ACCOUNTS: [person] }, gateway: (origin) => ({ ROUTES: routes(origin) }) });
  await serveElsewhere(config);
  const stranger = new Visitor();
  const visitor = new Visitor();
  const landed = await visitor.follow(await visitor.submit(await visitor.follow(await visitor.open(`${app}/`)), alice));
  assert.equal(landed.status, 200, landed.body.slice(0, 300));

  await it("an origin is told the claims that its route names, in ASCII, and what its person lacks is absent", async () => {
    const headers = await received(visitor, `${app}/echo`, undefined, forged);
    const { "x-user-id": id, ...rest } = only(headers, ours);
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, { "x-user-name": "Zo%C3%AB%E2%80%A8Liddell", "x-user-email": account.email });
    assert.ok(!Object.values(headers).includes("forged"), JSON.stringify(headers));
  });

  await it("no other route's origin gets a header with such a name, from whomever", async () => {
    for (const path of ["/api/echo", "/public/echo"]) {
      const headers = await received(visitor, `${app}${path}`, undefined, forged);
      assert.deepEqual(only(headers, ours), {}, path);
      assert.ok(!Object.values(headers).some((value) => value.includes("forged")), path);
    }
  });

  await it("an origin is told what the platform says of a request, signed in or not", async () => {
    for (const [who, path] of [[stranger, "/public/echo"], [visitor, "/public/echo"], [visitor, "/echo"]]) {
      const headers = await received(who, `${app}${path}`, here, forged);
      assert.deepEqual(only(headers, Object.keys(toldHere)), toldHere, path);
      assert.ok(!Object.values(headers).some((value) => value.includes("forged")), path);
    }
    assert.deepEqual(only(await received(visitor, `${app}/api/echo`, here), ours), {});
  });

  await it("who comes from elsewhere gets 403, and who comes from nowhere", async () => {
    const elsewhere = [
      undefined, {}, { ...here, country: "FR" }, { ...here, botManagement: { score: 29 } }, { ...here, botManagement: undefined },
    ];
    for (const cf of elsewhere) {
      const answer = await stranger.fetch(`${app}/public/near`, {
        headers: { ...from(cf), "cf-ipcountry": "CH", "x-bot-score": "99" },
      });
      assert.equal(answer.status, 403, JSON.stringify(cf));
      assert.equal(JSON.parse(answer.body).error, "access_denied");
    }
    const headers = from(here);
    assert.equal((await stranger.fetch(`${app}/public/near`, { headers })).status, 404, "the origin answers");
    assert.equal((await stranger.fetch(`${app}/near`, { headers })).status, 401);
    assert.equal((await visitor.fetch(`${app}/near`, { headers })).status, 404, "the origin answers");
    assert.equal((await visitor.fetch(`${app}/near`)).status, 403);
    assert.match((await visitor.open(`${app}/near`)).body, /from here/);
  });

  await it("the dry run says which signal it was, for where it is asked from", async () => {
    const asked = async (cf) => {
      return JSON.parse((await visitor.fetch(`${app}/auth/explain?url=/near`, { headers: from(cf) })).body).decision;
    };
    assert.equal((await asked({ ...here, asn: 1 })).respond.why, "Refused(Edge(Asn))");
    assert.equal((await asked({ ...here, tlsClientAuth: undefined })).respond.why, "Refused(Edge(CertVerified))");
    assert.equal((await asked(here)).forward.authenticated, true);
  });
});
