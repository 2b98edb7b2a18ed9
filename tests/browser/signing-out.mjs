// Signing out, and the pages for what goes wrong.
import assert from "node:assert/strict";
import { onSignInPage, picture } from "./chromium.mjs";
import { enter, greeting } from "./world.mjs";

export async function signingOut(it, { app, issuer, person }) {
  const { page, context, quiet } = await person();

  await it("the button signs out, here and at the issuer: it asks for the password again", async () => {
    await enter(page, `${app}/`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await onSignInPage(page, issuer);
    await page.getByLabel("Password").waitFor();
    const names = (await context.cookies()).map(({ name }) => name);
    assert.ok(!names.includes("__Host-gatelatch-session") && !names.includes("__Host-gatelatch-sign-in"), names.join());
    quiet();
  });

  await it("CC-06: neither the back button nor a reload shows what was protected", async () => {
    await page.goBack();
    assert.equal(await greeting(page).count(), 0, "the page came out of a cache");
    await page.goto(`${app}/`);
    await onSignInPage(page, issuer);
  });

  await it("signing out in one tab signs out the others", async () => {
    await enter(page, `${app}/`);
    const other = await context.newPage();
    await other.goto(`${app}/`);
    await greeting(other).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await onSignInPage(page, issuer);
    await other.reload();
    await onSignInPage(other, issuer);
    await other.close();
  });

  await it("a link to /auth/logout asks before it signs out", async () => {
    await enter(page, `${app}/`);
    await page.goto(`${app}/auth/logout`);
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    await picture(page, "gateway-sign-out");
    await page.getByRole("button", { name: "Sign out" }).click();
    await onSignInPage(page, issuer);
    quiet();
  });

  await it("the issuer's end_session asks before it signs out, when nothing shows who sent the browser there", async () => {
    await enter(page, `${app}/`);
    await page.goto(`${issuer}/end_session`);
    const confirm = page.getByRole("button", { name: "Sign out" });
    await confirm.waitFor();
    await picture(page, "issuer-sign-out");
    await confirm.click();
    await page.getByText(/signed out/i).first().waitFor();
    await picture(page, "issuer-signed-out");
    assert.ok(!(await context.cookies()).some(({ name }) => name === "__Host-gatelatch-sign-in"));
    quiet();
  });

  await it("what goes wrong is said on a page: at the gateway", async () => {
    const stale = await page.goto(`${app}/auth/callback?code=x&state=y`);
    assert.equal(stale.status(), 400);
    await page.getByRole("heading", { name: "This sign-in has expired" }).waitFor();
    await picture(page, "gateway-stale");
    const down = await page.goto(`${app}/down`);
    assert.equal(down.status(), 502);
    await picture(page, "gateway-origin-down");
    const ambiguous = await page.goto(`${app}/public/%2e%2e%2fapi`);
    assert.equal(ambiguous.status(), 400);
    await picture(page, "gateway-bad-path");
  });

  await it("what goes wrong is said on a page: at the issuer", async () => {
    assert.equal((await page.goto(`${issuer}/authorize?client_id=nobody`)).status(), 400);
    await picture(page, "issuer-unknown-client");
    assert.equal((await page.goto(`${issuer}/nothing`)).status(), 404);
    await picture(page, "issuer-not-found");
    assert.equal((await page.goto(`${issuer}/`)).status(), 200);
    await picture(page, "issuer-home");
  });
  await context.close();
}
