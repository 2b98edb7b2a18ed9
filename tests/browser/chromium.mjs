// Chromium, and people in front of it who sign in at our issuer: for our own walks and for foreign clients.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { chromium as executable } from "../../scripts/chromium.mjs";
import { local } from "../../scripts/paths.mjs";
import { later } from "../foreign/checks.mjs";
import { alice } from "../foreign/pair.mjs";

const screenshots = join(local, "screenshots");

// Starts it; answers with what makes a person.
export async function people() {
  mkdirSync(screenshots, { recursive: true });
  const browser = await chromium.launch({
    executablePath: executable(),
    args: [
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
  later(() => browser.close());
  return (options) => newPerson(browser, options);
}

// Somebody with a browser profile of their own. `complaints` collects what its console says of
// violations, errors and warnings.
async function newPerson(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 720 }, ...options });
  context.setDefaultTimeout(10_000);
  const complaints = [];
  const watch = (page) => {
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`${page.url()}: ${message.text()}`));
    page.on("pageerror", (fault) => complaints.push(`${page.url()}: ${fault.message}`));
  };
  context.on("page", watch);
  await context.addInitScript(() => document.addEventListener("securitypolicyviolation",
    ({ effectiveDirective, blockedURI }) => console.error(`violates ${effectiveDirective}: ${blockedURI}`)));
  return {
    context,
    complaints,
    page: await context.newPage(),
    quiet: () => assert.deepEqual(complaints, []),
    close: () => context.close(),
  };
}

// Fills in the sign-in page that the browser shows, and sends it.
export async function signIn(page, { username, password } = alice) {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export const onSignInPage = (page, issuer) => page.waitForURL((url) => url.href.startsWith(`${issuer}/authorize?`));

export async function picture(page, name, options = {}) {
  await page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
}
