// Chromium in front of our pair, and what every walk through it needs.
import { freePorts, ourPair, routesTo } from "../foreign/pair.mjs";
import { people, signIn } from "./chromium.mjs";
import { poster, posterClient } from "./posting.mjs";
import { scopes, theirs } from "./consenting.mjs";

export const accessTokenSeconds = 8;

export async function world() {
  const [nobody, posterPort, calendarPort] = await freePorts(3);
  const client = `http://localhost:${posterPort}`;
  const calendarAt = `http://localhost:${calendarPort}`;
  const registration = { client_id: poster.id, client_name: "Poster", token_endpoint_auth_method: "none", redirect_uris: [`${client}${poster.path}`] };
  const pair = await ourPair({
    clients: [registration, ...theirs(calendarAt)],
    idp: { ACCESS_TOKEN_SECONDS: String(accessTokenSeconds), SCOPES: scopes },
    gateway: (origin) => ({ ROUTES: [{ prefix: "/down", origin: `http://localhost:${nobody}`, access: "public" }, ...routesTo(origin)] }),
  });
  return { ...pair, poster: { origin: client, posts: await posterClient(posterPort) }, calendarAt, person: await people() };
}

// Opens a page of the gateway and signs in on the way.
export async function enter(page, url) {
  await page.goto(url);
  await signIn(page);
  await page.waitForURL(url);
}

// The demo origin greets with what it finds in the access token.
export const greeting = (page) => page.getByRole("heading", { name: /^Hello, \S/ });
