// Signing in with every kind of upstream over HTTP, on workerd, and what becomes of it when theirs goes wrong:
// node tests/upstreams.mjs. What they are is played by stand-ins (tests/stand-in) on a port of their own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { environment, root } from "../scripts/paths.mjs";
import { later, subject } from "./foreign/checks.mjs";
import { ourIssuer } from "./foreign/pair.mjs";
import { redirectUri } from "./foreign/sign-in.mjs";
import { Visitor } from "./foreign/visitor.mjs";
import { Client, send, userinfo } from "./storms/client.mjs";

const alpha = "a1fa0000-0000-4000-8000-000000000001";

// What each needs besides, where it is, whether it gives ID tokens, and where we ask it for somebody.
const presets = [
  { id: "auth0", place: "auth0/a", openid: true, endpoints: ["token", "userinfo"] },
  { id: "authkit", place: "workos/authkit", endpoints: ["token"] },
  { id: "workos-sso", place: "workos/sso", endpoints: ["token"], more: { organization: "org_alpha" } },
  { id: "github", place: "github/a", endpoints: ["token", "userinfo", "emails"] },
  { id: "google", place: "google/a", openid: true, endpoints: ["token", "userinfo"] },
  { id: "entra", place: "entra/a", openid: true, endpoints: ["token"], more: { tenants: [alpha] } },
  { id: "openid", place: "generic/a", openid: true, endpoints: ["token", "userinfo"] },
];

const elsewhere = "generic/elsewhere";
const broken = (url) => [
  "refuse_connection", "tls_alert", "never", "trickle", { slow: 60 }, "reset_mid_body", "truncated", "empty200", "html200",
  "bad_json", "gzip_bomb", "one_megabyte", "ten_megabytes", "deep_json", "error_with200",
  ...[302, 307].map((status) => ({ redirect: { status, to: `${url}/${elsewhere}/token` } })),
  ...[400, 401, 403, 404, 408, 429, 500, 502, 503].map((status) => ({ status })),
];
const unusual = [{ slow: 1 }, "wrong_content_type"];
const idTokens = [
  "absent", "alg_none", "hs256", "other_key", "unknown_kid", "wrong_issuer", "wrong_audience", "extra_audience", "wrong_azp",
  "expired", "future_iat", "no_subject", "empty_subject", "no_nonce", "wrong_nonce",
].map((fault) => ({ id_token: fault }));

// The faults of one endpoint that leave nobody signed in.
function faultsOf(preset, endpoint, url) {
  const all = [...broken(url), ...(preset.openid && endpoint === "token" ? idTokens : [])];
  // Who may not read somebody's addresses at GitHub is told none, and that is all.
  return endpoint === "emails" ? all.filter(({ status }) => ![403, 404].includes(status)) : all;
}

