// The issuer on workerd, with upstreams of every kind, all of them stand-ins of one process; and people on their way.
import assert from "node:assert/strict";
import { client as ours, standIns } from "../../scripts/stand-in.mjs";
import { later } from "../foreign/checks.mjs";
import { ourIssuer } from "../foreign/pair.mjs";
import { redirectUri } from "../foreign/sign-in.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { listen } from "../listener.mjs";
import { Client, send, userinfo } from "../storms/client.mjs";

const alpha = "a1fa0000-0000-4000-8000-000000000001";

// Who stands in for each, whether it gives ID tokens, and what its entry needs besides.
export const presets = [
  { id: "auth0", kind: "auth0", openid: true },
  { id: "authkit", kind: "workos" },
  { id: "workos-sso", kind: "workos", more: { organization: "org_alpha" } },
  { id: "github", kind: "github" },
  { id: "google", kind: "google", openid: true },
  { id: "entra", kind: "entra", openid: true, more: { tenants: [alpha] } },
  { id: "openid", kind: "generic", openid: true },
];

// An upstream of a preset, at an instance of its own.
export function upstream(preset, name = preset, more = {}) {
  const { kind } = presets.find(({ id }) => id === preset);
  return { id: name, preset, place: `${kind}/${name}`, more };
}

// Where an answer may lead and nobody may go, and the client's page after signing out.
export const elsewhere = "generic/elsewhere";
export const out = "http://localhost:1/out";
const isBack = (url) => url.href.startsWith(redirectUri);

// Somebody did not come back from an upstream.
export class Stuck extends Error {}

export async function world(upstreams) {
  const { url, stop } = await standIns();
  later(stop);
  const listener = await listen();
  later(listener.close);
  const [app, told] = ["app", "told"].map((id) => new Client(id));
  const entry = ({ id, preset, place, more }) => ({
    id, provider: preset, client_id: ours.id, [preset === "openid" ? "issuer" : "base"]: `${url}/${place}`,
    ...presets.find(({ id }) => id === preset).more, ...more,
  });
  const secret = ({ id, place }) => [
    `UPSTREAM_${id.toUpperCase().replaceAll("-", "_")}_SECRET`, place.startsWith("workos/") ? ours.key : ours.secret,
  ];
  const registrations = [
    app.registration,
    { ...told.registration, backchannel_logout_uri: `${listener.url}/told`, post_logout_redirect_uris: [out] },
  ];
  const issuer = await ourIssuer(registrations, {
    ACCOUNTS: [], UPSTREAMS: upstreams.map(entry), ...Object.fromEntries(upstreams.map(secret)),
  });

  const control = async ({ place }, path, method, body) => {
    const answer = await fetch(`${url}/${place}/${path}`, {
      method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" },
    });
    assert.ok(answer.ok, `${method} ${place}/${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const arrange = (at, endpoint, fault, times) => control(at, "_faults", "PUT", [{ endpoint, fault, times }]);
  const clear = (at) => control(at, "_faults", "DELETE");
  // What an endpoint was asked, or all of them.
  const seen = async (at, wanted) => {
    const all = await control(at, "_seen", "GET");
    return wanted ? all.filter(({ endpoint }) => endpoint === wanted) : all;
  };

  // At an upstream, until it leads somewhere else: the URL of our callback.
  async function prove(visitor, at, answer, person) {
    const leaves = (to) => !to.href.startsWith(`${url}/${at.place}/`);
    const reach = async () => {
      const page = await visitor.follow(answer, leaves);
      return page.next ? page : visitor.follow(await visitor.submit(page, { person }), leaves);
    };
    const { next, ...page } = await reach().catch((cause) => { throw new Stuck(`at ${at.id}`, { cause }); });
    if (!next?.href.startsWith(`${issuer}/`)) throw new Stuck(`at ${at.id}: ${next ?? `${page.status} ${page.body.slice(0, 500)}`}`);
    return next;
  }

  // From an answer of ours over the upstream, where it leads there, to the client, or to the page that stands in the way.
  async function through(visitor, at, answer, person = "alice") {
    if (!answer.headers.location?.startsWith(`${url}/`)) return visitor.follow(answer, isBack);
    return visitor.follow(await visitor.open(await prove(visitor, at, answer, person)), isBack);
  }

  // The client sends somebody straight there. `visitor` is there already or is new.
  async function attempt(at, { person, client = app, scope = "openid profile email", visitor = new Visitor(), more = {} } = {}) {
    const { url, verifier } = client.authorization(issuer, scope);
    const asked = `${url}&${new URLSearchParams({ idp_hint: at.id, ...more })}`;
    return { visitor, client, verifier, answer: await through(visitor, at, await visitor.open(asked), person) };
  }

  async function redeem({ answer, verifier, client }) {
    const code = answer.next?.searchParams.get("code");
    assert.ok(code, `no code: ${answer.status} ${answer.next ?? answer.body.slice(0, 500)}`);
    const { body } = await send(client.redemption(issuer, { code, verifier }));
    assert.ok(body.access_token, JSON.stringify(body));
    return body;
  }

  // Who it is, as the client is told.
  const arrive = async (attempted) => userinfo(issuer, (await redeem(attempted)).access_token);

  // Somebody with tokens.
  async function signIn(at, options) {
    const attempted = await attempt(at, options);
    return { visitor: attempted.visitor, client: attempted.client, tokens: await redeem(attempted) };
  }

  // Whether somebody is signed in in this browser.
  async function isSignedIn(visitor) {
    const page = await visitor.open(`${app.authorization(issuer).url}&prompt=none`);
    const { searchParams } = new URL(page.headers.location);
    if (searchParams.get("code")) return true;
    assert.equal(searchParams.get("error"), "login_required");
    return false;
  }

  // Nobody is signed in, and the page says so and leads on.
  function isTrouble({ visitor, answer }) {
    assert.equal(answer.status, 502, answer.next?.href ?? answer.body.slice(0, 300));
    assert.match(answer.body, /<code>[^<]+<\/code>/, "a reference for the operator");
    assert.match(answer.body, /<button class="primary" name="upstream"[^>]*>Try .* again<\/button>/);
    assert.ok(!visitor.cookies.has("__Host-gatelatch-sign-in"), "somebody is signed in");
  }

  // Where a page of ours leads by itself.
  function onward({ status, body }) {
    const [, next] = /content="0;url=([^"]+)"/.exec(body) ?? [];
    assert.ok(next, `no way on: ${status}`);
    return next.replaceAll("&amp;", "&");
  }

  // The form of the page that says that there is trouble.
  async function again(at, { visitor, client, verifier, answer }) {
    const page = await visitor.submit(answer, { upstream: at.id });
    if (page.status === 502) return { visitor, client, verifier, answer: page };
    const left = { url: page.url, status: 303, headers: { location: onward(page) }, body: "" };
    return { visitor, client, verifier, answer: await through(visitor, at, left) };
  }

  return {
    url, issuer, app, told, listener, control, arrange, clear, seen, attempt, arrive, redeem, signIn, isSignedIn, isTrouble, onward, again,
  };
}
