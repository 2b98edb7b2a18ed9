// Turnstile for the tests: our pair with routes that require it, and the stand-in that speaks as the widget and as the
// service behind it.
import assert from "node:assert/strict";
import { standIns } from "../scripts/stand-in.mjs";
import { later } from "./foreign/checks.mjs";
import { pair, routesTo } from "./foreign/pair.mjs";

// One of the widgets that the stand-in knows.
const siteKey = "0x4AAAAAAAstandin";

export async function challenged() {
  const { url, stop } = await standIns();
  later(stop);
  const { config, app } = await pair({
    gateway: (origin) => ({
      TURNSTILE_SITE_KEY: siteKey,
      TURNSTILE_SECRET: `${siteKey}-secret`,
      TURNSTILE_SITEVERIFY_URL: `${url}/turnstile/v0/siteverify`,
      ROUTES: [
        { prefix: "/public/form", origin, access: "public", signals: true, require: { turnstile: "contact" } },
        { prefix: "/pay", origin, access: "signed-in", require: { turnstile: "pay" } },
        ...routesTo(origin),
      ],
    }),
  });
  const send = async (method, path, body) => {
    const answer = await fetch(`${url}/turnstile/${path}`, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  };
  const service = {
    // What the widget of a page puts into its form once it is passed.
    async token(page) {
      const attribute = (name) => new RegExp(`\\bdata-${name}="([^"]*)"`).exec(page)?.[1];
      const widget = { sitekey: attribute("sitekey"), action: attribute("action"), cdata: attribute("cdata"), hostname: "localhost" };
      return (await send("POST", "_token", widget)).token;
    },
    // What goes wrong with the next request to the service.
    fault: (fault) => send("PUT", "_faults", [fault]),
  };
  return { config, app, service };
}
