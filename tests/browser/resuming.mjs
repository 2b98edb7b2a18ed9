// A form that is sent when the session has ended, and the page of one's own sessions, as a person with Chromium sees
// them. The application here keeps what is sent to it, and says nothing of caches.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { later } from "../foreign/checks.mjs";
import { account, alice, ourPair, routesTo } from "../foreign/pair.mjs";
import { onSignInPage, picture, signIn } from "./chromium.mjs";

const bob = { ...account, username: "bob", preferred_username: "bob", name: "Bob Cratchit", email: "bob@example.com" };
const note = "Zeile eins\r\n\"zwei\" <drei> & 🐇";

const form = (enctype) => `<form method="post" action="/notes?from=a+form" enctype="${enctype}">
  <textarea name="note" aria-label="Note"></textarea><input type="hidden" name="token" value="t&amp;1"><input type="hidden" name="tag" value="a"><input type="hidden" name="tag" value="b">
  <button name="submit" value="Save it">Save</button></form>`;

// The application: its form, and what reached it.
async function notebook() {
  const posts = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    if (request.method === "POST") {
      posts.push({ url: request.url, fields: [...new URLSearchParams(body)], headers: request.headers });
      return response.writeHead(303, { location: "/notes/done" }).end();
    }
    const kind = request.url.includes("multipart") ? "multipart/form-data" : "application/x-www-form-urlencoded";
    const main = request.url === "/notes/done" ? "<h1>Saved</h1>" : `<h1>A note</h1>${form(kind)}`;
    response.setHeader("content-type", "text/html; charset=utf-8").end(`<!DOCTYPE html><title>Notes</title><link rel=icon href=data:,>${main}`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  later(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  return { origin: `http://localhost:${server.address().port}`, posts };
}

export async function resuming(it, { person }) {
  const { origin: there, posts } = await notebook();
  const { app, issuer } = await ourPair({
    idp: { ACCOUNTS: [account, bob] },
    // What ended is over at once.
    gateway: (origin) => ({ FRESHNESS_SECONDS: "0", ROUTES: [{ prefix: "/notes", origin: there, access: "signed-in" }, ...routesTo(origin)] }),
  });
  const forget = (context, name) => context.clearCookies({ name: `__Host-gatelatch-${name}` });
  const enter = async (page, url = `${app}/notes`) => {
    await page.goto(url);
    await signIn(page);
    await page.waitForURL(url);
  };
  const fill = async (page) => {
    await page.getByLabel("Note").fill(note.replace("\r", ""));
    await page.getByRole("button", { name: "Save" }).click();
  };
  const done = (page) => page.waitForURL(`${app}/notes/done`);
  const one = () => {
    assert.equal(posts.length, 1, "it arrived more than once, or never");
    return posts.pop();
  };
  const written = [["note", note], ["token", "t&1"], ["tag", "a"], ["tag", "b"], ["submit", "Save it"]];
  const stored = (page) => page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith("gatelatch")));
  // Ends every session of Alice's but that of somebody who has just come.
  const endAll = async () => {
    const other = await person();
    await enter(other.page);
    await other.page.goto(`${app}/auth/sessions`);
    await other.page.getByRole("button", { name: "Sign out everywhere else" }).click();
    await other.page.waitForURL(`${app}/auth/sessions`);
    await other.close();
  };
  const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  await it("a form that is sent when the session has ended arrives after signing in, once, and as it was written", async () => {
    const { page, context, close, complaints } = await person();
    await enter(page);
    await endAll();
    await forget(context, "sign-in");
    const before = await page.evaluate(() => history.length);
    await fill(page);
    await onSignInPage(page, issuer);
    assert.ok(!page.url().includes("Zeile"), page.url());
    assert.equal(posts.length, 0);
    await signIn(page);
    await done(page);
    const { url, fields, headers } = one();
    assert.deepEqual([url, fields], ["/notes?from=a+form", written]);
    assert.equal(headers.origin, app, "the browser made the request itself");
    assert.match(headers.authorization, /^Bearer /);
    assert.deepEqual(await stored(page), []);
    assert.ok(!(await context.cookies()).some(({ name }) => name.startsWith("__Host-gatelatch-form")));

    // Nothing on the way back, and no reload, sends it a second time.
    await page.reload();
    for (let step = await page.evaluate(() => history.length); step > before; step -= 1) {
      await page.goBack({ waitUntil: "load" }).catch(() => {});
      await page.waitForTimeout(200);
    }
    for (let step = 0; step < 5; step += 1) {
      await page.goForward({ waitUntil: "load" }).catch(() => {});
      await page.waitForTimeout(200);
    }
    assert.equal(posts.length, 0, "it was sent again");
    // The console names the 401 that the first answer was, and nothing else.
    assert.deepEqual(complaints.filter((line) => !line.includes("401")), []);
    await close();
  });

  await it("when nobody knows whose form it is, a button sends it, and nothing else does", async () => {
    const { page, context, close } = await person();
    await enter(page);
    await context.clearCookies();
    await fill(page);
    await onSignInPage(page, issuer);
    await signIn(page);
    const button = page.getByRole("button", { name: "Send" });
    await button.waitFor();
    await page.waitForTimeout(300);
    assert.equal(posts.length, 0);
    await picture(page, "gateway-send");
    await button.click();
    await done(page);
    assert.deepEqual(one().fields, written);
    await page.goto(`${app}/notes`);
    await close();
  });

  await it("somebody else who signs in does not send it, nor see it", async () => {
    const { page, context, close } = await person();
    await enter(page);
    await endAll();
    await forget(context, "sign-in");
    await fill(page);
    await onSignInPage(page, issuer);
    await signIn(page, { ...alice, username: bob.username });
    await page.getByRole("heading", { name: "Somebody else is signed in" }).waitFor();
    assert.ok(!(await page.content()).includes("Zeile"));
    await picture(page, "gateway-somebody-else");
    assert.equal(posts.length, 0);
    await close();
  });

  await it("what cannot be kept is refused on a page that says so, with a way to sign in and back: files, and without scripts", async () => {
    for (const [name, path, options] of [["files", "/notes?multipart", {}], ["no-script", "/notes", { javaScriptEnabled: false }]]) {
      const { page, context, close } = await person(options);
      await enter(page, `${app}${path}`);
      await context.clearCookies();
      const [answer] = await Promise.all([page.waitForResponse((one) => one.request().method() === "POST"), fill(page)]);
      assert.equal(answer.status(), 401);
      await page.getByText("was not passed on").waitFor();
      await picture(page, `gateway-not-sent-${name}`);
      await page.getByRole("link", { name: "Sign in" }).click();
      await signIn(page);
      await page.waitForURL(`${app}${path}`);
      assert.equal(posts.length, 0);
      await close();
    }
  });

  await it("the page of one's own sessions lists them, ends them, and fits a phone, light and dark", async () => {
    const other = await person();
    await enter(other.page);
    for (const colorScheme of ["light", "dark"]) {
      const { page, quiet, close } = await person({ colorScheme, javaScriptEnabled: false });
      await enter(page, `${app}/auth/sessions`);
      await page.getByRole("heading", { name: "Where you’re signed in" }).waitFor();
      await page.getByText("Alice Liddell").waitFor();
      assert.equal(await page.getByText("this browser").count(), 1);
      await picture(page, `gateway-sessions-${colorScheme}`, { fullPage: true });
      await page.setViewportSize({ width: 320, height: 568 });
      await picture(page, `gateway-sessions-${colorScheme}-phone`, { fullPage: true });
      const rows = await page.getByRole("listitem").count();
      await page.getByRole("button", { name: /^Sign out Chrome/ }).first().click();
      await page.waitForURL(`${app}/auth/sessions`);
      assert.equal(await page.getByRole("listitem").count(), rows - 1);
      await page.getByRole("button", { name: "Sign out here" }).click();
      await onSignInPage(page, issuer);
      quiet();
      await close();
    }
    const { page, close } = await person();
    await enter(page, `${app}/auth/sessions`);
    await page.setViewportSize({ width: 320, height: 568 });
    assert.ok(await fits(page), "it scrolls sideways");
    await page.getByRole("button", { name: "Sign out everywhere else" }).click();
    await page.waitForURL(`${app}/auth/sessions`);
    assert.equal(await page.getByRole("listitem").count(), 1);
    await other.page.goto(`${app}/notes`);
    // The issuer's session goes on; ours is a new one.
    await other.page.waitForURL(`${app}/notes`);
    await close();
    await other.close();
  });

  await it("CC-06: after signing out the back button shows nothing of an application that says nothing of caches", async () => {
    const { page, close } = await person();
    await enter(page);
    await page.getByRole("heading", { name: "A note" }).waitFor();
    await page.goto(`${app}/auth/logout`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await onSignInPage(page, issuer);
    for (let step = 0; step < 4; step += 1) {
      await page.goBack({ waitUntil: "load" }).catch(() => {});
      assert.equal(await page.getByRole("heading", { name: "A note" }).count(), 0, "the page came out of a cache");
    }
    await close();
  });
}
