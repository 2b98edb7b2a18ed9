// Signing in, as a person with Chromium sees it.
import assert from "node:assert/strict";
import { alice } from "../foreign/pair.mjs";
import { onSignInPage, picture, signIn } from "./chromium.mjs";
import { enter, greeting } from "./world.mjs";

export async function signingIn(it, { app, issuer, person }) {
  const wanted = `${app}/?from=a+bookmark`;
  const { page, context, complaints, quiet } = await person();

  await it("a person who opens a page is led to the sign-in page, with the cursor where they type first", async () => {
    await page.goto(wanted);
    await onSignInPage(page, issuer);
    assert.equal(await page.title(), "Sign in to Wonderland");
    assert.equal(await page.evaluate(() => document.activeElement.id), "username");
    await picture(page, "sign-in-light");
    quiet();
  });

  await it("the sign-in page follows a dark color scheme and fits a phone", async () => {
    const other = await person({ colorScheme: "dark" });
    await other.page.goto(wanted);
    await picture(other.page, "sign-in-dark");
    const dark = await other.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.notEqual(dark, light);
    await other.page.setViewportSize({ width: 320, height: 568 });
    assert.ok(await other.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
    await picture(other.page, "sign-in-phone");
    other.quiet();
    await other.close();
  });

  await it("a wrong password is announced, tied to the fields, and keeps the name", async () => {
    await signIn(page, { ...alice, password: "looking-glass" });
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.equal(await alert.innerText(), "That username and password don’t match.");
    assert.match(await page.title(), /^Error: /);
    assert.equal(await page.getByLabel("Username").inputValue(), alice.username);
    assert.equal(await page.getByLabel("Password").inputValue(), "");
    assert.equal(await page.evaluate(() => document.activeElement.id), "password");
    const described = await page.getByLabel("Password").getAttribute("aria-describedby");
    assert.equal(await alert.getAttribute("id"), described);
    await picture(page, "sign-in-error");
  });

  await it("the right one leads to the page that was asked for, which knows the person", async () => {
    await signIn(page);
    await page.waitForURL(wanted);
    await greeting(page).waitFor();
    await picture(page, "demo");
    const about = await (await context.request.get(`${app}/auth/session`)).json();
    assert.equal(about.claims.name, "Alice Liddell");
    assert.ok(await page.getByRole("cell", { name: about.subject }).count(), "the page is about somebody else");
    assert.ok(complaints.every((complaint) => complaint.includes("400 (Bad Request)")), String(complaints));
  });

  await it("every cookie is __Host-, Secure, HttpOnly and SameSite=Lax in Chromium's eyes", async () => {
    const cookies = await context.cookies();
    const names = cookies.map(({ name }) => name);
    assert.ok(names.includes("__Host-gatelatch-session") && names.includes("__Host-gatelatch-sign-in"), names.join());
    for (const { name, path, domain, secure, httpOnly, sameSite } of cookies) {
      assert.deepEqual([name.slice(0, 7), path, domain, secure, httpOnly, sameSite],
        ["__Host-", "/", "localhost", true, true, "Lax"], name);
    }
    assert.ok(!names.some((name) => name.includes("flow")), `flows are left over: ${names}`);
  });

  await it("no token is readable in the page, in a cookie, in storage or in the history", async () => {
    const echo = await (await context.request.get(`${app}/echo`)).json();
    const [, bearer] = echo.headers.find(([name]) => name === "authorization");
    const token = bearer.slice("Bearer ".length);
    assert.match(token, /^ey[\w-]+\.[\w-]+\.[\w-]+$/);
    const seen = await page.evaluate(() => JSON.stringify([
      document.cookie, document.documentElement.outerHTML, { ...localStorage }, { ...sessionStorage }, location.href, document.referrer,
      performance.getEntries().map(({ name }) => name),
    ]));
    const everything = seen + JSON.stringify(await context.cookies());
    assert.ok(!everything.includes(token) && !/\bey[\w-]{10,}\.ey/.test(everything));
    assert.equal(await page.evaluate(() => document.cookie), "");
  });

  await it("a second visit, and another tab, need no sign-in", async () => {
    const tab = await context.newPage();
    assert.equal((await tab.goto(`${app}/`)).status(), 200);
    await greeting(tab).waitFor();
    await tab.close();
  });
  await context.close();

  await it("several tabs that sign in at once finish in any order, each on its own page", async () => {
    const many = await person();
    const pages = ["/?tab=1", "/?tab=2", "/?tab=3", "/?tab=4"].map((path) => `${app}${path}`);
    const tabs = await Promise.all(pages.map(async (url, index) => {
      const tab = index ? await many.context.newPage() : many.page;
      await tab.goto(url);
      return { tab, url };
    }));
    const [first, second, third, fourth] = tabs;
    for (const { tab, url } of [third, first]) {
      await signIn(tab);
      await tab.waitForURL(url);
      await greeting(tab).waitFor();
    }
    await Promise.all([fourth, second].map(async ({ tab, url }) => {
      await signIn(tab);
      await tab.waitForURL(url);
      await greeting(tab).waitFor();
    }));
    many.quiet();
    await many.close();
  });

  await it("signing in and out works with JavaScript disabled", async () => {
    const plain = await person({ javaScriptEnabled: false });
    await enter(plain.page, wanted);
    await greeting(plain.page).waitFor();
    await plain.page.getByRole("button", { name: "Sign out" }).click();
    await onSignInPage(plain.page, issuer);
    await plain.close();
  });
}
