// response_mode=form_post, as a person with Chromium sees it: the client here is a page that says what was posted to it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { later } from "../foreign/checks.mjs";
import { onSignInPage, picture, signIn } from "./chromium.mjs";

export const poster = { id: "poster", path: "/posted" };

// A client that remembers what reached it; `posts` are the forms and the headers they came with.
export async function posterClient(port) {
  const posts = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    if (request.method === "POST") posts.push({ form: [...new URLSearchParams(body)], headers: request.headers });
    // As clients do: on to a page of one's own, so that a reload posts nothing again.
    if (request.url === poster.path) response.writeHead(303, { location: "/done" }).end();
    else response.setHeader("content-type", "text/html").end("<!DOCTYPE html><title>client</title><link rel=icon href=data:,><h1>Signed in at the client</h1>");
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  later(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  return posts;
}

export async function posting(it, { issuer, person, poster: { origin, posts } }) {
  const state = "\"><script>document.title='stolen'</script>&code=x é";
  const verifier = randomBytes(32).toString("base64url");
  const url = (more = {}) => `${issuer}/authorize?${new URLSearchParams({
    client_id: poster.id, redirect_uri: `${origin}${poster.path}`, response_type: "code", response_mode: "form_post", scope: "openid", state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256", ...more,
  })}`;
  const done = (page) => page.waitForURL(`${origin}/done`);
  const one = () => {
    assert.equal(posts.length, 1, "posted more than once, or never");
    return posts.pop();
  };

  await it("form_post: the page posts the code to the client by itself, under its own policy", async () => {
    const { page, quiet, close } = await person();
    await page.goto(url());
    await onSignInPage(page, issuer);
    await signIn(page);
    await done(page);
    const { form, headers } = one();
    assert.deepEqual(form.map(([name]) => name), ["code", "state", "iss"]);
    assert.deepEqual(form.slice(1), [["state", state], ["iss", issuer]]);
    assert.equal(headers.referer, undefined);
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");

    const body = new URLSearchParams({ grant_type: "authorization_code", code: form[0][1], redirect_uri: `${origin}${poster.path}`, client_id: poster.id, code_verifier: verifier });
    const answer = await fetch(`${issuer}/token`, { method: "POST", body });
    assert.equal(answer.status, 200, "the code is good");

    // Signed in: the same without a page of ours in between, and an error goes the same way.
    await page.goto(url({ scope: "openid profile" })).catch(() => {});
    await done(page);
    assert.equal(one().form[0][0], "code");
    await page.goto(url({ prompt: "none", max_age: "0" })).catch(() => {});
    await done(page);
    assert.deepEqual(one().form[0], ["error", "login_required"]);
    quiet();
    await close();
  });

  await it("form_post: without JavaScript the person presses the button, and nothing is sent before", async () => {
    const { page, close } = await person({ javaScriptEnabled: false });
    await page.goto(url());
    await signIn(page);
    const button = page.getByRole("button", { name: "Continue" });
    await button.waitFor();
    assert.equal(posts.length, 0);
    assert.equal(await page.title(), "Going to Poster");
    await picture(page, "form-post");
    await button.click();
    await done(page);
    assert.deepEqual(one().form.slice(1), [["state", state], ["iss", issuer]]);
    await close();
  });

  await it("form_post: no other script runs on the page, and no other site frames it", async () => {
    const { page, context, complaints, close } = await person();
    await page.goto(url());
    await signIn(page);
    await done(page);
    one();
    const answer = await context.request.get(url());
    const body = await answer.text();
    const evil = body.replace("document.forms[0].submit()", "document.title='stolen'");
    assert.notEqual(evil, body);
    await page.route((to) => to.href.startsWith(`${issuer}/authorize`), (route) => route.fulfill({ status: 200, headers: answer.headers(), body: evil }));
    await page.goto(url());
    await page.getByRole("button", { name: "Continue" }).waitFor();
    assert.equal(await page.title(), "Going to Poster");
    assert.ok(complaints.some((complaint) => complaint.includes("script-src")), String(complaints));
    assert.equal(posts.length, 0);
    assert.equal(answer.headers()["x-frame-options"], "DENY");
    await close();
  });
}
