// The demo origin: what `make dev` shows behind the gateway, and what the tests look through the gateway at.
// It is written as many origins are: it believes whoever reaches it. A real one verifies the access token
// against the issuer's keys; this one only decodes it, for show, and never prints the token itself.

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const status = /^(?:\/public|\/api)?\/status\/([2-5]\d\d)$/.exec(url.pathname);
    if (status) return withStatus(Number(status[1]));
    // Whatever is here is below every route of the gateway's too: /public/echo is /echo.
    const path = url.pathname.replace(/^\/(public|api)(?=\/)/, "");
    // At the end of any path, so that a test may have it below a route of its own.
    const last = path.endsWith("/echo") ? echo : notFound;
    return (routes[url.pathname] ?? routes[path] ?? last)(request, url);
  },
};

const routes = {
  "/": home,
  "/public": publicPage,
  "/api/me": me,
  "/echo": echo,
  "/sse": events,
  "/ws": socket,
  "/redirect": () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }),
  "/cookies": cookies,
  "/cacheable": () => new Response("Anybody may keep this.\n", {
    headers: { "cache-control": "public, max-age=3600", "cdn-cache-control": "max-age=3600" },
  }),
  "/rude": rude,
  "/slow": slow,
  "/big": big,
};

// ---- pages

async function home(request) {
  const claims = claimsOf(request);
  if (!claims) return page("Nobody is signed in", "<p>No access token came with this request.</p>", null, 401);

  const person = await userinfo(request, claims);
  const who = text(person.name ?? person.preferred_username ?? person.email ?? claims.sub ?? "somebody");
  const rows = Object.entries(claims).map(([name, value]) =>
    `<tr><th scope="row"><code>${escape(name)}</code></th><td>${escape(text(value))}${readableTime(name, value)}</td></tr>`);
  return page(`Hello, ${who}`, `
    <p>You reached the origin through the gateway. It got an access token for you, and your browser never saw it.</p>
    <form method="post" action="/auth/logout"><button>Sign out</button></form>
    <p>The token says:</p>
    <table><tbody>${rows.join("")}</tbody></table>
    <p class="links"><a href="/api/me">/api/me</a> <a href="/public">/public</a></p>`, claims);
}

async function publicPage(request) {
  const came = request.headers.has("authorization");
  return page("A public page", `
    <p>Everybody may read this. An Authorization header <strong>${came ? "came" : "did not come"}</strong> with the request.</p>
    <p class="links"><a href="/">The page behind sign-in</a></p>`, claimsOf(request));
}

const style = `
  :root { color-scheme: light dark; --ink: #1b1f24; --soft: #5d6673; --line: #d9dee5; --paper: #f6f7f9; --card: #fff; --mark: #0b6b53 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e8ebef; --soft: #9aa4b1; --line: #333a44; --paper: #14171b; --card: #1d2127; --mark: #59c9a5 }
  }
  * { box-sizing: border-box }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
  main { max-width: 44rem; margin: 8vh auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
  h1 { margin: 0 0 .75rem; font-size: 1.6rem; line-height: 1.2; letter-spacing: -.01em }
  header { color: var(--mark); font-size: .85rem; font-weight: 600; margin-bottom: .5rem }
  table { width: 100%; border-collapse: collapse; margin: 1.25rem 0; font-size: .95rem }
  th, td { text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-top: 1px solid var(--line) }
  th { font-weight: 400; white-space: nowrap; color: var(--soft) }
  td { overflow-wrap: anywhere }
  time { color: var(--soft); margin-left: .5rem }
  button { font: inherit; font-weight: 600; padding: .55rem 1.1rem; color: var(--card); background: var(--mark); border: 0; border-radius: .5rem; cursor: pointer }
  button:focus-visible, a:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
  a { color: var(--mark) }
  .links { margin: 1.5rem 0 0 } .links a { margin-right: 1rem }
  @media (max-width: 30rem) { main { margin: 0; padding: 1.25rem; border: 0; border-radius: 0; min-height: 100vh } }
`;

async function page(title, body, claims, status = 200) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`,
    // Signing out is a form whose answer redirects to the issuer, and Chromium holds that to form-action too.
    `form-action 'self' ${issuerOrigin(claims)}`.trim(),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  const html = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escape(title)}</title>
  <style>${style}</style>
</head>
<body>
  <main>
    <header>Gatelatch demo origin</header>
    <h1>${escape(title)}</h1>${body}
  </main>
</body>
</html>
`;
  return new Response(html, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy.join("; "),
      "cache-control": "no-store",
      // Not no-referrer: that would make the sign-out form send `Origin: null`.
      "referrer-policy": "same-origin",
      "x-content-type-options": "nosniff",
    },
  });
}

// ---- what the tests ask for

