// PL-01: a thousand people at once, over connections that they share as behind a proxy, and every answer is looked at
// for whose it is. STORES=hybrid,kv says where sessions are, REQUESTS=n how many requests each of them gets, and MINUTES=n
// when that is enough, on a machine that is busy.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, subject } from "../foreign/checks.mjs";
import { routesTo } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { accounts, full } from "./client.mjs";
import { dice, seed } from "./dice.mjs";
import { mirror, subjectOf } from "./mirror.mjs";
import { arrive, deploy, sealed, stores } from "./stores.mjs";
import { Wire } from "./wire.mjs";

const modes = [...stores, ...sealed];
const crowd = full ? 1000 : 100;
// Each statement to a database has a connection of its own, which is slower than everything else here.
const few = { hybrid: 5000, sealed: 5000, durable: 5000, kv: 5000, postgres: 2000 };
const requestsOf = (mode) => Number(process.env.REQUESTS ?? (full ? (mode === "hybrid" ? 1_000_000 : 100_000) : few[mode]));
const minutes = Number(process.env.MINUTES ?? Infinity);
// Everybody's token is renewed several times before it is over.
const accessTokenSeconds = full ? 240 : 6;
const connections = 48;
// For so long the issuer gives the successor of a token that was used again: 30 seconds, each cut to a whole one.
const graceSeconds = 29;
const sessionCookie = "__Host-gatelatch-session";
// One sign-out, and one sign-in after it, in so many requests.
const perMove = full ? 400 : 100;

const whoIs = (index) => ({ username: `person-${index}`, password: "wonderland" });
const script = (app, cookie) => `accept: */*\r\nsec-fetch-mode: cors\r\nsec-fetch-site: same-origin\r\norigin: ${app}\r\n${cookie && `cookie: ${cookie}\r\n`}`;

// What can be asked, how often, and how. The mark is of this one request and of no other.
const kinds = {
  page: [30, (wire, mark, headers) => wire.ask("GET", `/page?${mark}`, headers)],
  api: [30, (wire, mark, headers) => wire.ask("GET", `/api/thing?${mark}`, headers)],
  post: [15, (wire, mark, headers) => wire.ask("POST", `/post?${mark}`, headers, `the body of ${mark}`)],
  cookies: [10, (wire, mark, headers) => wire.ask("GET", `/cookies?${mark}`, headers)],
  whoami: [5, (wire, _, headers) => wire.ask("GET", "/auth/session", headers)],
  public: [5, (wire, mark, headers) => wire.ask("GET", `/public/thing?${mark}`, headers)],
  nobody: [5, (wire, mark, _, app) => wire.ask("GET", `/api/thing?${mark}`, script(app, ""))],
};
const draws = Object.entries(kinds).flatMap(([kind, [weight]]) => Array(weight).fill(kind));

// Somebody with a browser, whose cookies are nobody else's.
class Person {
  constructor(world, index) {
    this.world = world;
    this.index = index;
    this.visitor = new Visitor();
    // Counts their sign-ins: what an earlier one is still answered is not kept.
    this.session = 0;
    this.isMoving = false;
  }

  // What the browser sends to the gateway: its session, and a cookie that the origin is to get as it was.
  get cookie() {
    const ours = [...this.visitor.cookies].filter(([name]) => name.startsWith(sessionCookie));
    return [...ours, ["own", this.index]].map((pair) => pair.join("=")).join("; ");
  }

  async arrive() {
    const { world: { app }, visitor } = this;
    const { page } = await arrive(app, whoIs(this.index), "/page?arriving", visitor);
    const { subject } = JSON.parse(page.body);
    this.subject ??= subject;
    assert.equal(subject, this.subject, "somebody signed in as somebody else");
    this.session += 1;
  }

