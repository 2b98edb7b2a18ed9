// What people write by hand: opens an AES-GCM cookie, and hands the token in it to the origin.
// `GET /login` gives a cookie, for the measurement only.
const name = "__Host-session";
let key;

export default {
  async fetch(request, { ORIGIN, KEY }) {
    key ??= await crypto.subtle.importKey("raw", decode(KEY), "AES-GCM", false, ["encrypt", "decrypt"]);
    const { pathname, search } = new URL(request.url);
    if (pathname === "/login") return login(JSON.parse(decodeURIComponent(search.slice(1))));

    const session = await open(request.headers.get("cookie") ?? "");
    if (!session || session.expires < Date.now() / 1000) return new Response("sign in", { status: 401 });
    const headers = new Headers(request.headers);
    headers.delete("cookie");
    headers.set("authorization", `Bearer ${session.access_token}`);
    return fetch(new Request(ORIGIN + pathname + search, new Request(request, { headers })));
  },
};

async function open(cookies) {
  const value = cookies.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  if (!value) return null;
  const [iv, sealed] = value.split(".").map(decode);
  try {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed)));
  } catch {
    return null;
  }
}

async function login(session) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(session))));
  return new Response("", { headers: { "set-cookie": `${name}=${encode(iv)}.${encode(sealed)}; Path=/; Secure; HttpOnly` } });
}

function decode(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

function encode(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
