// Somebody else's application asks for something, as a person with Chromium sees it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { later } from "../foreign/checks.mjs";
import { secretDigest } from "../foreign/pair.mjs";
import { picture, signIn } from "./chromium.mjs";

const logo = "https://pictures.calendar.test/logo.svg";
const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="#b33"/><circle cx="24" cy="24" r="12" fill="#fff"/></svg>`;

export const scopes = { "reports.read": { description: "Read your reports" } };

// The application, which answers at `there`, and another of the same people for a desk.
export const theirs = (there) => [{
  client_id: "calendar",
  client_name: "Shared Calendar",
  client_secret_sha256: secretDigest("calendar-secret"),
  redirect_uris: [`${there}/callback`],
  scope: "openid profile email offline_access reports.read",
  grant_types: ["authorization_code", "refresh_token"],
  first_party: false,
  logo_uri: logo,
  client_uri: "https://calendar.test/",
  policy_uri: "https://calendar.test/privacy",
  tos_uri: "https://calendar.test/terms",
}, {
  client_id: "desk",
  client_name: "Desk Calendar",
  token_endpoint_auth_method: "none",
  application_type: "native",
  redirect_uris: ["http://localhost/callback"],
  first_party: false,
}];

export async function consenting(it, { issuer, calendarAt, person }) {
  const landing = `${calendarAt}/callback`;
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<link rel=icon href=data:,><h1>Back</h1>"));
  await new Promise((resolve) => server.listen(new URL(calendarAt).port, "localhost", resolve));
  later(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  const request = (scope, more = {}) => `${issuer}/authorize?${new URLSearchParams({
    response_type: "code", client_id: "calendar", redirect_uri: landing, scope, state: "s",
    code_challenge: createHash("sha256").update("v".repeat(43)).digest("base64url"), code_challenge_method: "S256", ...more,
  })}`;
  const someone = async (options) => {
    const one = await person(options);
    // The host of the picture does not exist; what the browser asks it for is answered here.
    await one.context.route(logo, (route) => route.fulfill({ contentType: "image/svg+xml", body: drawing }));
    return one;
  };
  const { page, context, quiet } = await someone();
  const back = async (on = page) => {
    await on.waitForURL((url) => url.href.startsWith(landing));
    return new URL(on.url()).searchParams;
  };
  const allow = page.getByRole("button", { name: "Allow" });
  const wishes = () => page.getByRole("listitem").allInnerTexts();
  const fits = (on) => on.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  await it("somebody who signs in for somebody else's application is asked, by its name, its picture and its host", async () => {
    await page.goto(request("openid email"));
    await signIn(page);
    await page.getByRole("heading", { name: "Allow Shared Calendar?" }).waitFor();
    assert.equal(await page.title(), "Allow Shared Calendar?");
    assert.deepEqual(await wishes(), ["Recognize you when you sign in", "See your email address"]);
    assert.ok(await page.getByText("Signed in as alice").count());
    assert.ok(await page.getByText(`You’ll be sent to ${new URL(calendarAt).host}.`).count());
    assert.ok(await page.locator("img").evaluate((image) => image.complete && image.naturalWidth > 0), "no picture");
    for (const link of await page.getByRole("link").all()) assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
    await picture(page, "consent-light");
    quiet();
  });

  await it("turning back tells the application so", async () => {
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await back()).get("error"), "access_denied");
    quiet();
  });

  await it("allowing leads to the application with a code, and the next time there is no page", async () => {
    await page.goto(request("openid email"));
    await allow.click();
    assert.ok((await back()).get("code"));
    await page.goto(request("openid email"));
    assert.ok((await back()).get("code"));
    await page.goto(request("openid email", { prompt: "none" }));
    assert.ok((await back()).get("code"));
    quiet();
  });

  await it("more is asked for, with what is new marked, and fits a phone in the dark", async () => {
    await page.goto(request("openid email profile reports.read offline_access"));
    await allow.waitFor();
    assert.equal((await wishes()).filter((wish) => /\bNew$/.test(wish)).length, 3);
    await picture(page, "consent-more");
    const other = await someone({ colorScheme: "dark", viewport: { width: 320, height: 568 } });
    await other.context.addCookies(await context.cookies());
    await other.page.goto(page.url());
    await other.page.getByRole("button", { name: "Allow" }).waitFor();
    assert.ok(await fits(other.page), "it scrolls sideways");
    await picture(other.page, "consent-phone-dark", { fullPage: true });
    other.quiet();
    await other.close();
  });

  await it("a double click on Allow ends at the application with a code", async () => {
    await allow.dblclick();
    assert.ok((await back()).get("code"));
  });

  await it("whoever is asked can be somebody else, and is led to sign in", async () => {
    await page.goto(request("openid email", { prompt: "consent" }));
    await page.getByRole("button", { name: "Not you?" }).click();
    await page.getByRole("heading", { name: "Sign in to Shared Calendar" }).waitFor();
    await signIn(page);
    await allow.click();
    assert.ok((await back()).get("code"));
  });

  await it("another site cannot frame the page", async () => {
    const other = await context.newPage();
    const evil = createServer((_, response) => response.setHeader("content-type", "text/html")
      .end(`<iframe src="${request("openid email", { prompt: "consent" }).replaceAll("&", "&amp;")}"></iframe>`));
    await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
    later(() => new Promise((resolve) => { evil.close(resolve); evil.closeAllConnections(); }));
    // The same site, so that the cookies go along.
    await other.goto(`http://localhost:${evil.address().port}/`);
    await other.waitForLoadState("networkidle");
    const framed = other.frames().filter((frame) => frame !== other.mainFrame());
    assert.equal(framed.length, 1);
    assert.equal(await framed[0].getByRole("button").count(), 0, "the page is in a frame");
    await other.close();
  });

  await it("an application of this machine is asked about each time", async () => {
    for (let visit = 0; visit < 2; visit += 1) {
      await page.goto(request("openid email", { client_id: "desk" }));
      await page.getByText("a program on this device").waitFor();
      if (!visit) await picture(page, "consent-device");
      await allow.click();
      assert.ok((await back()).get("code"));
    }
  });
  await context.close();
}
