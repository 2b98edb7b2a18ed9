// Serves a configuration on workerd with a header that says, in place of Cloudflare, what a request's `cf` object is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorkerd } from "../scripts/workerd.mjs";
import { later } from "./foreign/checks.mjs";
import { prepare } from "./foreign/pair.mjs";

const cfHeader = "x-cf-of-the-test";

export async function serveElsewhere(config) {
  const { config: whole, output } = await prepare({ ...config, gateway: { ...config.gateway, cfHeader } });
  const workerd = startWorkerd(whole, output);
  const ended = once(workerd, "exit");
  later(async () => {
    workerd.kill("SIGTERM");
    const late = sleep(2000, undefined, { ref: false }).then(() => workerd.kill("SIGKILL"));
    await Promise.race([ended, late]);
    await ended;
  });
  for (;;) {
    assert.equal(workerd.exitCode, null, "workerd ended");
    const asked = ["gateway", "idp", "origin"].map((name) => fetch(`http://127.0.0.1:${whole[name].port}/`, { redirect: "manual" }));
    const answers = await Promise.all(asked).catch(() => []);
    for (const answer of answers) await answer.arrayBuffer();
    if (answers.length && answers.every(({ status }) => status < 500)) return;
    await sleep(50);
  }
}

// The header by which a request comes from there; a header holds ASCII, and JSON can say everything in it.
const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
export const from = (cf) => cf && { [cfHeader]: JSON.stringify(cf).replace(/[^ -~]/g, escaped) };
