// A route that asks for a challenge of Turnstile, as a person with Chromium sees it. In place of Cloudflare's script, which
// is not to be had here, one of ours draws the widget; the page and its policy are the real ones.
import assert from "node:assert/strict";
import { serve } from "../foreign/pair.mjs";
import { challenged } from "../widget.mjs";
import { picture } from "./chromium.mjs";

const script = "https://challenges.cloudflare.com/turnstile/v0/api.js";

// What Cloudflare's script does as far as a page notices: a frame, a field with the token, the callback.
const widget = (token) => `for (const place of document.querySelectorAll(".cf-turnstile")) {
  const frame = document.createElement("iframe");
  frame.src = "https://challenges.cloudflare.com/frame";
  frame.style.width = "300px";
  frame.style.height = "65px";
  const field = Object.assign(document.createElement("input"), { type: "hidden", name: "cf-turnstile-response", value: ${JSON.stringify(token)} });
  place.append(frame, field);
  frame.onload = () => window[place.dataset.callback](field.value);
}`;

export async function checking(it, { person }) {
  const { config, app, service } = await challenged();
  await serve(config);
  const wanted = `${app}/public/form/echo?a=b`;
  const note = (page) => page.getByText("If no check appears here");

  await it("turnstile: where the script does not load a plain line says so, in light and in dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page, close } = await person({ colorScheme });
      await page.context().route("https://challenges.cloudflare.com/**", (route) => route.abort());
      const answer = await page.goto(wanted);
      assert.equal(answer.status(), 403);
      assert.equal(await note(page).isVisible(), true);
      await picture(page, `turnstile-${colorScheme}`);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByRole("alert").waitFor();
      assert.equal(await note(page).isVisible(), true);
      await picture(page, `turnstile-again-${colorScheme}`);
      await close();
    }
  });

  await it("turnstile: the widget runs under the page's policy, and who has passed goes on without a click", async () => {
    const { page, complaints, close } = await person();
    let asked = 0;
    let release;
    const shown = new Promise((resolve) => { release = resolve; });
    await page.context().route("https://challenges.cloudflare.com/**", async (route) => {
      if (route.request().url() !== script) {
        await shown;
        return route.fulfill({ contentType: "text/html", body: "<!DOCTYPE html><p>Verifying\u2026" });
      }
      asked += 1;
      const html = await page.content();
      return route.fulfill({ contentType: "text/javascript", body: widget(await service.token(html)) });
    });
    await page.goto(wanted, { waitUntil: "commit" });
    await page.locator("iframe").waitFor();
    assert.equal(await note(page).isVisible(), false, "the line is for who sees no widget");
    await picture(page, "turnstile-widget");
    release();
    await page.waitForURL(wanted);
    await page.getByText("x-turnstile-action").waitFor();
    assert.equal(asked, 1);
    assert.equal((await page.reload()).status(), 200);
    // The page itself is a 403, which Chromium calls an error.
    assert.deepEqual(complaints.filter((line) => !line.includes("403")), []);
    await close();
  });
}
