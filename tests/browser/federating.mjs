// Signing in with somebody else, as a person with Chromium sees it. Everybody else is a stand-in, on another site.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { client, standIns } from "../../scripts/stand-in.mjs";
import { later } from "../foreign/checks.mjs";
import { ourPair } from "../foreign/pair.mjs";
import { onSignInPage, picture } from "./chromium.mjs";

// Somebody else's application. Nobody listens there: what the browser asks it for is answered in the browser.
const calendar = { client_id: "calendar", client_name: "Calendar", token_endpoint_auth_method: "none", redirect_uris: ["http://localhost:4999/callback"], first_party: false };
const tenant = "a1fa0000-0000-4000-8000-000000000001";

// Each kind of provider: where its stand-in is, what its entry says, and what Alice is called once she is back.
const kinds = (at) => [
  { id: "hub", label: "GitHub", place: "github/hub", entry: { provider: "github", base: at("github/hub") } },
  { id: "auth0", label: "Auth0", place: "auth0/main", entry: { provider: "auth0", base: at("auth0/main"), organization: "org_alpha" } },
  { id: "authkit", label: "AuthKit", place: "workos/kit", entry: { provider: "authkit", base: at("workos/kit") }, secret: client.key },
  {
    id: "sso", label: "Alpha", place: "workos/sso", secret: client.key, called: "alice@alpha.test",
    entry: { provider: "workos-sso", base: at("workos/sso"), organization: "org_alpha", domains: ["alpha.test"] },
  },
  { id: "google", label: "Google", place: "google/all", entry: { provider: "google", base: at("google/all"), hosted_domain: "alpha.test" } },
  { id: "entra", label: "Microsoft", place: "entra/one", entry: { provider: "entra", base: at("entra/one"), tenant } },
  { id: "tenants", label: "Partners", place: "entra/many", entry: { provider: "entra", base: at("entra/many"), tenants: [tenant] } },
  { id: "acme", label: "Acme", place: "generic/acme", entry: { provider: "openid", issuer: at("generic/acme") } },
  // Nobody has asked for its metadata before the walk that is about that.
  { id: "late", label: "Late", place: "generic/late", entry: { provider: "openid", issuer: at("generic/late") } },
];

