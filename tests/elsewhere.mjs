// Serves a configuration on workerd with a header that says, in place of Cloudflare, what a request's `cf` object is.
import { serveBare } from "./foreign/pair.mjs";

const cfHeader = "x-cf-of-the-test";

export const serveElsewhere = (config) => serveBare({ ...config, gateway: { ...config.gateway, cfHeader } });

// The header by which a request comes from there; a header holds ASCII, and JSON can say everything in it.
const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
export const from = (cf) => cf && { [cfHeader]: JSON.stringify(cf).replace(/[^ -~]/g, escaped) };
