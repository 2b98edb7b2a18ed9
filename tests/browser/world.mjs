// Chromium in front of our pair, and what every walk through it needs.
import { freePorts, ourPair, routesTo } from "../foreign/pair.mjs";
import { people, signIn } from "./chromium.mjs";
import { scopes, theirs } from "./consenting.mjs";

export const accessTokenSeconds = 8;

export async function world() {
  const [nobody, calendarPort] = await freePorts(2);
  const calendarAt = `http://localhost:${calendarPort}`;
  const pair = await ourPair({
    idp: { ACCESS_TOKEN_SECONDS: String(accessTokenSeconds), SCOPES: scopes },
    clients: theirs(calendarAt),
    gateway: (origin) => ({ ROUTES: [...routesTo(origin), { prefix: "/down", origin: `http://localhost:${nobody}`, access: "public" }] }),
  });
  return { ...pair, calendarAt, person: await people() };
}

// Opens a page of the gateway and signs in on the way.
export async function enter(page, url) {
  await page.goto(url);
  await signIn(page);
  await page.waitForURL(url);
}

// The demo origin greets with what it finds in the access token.
export const greeting = (page) => page.getByRole("heading", { name: /^Hello, \S/ });
