// npm's oidc-provider as an upstream of our issuer: people of somebody else's issuer sign in with ours.
import assert from "node:assert/strict";
import { Client } from "../storms/client.mjs";
import { subject } from "./checks.mjs";
import { account, alice, freePorts, key, serve } from "./pair.mjs";
import { foreignIssuer } from "./provider.mjs";
import { redirectUri } from "./sign-in.mjs";
import { Visitor } from "./visitor.mjs";

const part = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const isBack = (url) => url.href.startsWith(redirectUri);

// Every way of ours to show who we are, and every algorithm of theirs.
const variants = [
  { alg: "RS256", auth: "client_secret_basic" },
  { alg: "ES256", auth: "client_secret_post" },
  { alg: "EdDSA", auth: "none" },
];

await subject("oidc-provider as an upstream", async (it) => {
  for (const { alg, auth } of variants) {
    const [port] = await freePorts(1);
    const issuer = `http://localhost:${port}`;
    const secret = key();
    const upstream = await foreignIssuer({
      client_id: "gatelatch", redirect_uris: [`${issuer}/sign-in/callback/npm`], id_token_signed_response_alg: alg,
      token_endpoint_auth_method: auth, ...auth !== "none" && { client_secret: secret },
    }, { accessTokenSeconds: 60, idTokenOnRefresh: true });
    const entry = {
      id: "npm", provider: "openid", label: "Somebody else", issuer: upstream.issuer, client_id: "gatelatch",
      token_endpoint_auth_method: auth,
    };
    const client = new Client("app");
    await serve({
      idp: {
        port,
        settings: {
          ISSUER: issuer, SEALING_KEYS: key(), ACCOUNTS: [account], CLIENTS: [client.registration], UPSTREAMS: [entry],
          ...auth !== "none" && { UPSTREAM_NPM_SECRET: secret },
        },
      },
    });
    const visitor = new Visitor();
    const asked = (more) => {
      const request = client.authorization(issuer, "openid profile email offline_access");
      return { ...request, url: `${request.url}&${new URLSearchParams(more)}` };
    };
    // The way back, with the tokens that came of it.
    const redeem = async (answer, { verifier }) => {
      const { next, status, body } = await visitor.follow(answer, isBack);
      assert.ok(next?.searchParams.get("code"), `${status} ${next ?? body.slice(0, 1000)}`);
      const { url, form, ...rest } = client.redemption(issuer, { code: next.searchParams.get("code"), verifier });
      const answered = await visitor.send(url, { form, ...rest });
      assert.equal(answered.status, 200, answered.body);
      return JSON.parse(answered.body);
    };
    let tokens;

    await it(`${alg}, ${auth}: idp_hint leads straight there, and who signs in there is signed in here`, async () => {
      const request = asked({ idp_hint: "npm" });
      let page = await visitor.follow(await visitor.open(request.url));
      assert.ok(page.url.startsWith(upstream.issuer), page.url);
      page = await visitor.follow(await visitor.submit(page, { login: "dinah", password: "any" }));
      tokens = await redeem(await visitor.submit(page), request);
      const { acr, amr, sub } = part(tokens.id_token);
      assert.deepEqual([acr, amr], ["urn:gatelatch:fed", ["fed"]]);
      assert.notEqual(sub, "dinah");
    });

    await it(`${alg}, ${auth}: what it tells of the person is told on, and no token of it`, async () => {
      const answer = await visitor.send(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
      const { sub, ...told } = JSON.parse(answer.body);
      assert.deepEqual([sub, told], [part(tokens.id_token).sub, { name: "Dinah", email: "dinah@example.com" }]);
    });

    await it(`${alg}, ${auth}: who is signed in here needs no page, and is the same person`, async () => {
      const request = asked({ prompt: "none" });
      const again = await redeem(await visitor.open(request.url), request);
      assert.equal(part(again.id_token).sub, part(tokens.id_token).sub);
    });

    await it(`${alg}, ${auth}: max_age=0 is asked there too, and auth_time is when they proved it there`, async () => {
      const request = asked({ idp_hint: "npm", max_age: "0" });
      const began = Math.floor(Date.now() / 1000) - 1;
      let page = await visitor.follow(await visitor.open(request.url));
      assert.match(page.body, /name="login"/, "it asks for the password again");
      page = await visitor.follow(await visitor.submit(page, { login: "dinah", password: "any" }), isBack);
      const answer = page.next ? { ...page, status: 303, headers: { location: page.next.href } } : await visitor.submit(page);
      const again = await redeem(answer, request);
      assert.ok(part(again.id_token).auth_time >= began);
    });

    await it(`${alg}, ${auth}: while it is away nobody is signed in, and the local account still can be`, async () => {
      upstream.away = true;
      const other = new Visitor();
      const request = asked({});
      const page = await other.open(request.url);
      const left = await other.submit(page, alice);
      assert.ok((await other.follow(left, isBack)).next?.searchParams.get("code"));
      upstream.away = false;
      assert.deepEqual(upstream.refused, []);
    });
  }
});
