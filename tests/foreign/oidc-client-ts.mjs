// npm's oidc-client-ts, unmodified, in Chromium: a public client that is all browser and reads our issuer
// cross-origin. The application is in spa/.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { onSignInPage, people, picture, signIn } from "../browser/chromium.mjs";
import { subject } from "./checks.mjs";
import { account, freePorts, ourIssuer } from "./pair.mjs";
import { serveSpa } from "./spa/serve.mjs";

const accessTokenSeconds = 8;
// So that `automaticSilentRenew` renews every second or two.
const renewSecondsBefore = 6;

await subject("oidc-client-ts", async (it) => {
  const [port] = await freePorts(1);
  // Another port of localhost is the same site to a browser's cookies; an address is another site.
  const origin = `http://localhost:${port}`;
  const elsewhere = `http://127.0.0.1:${port}`;
  const registered = (client_id, allowed_origins, grant_types = ["authorization_code", "refresh_token"]) => ({
    client_id,
    client_name: "Looking glass",
    token_endpoint_auth_method: "none",
    redirect_uris: [origin, elsewhere].map((at) => `${at}/${client_id}/callback`),
    post_logout_redirect_uris: [`${origin}/${client_id}/signed-out`],
    allowed_origins,
    grant_types,
  });
  const issuer = await ourIssuer([
    registered("spa", [origin]),
    registered("renewing", [origin]),
    registered("framed", [origin, elsewhere], ["authorization_code"]),
  ], { ACCESS_TOKEN_SECONDS: String(accessTokenSeconds) });
  await serveSpa(port, issuer, { RENEW_SECONDS_BEFORE: renewSecondsBefore });
  const person = await people();

  // From the application's button over our sign-in page to the application again.
  const enter = async (page, url = `${origin}/spa/`) => {
    await page.goto(url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await onSignInPage(page, issuer);
    await signIn(page);
    await page.waitForURL(url);
    await page.getByText(`signed in as ${account.name}`).waitFor();
    return user(page);
  };
  const user = (page) => page.evaluate(() => window.app.manager.getUser());

  // What a function of the UserManager resolves to, or how it fails. Resolves here whatever happens there.
  const ask = (page, name, ...args) => page.evaluate(async ([name, args]) => {
    try {
      return { done: await window.app.manager[name](...args) };
    } catch (fault) {
      return { name: fault.name, error: fault.error ?? fault.message };
    }
  }, [name, args]);
  const renew = async (page, ...args) => {
    const { done, ...fault } = await ask(page, "signinSilent", ...args);
    assert.ok(done, JSON.stringify(fault));
    return done;
  };
  const refused = async (page, error, ...args) => {
    const { done, ...fault } = await ask(page, "signinSilent", ...args);
    assert.ok(!done, "it was given tokens");
    assert.equal(fault.error, error);
  };

  // Puts tokens back that the application had before.
  const remember = (page, before) => page.evaluate((before) => window.app.manager.storeUser(new window.app.User(before)), before);

  // The forms that are posted to the token endpoint from now on.
  const tokenRequests = (context) => {
    const forms = [];
    context.on("request", (request) => {
      if (request.url() === `${issuer}/token`) forms.push({ request, ...Object.fromEntries(new URLSearchParams(request.postData())) });
    });
    return forms;
  };

  // Tabs of one browser that refresh with the same token: no request goes on before all of them are made.
  const together = async (context, tabs) => {
    const waiting = [];
    const pattern = `${issuer}/token`;
    await context.route(pattern, async (route) => {
      waiting.push(route);
      if (waiting.length === tabs.length) for (const route of waiting) await route.continue();
    });
    const answers = await Promise.all(tabs.map((tab) => ask(tab, "signinSilent")));
    await context.unroute(pattern);
    return answers;
  };
  const open = async (context, url) => {
    const tab = await context.newPage();
    await tab.goto(url);
    await tab.getByText("signed in as").waitFor();
    return tab;
  };

  const { page, context, quiet, close } = await person();
  const forms = tokenRequests(context);

  await it("it reads the metadata and the keys from another origin", async () => {
    await page.goto(`${origin}/spa/`);
    const { metadata, keys } = await page.evaluate(async () => ({
      metadata: await window.app.manager.metadataService.getMetadata(),
      keys: await window.app.manager.metadataService.getSigningKeys(),
    }));
    assert.equal(metadata.issuer, issuer);
    assert.ok(metadata.token_endpoint_auth_methods_supported.includes("none"));
    assert.deepEqual([...new Set(keys.map(({ alg }) => alg))].sort(), ["ES256", "EdDSA", "RS256"]);
    quiet();
  });

  await it("it signs in with code and PKCE, and redeems the code from the page with no secret and no cookie", async () => {
    const { access_token, refresh_token, id_token, scope, expires_at } = await enter(page);
    assert.ok(access_token && refresh_token && id_token && expires_at > Date.now() / 1000);
    assert.deepEqual(scope.split(" ").sort(), ["email", "openid", "profile"]);
    const [{ request, grant_type, client_id, code_verifier, client_secret }] = forms;
    const headers = await request.allHeaders();
    assert.deepEqual([grant_type, client_id, client_secret], ["authorization_code", "spa", undefined]);
    assert.equal(code_verifier.length, 96);
    assert.deepEqual([headers.origin, headers.authorization, headers.cookie], [origin, undefined, undefined]);
    await picture(page, "spa");
    quiet();
  });

  await it("userinfo, read from another origin, fills the profile", async () => {
    const { profile, id_token } = await user(page);
    const { name, given_name, family_name, preferred_username, email, email_verified, locale } = profile;
    const { username, password, ...claims } = account;
    assert.deepEqual({ name, given_name, family_name, preferred_username, email, email_verified, locale }, claims);
    const inside = JSON.parse(Buffer.from(id_token.split(".")[1], "base64url"));
    assert.deepEqual([inside.sub, inside.name], [profile.sub, undefined], "the ID token has the name already");
  });

  await it("signinSilent() with the refresh token gives new tokens every time, and the page stays where it is", async () => {
    const seen = [await user(page)];
    for (let times = 0; times < 5; times += 1) seen.push(await renew(page));
    for (const token of ["access_token", "refresh_token", "id_token"]) {
      assert.equal(new Set(seen.map((user) => user[token])).size, seen.length, `a second ${token} is the first`);
    }
    assert.equal(new Set(seen.map(({ profile: { sub, auth_time } }) => `${sub} ${auth_time}`)).size, 1);
    assert.equal(forms.at(-1).scope, seen.at(-1).scope, "it asks for what it was granted");
    assert.equal(page.url(), `${origin}/spa/`);
    quiet();
  });

  await it("a reload and another tab find the person signed in, without the issuer", async () => {
    const before = forms.length;
    await page.reload();
    await page.getByText("signed in as").waitFor();
    await (await open(context, `${origin}/spa/`)).close();
    assert.equal(forms.length, before);
    quiet();
  });

  await it("two, and three, tabs that refresh at the same time get the same successor and stay signed in", async () => {
    for (const count of [2, 3]) {
      const tabs = [page, ...await Promise.all(Array.from({ length: count - 1 }, () => open(context, `${origin}/spa/`)))];
      const answers = await together(context, tabs);
      assert.equal(new Set(forms.slice(-count).map(({ refresh_token }) => refresh_token)).size, 1, "they had different tokens");
      for (const answer of answers) assert.ok(answer.done, JSON.stringify(answer));
      assert.equal(new Set(answers.map(({ done }) => done.refresh_token)).size, 1);
      for (const tab of tabs) await renew(tab);
      for (const tab of tabs.slice(1)) await tab.close();
    }
    quiet();
  });

  await it("revokeTokens() revokes cross-origin, and neither token is good any more", async () => {
    const before = await user(page);
    const { name, error } = await ask(page, "revokeTokens");
    assert.deepEqual([name, error], [undefined, undefined]);
    assert.equal((await user(page)).refresh_token, null);
    quiet();

    const about = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${before.access_token}` } });
    assert.equal(about.status, 401);
    await remember(page, before);
    await refused(page, "invalid_grant");
  });
  await close();

  await it("signoutRedirect() ends the session at the issuer, and its refresh token, and comes back; signing in asks for the password", async () => {
    const other = await person();
    await enter(other.page);
    const before = await renew(other.page);
    await other.page.getByRole("button", { name: "Sign out" }).click();
    await other.page.getByText("signed out").waitFor();
    await other.page.waitForURL(`${origin}/spa/`);
    assert.equal(await user(other.page), null);
    const names = (await other.context.cookies()).map(({ name }) => name);
    assert.ok(!names.includes("__Host-gatelatch-sign-in"), names.join());

    await enter(other.page);
    other.quiet();
    await remember(other.page, before);
    await refused(other.page, "invalid_grant");
    await other.close();
  });

  await it("automaticSilentRenew renews by itself, in two tabs at once, for longer than an access token lives", async () => {
    const other = await person();
    const url = `${origin}/renewing/`;
    const renewals = tokenRequests(other.context);
    const first = await enter(other.page, url);
    const tab = await open(other.context, url);
    let last;
    do {
      await sleep(500);
      last = await user(other.page);
      assert.ok(last.expires_at > Date.now() / 1000, "the access token expired");
    } while (last.expires_at <= first.expires_at + accessTokenSeconds);
    assert.ok(renewals.filter(({ grant_type }) => grant_type === "refresh_token").length > 1);
    assert.notEqual(last.refresh_token, first.refresh_token);
    await tab.getByText("signed in as").waitFor();
    other.quiet();
    await other.close();
  });

  const framed = await person();
  // The library warns of the `login_required` that it was to expect.
  const quietInFrames = () => assert.deepEqual(framed.complaints.filter((complaint) => !complaint.endsWith("was error login_required")), []);
  await it("without a refresh token signinSilent() renews in a frame, for our redirect is no page", async () => {
    const url = `${origin}/framed/`;
    await framed.page.goto(url);
    await refused(framed.page, "login_required");
    const first = await enter(framed.page, url);
    assert.equal(first.refresh_token, undefined);
    const next = await renew(framed.page);
    assert.notEqual(next.access_token, first.access_token);
    assert.deepEqual([next.profile.sub, next.profile.auth_time], [first.profile.sub, first.profile.auth_time]);
    quietInFrames();
  });

  await it("a frame of another site's page is nobody's: the issuer's cookie is not sent there", async () => {
    const url = `${elsewhere}/framed/`;
    const tab = await framed.context.newPage();
    await tab.goto(url);
    await refused(tab, "login_required");
    await tab.getByRole("button", { name: "Sign in" }).click();
    await tab.getByText(`signed in as ${account.name}`).waitFor();
    await refused(tab, "login_required");
    await tab.close();
    quietInFrames();
  });

  await it("signinPopup() comes back, though our page and its opener can't see each other", async () => {
    await framed.context.clearCookies();
    const popup = framed.context.waitForEvent("page");
    const answer = ask(framed.page, "signinPopup");
    await signIn(await popup);
    const { done, ...fault } = await answer;
    assert.ok(done, JSON.stringify(fault));
    quietInFrames();
  });

  await it("the sign-in page opens in no frame", async () => {
    const [message] = await Promise.all([
      framed.page.waitForEvent("console", (message) => message.text().includes("frame-ancestors")),
      refused(framed.page, "IFrame timed out without a response", { prompt: "login", silentRequestTimeoutInSeconds: 2 }),
    ]);
    assert.equal(message.type(), "error");
  });
  await framed.close();

  await it("an origin that the client did not register gets a code and no answer that it could read", async () => {
    const other = await person();
    const { page } = other;
    await page.goto(`${elsewhere}/spa/`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await onSignInPage(page, issuer);
    const failed = page.waitForEvent("requestfailed", (request) => request.url() === `${issuer}/token`);
    await signIn(page);
    await failed;
    await page.getByText("failed: Failed to fetch").waitFor();
    const complaint = other.complaints.find((complaint) => complaint.includes("blocked by CORS policy"));
    assert.match(String(complaint), /\/token' .*No 'Access-Control-Allow-Origin' header is present/);
    assert.equal(await user(page), null);
    await other.close();
  });

  await it("a refresh token of two generations ago ends the family, and the library says invalid_grant", async () => {
    const other = await person();
    const { page } = other;
    const first = await enter(page);
    await renew(page);
    const third = await renew(page);
    other.quiet();
    await remember(page, first);
    await refused(page, "invalid_grant");
    await remember(page, third);
    await refused(page, "invalid_grant");
    await other.close();
  });

  await it("a fourth tab at the same moment is one too many, and ends the family", async () => {
    const other = await person();
    await enter(other.page);
    const tabs = [other.page, ...await Promise.all([1, 2, 3].map(() => open(other.context, `${origin}/spa/`)))];
    const errors = (await together(other.context, tabs)).map(({ error }) => error);
    assert.equal(errors.filter((error) => error === "invalid_grant").length, 1, String(errors));
    await refused(other.page, "invalid_grant");
    await other.close();
  });
});