export async function federating(it, { person }) {
  const { url, stop } = await standIns();
  later(stop);
  const at = (place) => `${url}/${place}`;
  const all = kinds(at);
  const secrets = all.map(({ id, secret = client.secret }) => [`UPSTREAM_${id.toUpperCase()}_SECRET`, secret]);
  const { app, issuer } = await ourPair({
    clients: [calendar],
    idp: {
      UPSTREAMS: all.map(({ id, label, entry }) => ({ id, label, client_id: client.id, ...entry })),
      ...Object.fromEntries(secrets),
    },
  });
  const wanted = `${app}/?from=a+bookmark`;
  const hub = all.find(({ id }) => id === "hub");
  const faults = async (place, list) => {
    const answer = await fetch(`${at(place)}/_faults`, { method: list ? "PUT" : "DELETE", headers: { "content-type": "application/json" }, body: list && JSON.stringify(list) });
    assert.equal(answer.status, 204, await answer.text());
  };

  const chooser = async (page) => {
    await page.goto(wanted);
    await onSignInPage(page, issuer);
  };
  const leave = async (page, { label, place }) => {
    await page.getByRole("button", { name: `Continue with ${label}`, exact: true }).click();
    await arrive(page, place);
  };
  const arrive = (page, place) => page.waitForURL((to) => to.href.startsWith(`${at(place)}/`));
  const prove = (page, name = "Alice Archer") => page.getByRole("button", { name }).click();
  const back = async (page, called = "Alice Archer") => {
    await page.waitForURL(wanted);
    await page.getByRole("heading", { name: `Hello, ${called}`, exact: true }).waitFor();
  };
  const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  const troubled = async (page) => {
    await page.getByRole("heading", { name: "The sign-in service didn’t answer as it should" }).waitFor();
    assert.match(await page.locator("code").innerText(), /^[0-9a-f-]{36}$/);
  };

  await it("the chooser has a button for each upstream, and none for one that has domains; it fits a phone, light and dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page, quiet, close } = await person({ colorScheme });
      await chooser(page);
      const buttons = await page.getByRole("button").allInnerTexts();
      const others = all.filter(({ id }) => id !== "sso").map(({ label }) => `Continue with ${label}`);
      assert.deepEqual(buttons, ["Sign in", "Continue", ...others]);
      await picture(page, `upstreams-${colorScheme}`, { fullPage: true });
      await page.setViewportSize({ width: 320, height: 568 });
      assert.ok(await fits(page), "it scrolls sideways");
      await picture(page, `upstreams-${colorScheme}-phone`, { fullPage: true });
      await leave(page, hub);
      assert.ok(await fits(page), "the stand-in scrolls sideways");
      await picture(page, `stand-in-${colorScheme}-phone`, { fullPage: true });
      await page.setViewportSize({ width: 1000, height: 720 });
      await picture(page, `stand-in-${colorScheme}`);
      quiet();
      await close();
    }
  });

  for (const kind of all.filter(({ id }) => !["sso", "late"].includes(id))) {
    await it(`a person signs in by a button, with ${kind.entry.provider} (${kind.id}), and comes back to the page they wanted`, async () => {
      const { page, context, quiet, close } = await person();
      await chooser(page);
      await leave(page, kind);
      await prove(page);
      await back(page, kind.called);
      const names = (await context.cookies(issuer)).map(({ name }) => name);
      assert.ok(!names.some((name) => name.startsWith("__Host-gatelatch-upstream-")), `flows are left over: ${names}`);
      quiet();
      await close();
    });
  }

  await it("several tabs that are away at once come back in any order, and without JavaScript", async () => {
    const { page, context, quiet, close } = await person({ javaScriptEnabled: false });
    const tabs = [];
    for (const id of ["hub", "acme", "google"]) {
      const tab = tabs.length ? await context.newPage() : page;
      await chooser(tab);
      await leave(tab, all.find((kind) => kind.id === id));
      tabs.push(tab);
    }
    for (const tab of [tabs[1], tabs[2], tabs[0]]) {
      await prove(tab);
      await back(tab);
    }
    quiet();
    await close();
  });

  await it("a hint leads straight there; for somebody else's application the person is asked once they are back", async () => {
    const { page, context, quiet, close } = await person();
    const [landing] = calendar.redirect_uris;
    await context.route(`${landing}*`, (route) => route.fulfill({ contentType: "text/html", body: "<link rel=icon href=data:,><h1>Back</h1>" }));
    await page.goto(`${issuer}/authorize?${new URLSearchParams({
      response_type: "code", client_id: calendar.client_id, redirect_uri: landing, scope: "openid email", idp_hint: "acme",
      code_challenge: createHash("sha256").update("v".repeat(43)).digest("base64url"), code_challenge_method: "S256",
    })}`);
    await arrive(page, "generic/acme");
    await prove(page);
    await page.getByRole("heading", { name: "Allow Calendar?" }).waitFor();
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL((to) => to.href.startsWith(landing));
    assert.ok(new URL(page.url()).searchParams.get("code"), page.url());
    quiet();
    await close();
  });

  await it("a person comes to their own page at the issuer by an upstream, and who denies it there may choose again", async () => {
    const { page, quiet, close } = await person();
    await page.goto(`${issuer}/account`);
    await leave(page, hub);
    await page.getByRole("button", { name: "Deny" }).click();
    await page.waitForURL(`${issuer}/account`);
    await leave(page, hub);
    await prove(page);
    await page.waitForURL(`${issuer}/account`);
    await page.getByText("alice@alpha.test").first().waitFor();
    quiet();
    await close();
  });

  await it("an e-mail address leads to the upstream of its domain, which is told it; one that leads nowhere says so", async () => {
    const { page, complaints, close } = await person();
    const sso = all.find(({ id }) => id === "sso");
    await chooser(page);
    const field = page.getByLabel("E-mail address at work");
    await field.fill("somebody@nowhere.test");
    await page.getByRole("button", { name: "Continue", exact: true }).click();
    const problem = "There’s no sign-in service for that e-mail address here. Check that it’s your address at work, in full, like name@example.com.";
    assert.equal(await page.getByRole("alert").innerText(), problem);
    assert.equal(await page.evaluate(() => document.activeElement.id), "email");
    assert.equal(await field.inputValue(), "somebody@nowhere.test");
    await picture(page, "upstreams-nowhere", { fullPage: true });
    await field.fill("alice@alpha.test");
    await field.press("Enter");
    await arrive(page, sso.place);
    assert.equal(await page.evaluate(() => document.activeElement.value), "alice");
    await prove(page);
    await back(page, sso.called);
    assert.ok(complaints.every((complaint) => complaint.includes("400 (Bad Request)")), String(complaints));
    await close();
  });

  await it("somebody who denies it there is told at the application, signed in nowhere, and may begin again", async () => {
    const { page, context, close } = await person();
    await chooser(page);
    await leave(page, hub);
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("heading", { name: "You were not signed in" }).waitFor();
    assert.ok(page.url().startsWith(`${app}/auth/callback?error=access_denied`), page.url());
    assert.ok(!(await context.cookies()).some(({ name }) => name === "__Host-gatelatch-sign-in"));
    await chooser(page);
    await leave(page, hub);
    await prove(page);
    await back(page);
    await close();
  });

  await it("an upstream that fails on the way back is said to, and \"Try again\" signs in once it works", async () => {
    const { page, complaints, close } = await person();
    await chooser(page);
    await leave(page, hub);
    await faults(hub.place, [{ endpoint: "token", fault: { status: 503 } }]);
    later(() => faults(hub.place).catch(() => {}));
    await prove(page);
    await troubled(page);
    await picture(page, "upstream-trouble");
    const narrow = await person({ colorScheme: "dark", viewport: { width: 320, height: 568 } });
    await narrow.page.setContent(await page.content());
    assert.ok(await fits(narrow.page), "it scrolls sideways");
    await picture(narrow.page, "upstream-trouble-phone-dark", { fullPage: true });
    await narrow.close();

    // The stand-in remembers who she is.
    const again = page.getByRole("button", { name: "Try GitHub again" });
    await again.click();
    await troubled(page);
    await faults(hub.place);
    await again.click();
    await back(page);
    assert.ok(complaints.every((complaint) => complaint.includes("502 (Bad Gateway)")), String(complaints));
    await close();
  });

  await it("an upstream that fails before anybody leaves for it is said to, and \"Try again\" leads there once it works", async () => {
    const { page, complaints, close } = await person();
    const late = all.find(({ id }) => id === "late");
    await faults(late.place, [{ endpoint: "discovery", fault: { status: 500 } }]);
    await chooser(page);
    await page.getByRole("button", { name: "Continue with Late", exact: true }).click();
    await troubled(page);
    await faults(late.place);
    await page.getByRole("button", { name: "Try Late again" }).click();
    await arrive(page, late.place);
    await prove(page);
    await back(page);
    assert.ok(complaints.every((complaint) => complaint.includes("502 (Bad Gateway)")), String(complaints));
    await close();
  });
}