function me(request) {
  const claims = claimsOf(request);
  return Response.json(claims ?? { error: "no access token came with the request" }, { status: claims ? 200 : 401 });
}

// The request as it arrived. A Worker sees header names in lower case and sorted: that is their order here.
// The body is hashed while it flows, so its size doesn't matter.
async function echo(request, url) {
  const digest = new crypto.DigestStream("SHA-256");
  let length = 0;
  const counted = new TransformStream({
    transform(chunk, controller) {
      length += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  await (request.body ?? new Blob([]).stream()).pipeThrough(counted).pipeTo(digest);
  const sha256 = [...new Uint8Array(await digest.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return Response.json({ method: request.method, url: url.pathname + url.search, headers: [...request.headers], body: { sha256, length } });
}

function events(_, url) {
  const count = number(url, "n", 5, 1000);
  const encoder = new TextEncoder();
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (sent === count) return controller.close();
      if (sent > 0) await scheduler.wait(200);
      sent += 1;
      controller.enqueue(encoder.encode(`id: ${sent}\ndata: event ${sent} of ${count}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

function socket(request) {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("This path speaks WebSocket.\n", { status: 426, headers: { upgrade: "websocket" } });
  }
  const [client, server] = Object.values(new WebSocketPair());
  server.binaryType = "arraybuffer";
  server.accept();
  server.addEventListener("message", ({ data }) => server.send(data));
  return new Response(null, { status: 101, webSocket: client });
}

function cookies() {
  const headers = new Headers();
  headers.append("set-cookie", "first=1; Path=/; HttpOnly; SameSite=Lax");
  headers.append("set-cookie", "second=2; Path=/; Expires=Wed, 01 Jan 2031 00:00:00 GMT");
  return new Response("Two cookies.\n", { headers });
}

// What an origin must not do to a gateway: set its cookies, and have the browser forget them.
function rude() {
  const headers = new Headers({ "clear-site-data": `"cache", "cookies"`, "keep-alive": "timeout=5" });
  headers.append("set-cookie", "__Host-gatelatch-session=theirs; Path=/; Secure");
  headers.append("set-cookie", "__host-GATELATCH-session.0=theirs; Path=/");
  headers.append("set-cookie", "kept=1; Path=/");
  return new Response("Not very polite.\n", { headers });
}

async function slow(_, url) {
  const wait = number(url, "ms", 1000, 60_000);
  await scheduler.wait(wait);
  return new Response(`That took ${wait} ms.\n`);
}

// `?bytes=` bytes of a repeating pattern, never held at once.
function big(_, url) {
  const length = number(url, "bytes", 1_000_000, 2 ** 32);
  const chunk = Uint8Array.from({ length: 65_536 }, (_, index) => index % 251);
  let left = length;
  const source = new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const part = chunk.slice(0, Math.min(left, chunk.length));
      left -= part.length;
      controller.enqueue(part);
    },
  });
  return new Response(source.pipeThrough(new FixedLengthStream(length)), { headers: { "content-type": "application/octet-stream" } });
}

function withStatus(status) {
  const bodiless = [204, 205, 304].includes(status);
  return new Response(bodiless ? null : `${status}\n`, { status });
}

function notFound() {
  return new Response("The origin has nothing here.\n", { status: 404 });
}

// ---- small things

// The payload of the access token, unverified: see the top of this file.
function claimsOf(request) {
  const token = /^bearer ([\w-]+)\.([\w-]+)\.([\w-]*)$/i.exec(request.headers.get("authorization") ?? "");
  if (!token) return null;
  try {
    const bytes = Uint8Array.from(atob(token[2].replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}

// What the issuer tells about the person: the access token is good for asking, which shows that it is a real one.
async function userinfo(request, claims) {
  const issuer = issuerOrigin(claims);
  if (!issuer) return claims;
  try {
    const answer = await fetch(`${issuer}/userinfo`, { headers: { authorization: request.headers.get("authorization") } });
    return answer.ok ? await answer.json() : claims;
  } catch {
    return claims;
  }
}

function issuerOrigin(claims) {
  const issuer = URL.parse(text(claims?.iss ?? ""));
  return issuer && /^https?:$/.test(issuer.protocol) ? issuer.origin : "";
}

function readableTime(name, value) {
  if (!["iat", "exp", "nbf", "auth_time"].includes(name) || !Number.isSafeInteger(value) || Math.abs(value) > 8e12) return "";
  const time = new Date(value * 1000).toISOString();
  return ` <time datetime="${time}">${time.replace("T", " ").replace(".000Z", " UTC")}</time>`;
}

function number(url, name, usually, most) {
  const value = url.searchParams.get(name) ?? "";
  return /^\d{1,12}$/.test(value) ? Math.min(Number(value), most) : usually;
}

function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function escape(value) {
  return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