  // Signs out, and in again: with the password, or as the issuer remembers them.
  async move(withPassword) {
    const { world: { app }, visitor } = this;
    this.isMoving = true;
    const left = await visitor.send(`${app}/auth/logout`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
    if (left.status === 503) {
      // It did not work, and says so: they are still there.
      this.isMoving = false;
      return false;
    }
    assert.equal(left.status, 303);
    if (withPassword) visitor.cookies.clear();
    await this.arrive();
    this.isMoving = false;
    return true;
  }
}

// Whether an answer is this person's, whole. False when it says no more than to come back.
function judge(person, kind, mark, wasMoving, { status, head, cookies, body }) {
  const about = () => `${kind} of ${person.index} (${person.subject}): ${status} ${head.slice(0, 600)}\n${body.slice(0, 600)}`;
  for (const line of cookies) if (line.startsWith("whose=")) assert.ok(line.startsWith(`whose=${person.subject};`), `somebody else's cookie: ${about()}`);
  const named = /\r\nx-person: *([^\r]*)/i.exec(head)?.[1];
  const isOut = kind === "nobody" || kind === "public";
  if (named) assert.equal(named, isOut ? "nobody" : person.subject, `MIX-UP in a header: ${about()}`);
  if (status === 503) {
    assert.match(head, /\r\nretry-after: *\d/i, about());
    return false;
  }
  if (kind === "nobody") {
    assert.equal(status, 401, about());
    return true;
  }
  if (kind !== "public" && wasMoving && (status === 401 || status === 303)) return true;
  assert.equal(status, 200, about());
  const told = JSON.parse(body);
  if (kind === "whoami") {
    if (told.signed_in) assert.equal(told.subject, person.subject, `MIX-UP: ${about()}`);
    else assert.ok(wasMoving, `LOST: ${about()}`);
    return true;
  }
  assert.equal(told.subject, kind === "public" ? null : person.subject, `MIX-UP: ${about()}`);
  assert.ok(told.url.endsWith(`?${mark}`), `somebody else's request: ${about()}`);
  assert.equal(told.cookie, `own=${person.index}`, `somebody else's cookies: ${about()}`);
  assert.equal(told.body, kind === "post" ? `the body of ${mark}` : "", `somebody else's body: ${about()}`);
  return true;
}

// Whether the issuer has given somebody up: what a token call brought was not kept, and when the token was presented again
// the issuer had waited for as long as it does. That is a session lost to a store that is asked too much, and no mix-up.
function isBeyond({ line }, { subject }) {
  const presented = ({ form }) => form.get("refresh_token");
  return line.calls.some((refused) => refused.status === 400 && line.calls.some((first) =>
    first.brought && presented(first) && presented(first) === presented(refused)
      && subjectOf(first.brought.access_token) === subject && refused.at - first.at > graceSeconds * 1000));
}

async function storm(mode) {
  const seen = await mirror();
  const [{ password }] = accounts;
  const world = await deploy(mode, {
    idp: {
      ACCOUNTS: Array.from({ length: crowd }, (_, index) => ({ ...whoIs(index), password })),
      ACCESS_TOKEN_SECONDS: accessTokenSeconds,
    },
    gateway: () => ({ ROUTES: routesTo(seen.url), REQUEST_LOG: "refused" }),
  });
  const { app, line } = world;
  const random = dice(seed);
  const people = Array.from({ length: crowd }, (_, index) => new Person(world, index));
  const next = people.values();
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (const person of next) await person.arrive();
  }));
  assert.equal(new Set(people.map(({ subject }) => subject)).size, crowd, "two people are one");

  const wanted = requestsOf(mode);
  const counts = { right: 0, busy: 0, moves: 0, asked: 0, beyond: 0 };
  const wires = Array.from({ length: connections }, () => new Wire(Number(new URL(app).port)));
  const started = Date.now();
  let over = false;
  let shown = 0;
  // On a fast machine too, tokens are renewed meanwhile.
  const isShort = () => Date.now() < started + 2000 * accessTokenSeconds;
  const goesOn = () => !over && (counts.right < wanted || isShort()) && Date.now() < started + minutes * 60_000;

  const one = async (wire) => {
    const person = people[Math.floor(random() * crowd)];
    const kind = draws[Math.floor(random() * draws.length)];
    const mark = `${mode}-${counts.asked += 1}`;
    const { session, isMoving } = person;
    const headers = script(app, person.cookie);
    const answer = await kinds[kind][1](wire, mark, headers, app);
    const wasMoving = isMoving || person.isMoving || person.session !== session;
    const isGone = answer.status === 401 || (kind === "whoami" && answer.body.startsWith(`{"signed_in":false`));
    if (isGone && kind !== "nobody" && !wasMoving && isBeyond(world, person)) {
      counts.beyond += 1;
      person.isMoving = true;
      await person.arrive();
      person.isMoving = false;
      return undefined;
    }
    if (!judge(person, kind, mark, wasMoving, answer)) {
      counts.busy += 1;
      return sleep(100);
    }
    counts.right += 1;
    const ours = answer.cookies.filter((line) => line.startsWith("__Host-"));
    if (ours.length && kind !== "nobody" && !wasMoving) person.visitor.take({ headers: { "set-cookie": ours } });
    return undefined;
  };
  const ask = async (wire) => {
    while (goesOn()) {
      await one(wire);
      if (full && counts.right >= shown + 10_000) {
        shown = counts.right;
        const seconds = (Date.now() - started) / 1000;
        console.log(`  ${mode}: ${shown} right answers in ${Math.round(seconds)} s, ${Math.round(shown / seconds)} a second, ${counts.busy} times 503, ${counts.moves} moves, ${line.calls.length} token calls`);
      }
    }
  };
  const move = async () => {
    while (goesOn()) {
      const person = people[Math.floor(random() * crowd)];
      if (counts.moves * perMove > counts.right || person.isMoving) {
        await sleep(5);
        continue;
      }
      const moved = await person.move(random() < 0.5);
      counts[moved ? "moves" : "busy"] += 1;
    }
  };
  try {
    await Promise.all([...wires.map(ask), move(), move()]);
  } finally {
    over = true;
    for (const wire of wires) wire.close();
  }

  // Whatever cookies they were given in the end are theirs.
  for (const person of people) {
    let page = await person.visitor.open(`${app}/page?last`);
    if (page.status !== 200 && isBeyond(world, person)) ({ page } = await arrive(app, whoIs(person.index), "/page?last", person.visitor));
    assert.equal(JSON.parse(page.body).subject, person.subject, "MIX-UP in the cookies");
  }
  const refreshes = line.calls.filter(({ form }) => form.get("grant_type") === "refresh_token").length;
  const seconds = Math.round((Date.now() - started) / 1000);
  assert.ok(refreshes > 0 && counts.moves > 0, "nothing happened in between");
  assert.ok(counts.busy <= counts.right, "it was busy with nothing but being busy");
  figure(`isolation, ${mode}: people, right answers, of somebody else`, `${crowd}, ${counts.right}, 0`);
  figure(`isolation, ${mode}: refreshes, sign-outs and sign-ins meanwhile; times 503; back too late for the issuer; seconds`, `${refreshes}, ${counts.moves}; ${counts.busy}; ${counts.beyond}; ${seconds}`);
}

await subject("isolation", async (it) => {
  console.log(`  SEED=${seed}`);
  assert.equal(subjectOf(`.${Buffer.from(`{"sub":"x"}`).toString("base64url")}.`), "x");
  for (const mode of modes) {
    await it(`pl_01, ${mode}: every answer to interleaved requests of ${crowd} people is their own, in body, header and cookie`, () => storm(mode), 300 + requestsOf(mode) / 5);
  }
});