// The stand-ins, for as long as we hold their stdin.
async function standIns() {
  const child = spawn("cargo", ["run", "--locked", "--quiet", "-p", "stand-in"], { cwd: root, env: environment(), stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  later(async () => {
    child.stdin.end();
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) return line.trim();
  throw new Error("the stand-ins did not start: see their messages above");
}

await subject("upstreams of every kind, on workerd", async (it) => {
  const url = await standIns();
  const client = new Client("app");
  const entry = ({ id, place, more }) => ({
    id, provider: id, client_id: "gatelatch", [id === "openid" ? "issuer" : "base"]: `${url}/${place}`, ...more,
  });
  const secret = ({ id, place }) => [
    `UPSTREAM_${id.toUpperCase().replaceAll("-", "_")}_SECRET`, place.startsWith("workos/") ? "sk_stand_in" : "stand-in-secret",
  ];
  const issuer = await ourIssuer([client.registration], {
    ACCOUNTS: [], UPSTREAMS: presets.map(entry), ...Object.fromEntries(presets.map(secret)),
  });

  const control = async (place, path, method, body) => {
    const answer = await fetch(`${url}/${place}/${path}`, {
      method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" },
    });
    assert.ok(answer.ok, `${method} ${place}/${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const arrange = (place, endpoint, fault) => control(place, "_faults", "PUT", [{ endpoint, fault }]);
  const clear = (place) => control(place, "_faults", "DELETE");
  const isBack = (url) => url.href.startsWith(redirectUri);

  // From a URL at the upstream to the client, or to the page that stands in the way.
  async function through(visitor, answer) {
    const page = await visitor.follow(answer, isBack);
    if (page.next || !new URL(page.url).href.startsWith(url)) return page;
    return visitor.follow(await visitor.submit(page, { person: "alice" }), isBack);
  }

  // The client sends somebody straight there.
  async function attempt(preset) {
    const visitor = new Visitor();
    const { url, verifier } = client.authorization(issuer, "openid profile email");
    const answer = await through(visitor, await visitor.open(`${url}&idp_hint=${preset.id}`));
    return { visitor, verifier, answer };
  }

  // Who it is, as the client is told.
  async function arrive({ answer, verifier }) {
    const code = answer.next?.searchParams.get("code");
    assert.ok(code, `no code: ${answer.status} ${answer.next ?? answer.body.slice(0, 500)}`);
    const { body } = await send(client.redemption(issuer, { code, verifier }));
    assert.ok(body.access_token, JSON.stringify(body));
    return userinfo(issuer, body.access_token);
  }

  // Nobody is signed in, and the page says so and leads on.
  function isTrouble({ visitor, answer }) {
    assert.equal(answer.status, 502, answer.next?.href ?? answer.body.slice(0, 300));
    assert.match(answer.body, /<code>[^<]+<\/code>/, "a reference for the operator");
    assert.match(answer.body, /<button class="primary" name="upstream"[^>]*>Try .* again<\/button>/);
    assert.ok(![...visitor.cookies.keys()].includes("__Host-gatelatch-sign-in"), "somebody is signed in");
  }

  // The form of that page, once the trouble is over.
  async function again(preset, { visitor, answer, verifier }) {
    const onward = await visitor.submit(answer, { upstream: preset.id });
    const [, next] = /content="0;url=([^"]+)"/.exec(onward.body) ?? [];
    assert.ok(next, `no way on: ${onward.status}`);
    return { verifier, answer: await through(visitor, await visitor.open(next.replaceAll("&amp;", "&"))) };
  }

  const subjects = new Map();
  for (const preset of presets) {
    await it(`${preset.id} signs alice in, and tells what its provider told`, async () => {
      const claims = await arrive(await attempt(preset));
      subjects.set(preset.id, claims.sub);
      assert.equal(claims.email, "alice@alpha.test");
      // Nobody at that API says so.
      assert.equal(claims.email_verified ?? false, preset.id !== "workos-sso");
      const seen = await control(preset.place, "_seen", "GET");
      const { query } = seen.find(({ endpoint }) => endpoint === "authorize");
      const asked = Object.fromEntries(query);
      assert.equal(asked.code_challenge_method, "S256");
      assert.equal("nonce" in asked, preset.openid ?? false);
      for (const { headers } of seen.filter(({ endpoint }) => preset.id === "github" && ["userinfo", "emails"].includes(endpoint))) {
        assert.equal(headers["user-agent"], "gatelatch");
      }
    });
  }
  await it("fd_21: somebody at seven providers is seven people", async () => {
    assert.equal(new Set(subjects.values()).size, presets.length);
  });

  // Instances know nothing of each other, so all of them go wrong at the same time; what waits, waits together.
  let cells = 0;
  const table = presets.map(async (preset) => {
    for (const endpoint of preset.endpoints) {
      for (const fault of faultsOf(preset, endpoint, url)) {
        const what = `${preset.id} ${endpoint} ${JSON.stringify(fault)}`;
        try {
          await clear(preset.place);
          await control(preset.place, "_seen", "DELETE");
          await arrange(preset.place, endpoint, fault);
          const failed = await attempt(preset);
          isTrouble(failed);
          const seen = await control(preset.place, "_seen", "GET");
          for (const once of preset.endpoints) {
            const asked = seen.filter((request) => request.endpoint === once).length;
            assert.ok(asked <= 1, `${once} was asked ${asked} times`);
          }
          await clear(preset.place);
          const claims = await arrive(await again(preset, failed));
          assert.equal(claims.sub, subjects.get(preset.id));
        } catch (cause) {
          throw new Error(what, { cause });
        }
        cells += 1;
      }
      for (const fault of unusual) {
        await arrange(preset.place, endpoint, fault);
        const claims = await arrive(await attempt(preset)).catch((cause) => {
          throw new Error(`${preset.id} ${endpoint} ${JSON.stringify(fault)}`, { cause });
        });
        assert.equal(claims.sub, subjects.get(preset.id));
        await clear(preset.place);
        cells += 1;
      }
    }
  });
  const ended = Promise.allSettled(table);
  for (const [number, preset] of presets.entries()) {
    await it(`pl_16: ${preset.id} goes wrong in every way at ${preset.endpoints.join(", ")}; the page leads on when it is over`, () => table[number], 240);
  }
  await ended;
  await it(`${cells} cells: nobody was followed elsewhere`, async () => {
    const wanted = presets.flatMap((preset) => preset.endpoints.map((endpoint) => faultsOf(preset, endpoint, url).length + unusual.length));
    assert.equal(cells, wanted.reduce((sum, count) => sum + count));
    assert.deepEqual(await control(elsewhere, "_seen", "GET"), []);
  });
  await it("and each of them signs alice in as before", async () => {
    for (const preset of presets) {
      assert.equal((await arrive(await attempt(preset))).sub, subjects.get(preset.id), preset.id);
    }
  });
});
