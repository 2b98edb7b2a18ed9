// Serves the single-page application: one page, one script, and a policy that allows what oidc-client-ts needs.
import { build } from "esbuild";
import { createServer } from "node:http";
import { join } from "node:path";
import { later } from "../checks.mjs";

// No inline script, as strict policies want it; the empty icon keeps browsers from asking for one.
const page = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Looking glass</title><link rel="icon" href="data:,"><script type="module" src="/app.js"></script></head>
<body><h1>Looking glass</h1><p><output></output></p><button id="sign-in">Sign in</button> <button id="sign-out">Sign out</button></body>
</html>
`;

// At `port` of every name of this machine. `define` is put in the place of the application's free names.
export async function serveSpa(port, issuer, define = {}) {
  const { outputFiles: [{ text: script }] } = await build({
    entryPoints: [join(import.meta.dirname, "app.js")],
    bundle: true, format: "esm", platform: "browser", target: "es2022", write: false, logLevel: "warning",
    define: Object.fromEntries(Object.entries({ ISSUER: issuer, ...define }).map(([name, value]) => [name, JSON.stringify(value)])),
  });
  const policy = [
    "default-src 'none'", "script-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    // Discovery, keys, tokens, userinfo and revocation.
    `connect-src ${issuer}`,
    // signinSilent() without a refresh token: the issuer redirects a frame back to us.
    `frame-src ${issuer} 'self'`, "frame-ancestors 'self'",
  ].join("; ");
  const server = createServer((request, answer) => {
    const isScript = request.url === "/app.js";
    answer.writeHead(200, {
      "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8",
      "content-security-policy": policy, "cache-control": "no-store", "x-content-type-options": "nosniff",
    }).end(isScript ? script : page);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  later(() => {
    server.closeAllConnections();
    server.close();
  });
}
