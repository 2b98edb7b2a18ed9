// Chromium in front of our pair, and what every walk through it needs.
import { freePorts, ourPair, routesTo } from "../foreign/pair.mjs";
import { people, signIn } from "./chromium.mjs";
import { poster, posterClient } from "./posting.mjs";

export const accessTokenSeconds = 8;

export async function world() {
  const [nobody, posterPort] = await freePorts(2);
  const client = `http://localhost:${posterPort}`;
  const pair = await ourPair({
    clients: [{ client_id: poster.id, client_name: "Poster", token_endpoint_auth_method: "none", redirect_uris: [`${client}${poster.path}`] }],
    idp: { ACCESS_TOKEN_SECONDS: String(accessTokenSeconds) },
    gateway: (origin) => ({ ROUTES: [...routesTo(origin), { prefix: "/down", origin: `http://localhost:${nobody}`, access: "public" }] }),
  });
  return { ...pair, poster: { origin: client, posts: await posterClient(posterPort) }, person: await people() };
}

// Opens a page of the gateway and signs in on the way.
export async function enter(page, url) {
  await page.goto(url);
  await signIn(page);
  await page.waitForURL(url);
}

// The demo origin greets with what it finds in the access token.
export const greeting = (page) => page.getByRole("heading", { name: /^Hello, \S/ });
