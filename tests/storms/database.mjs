// A database that goes away and comes back, that takes few connections, and one that is asked as Neon is.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { postgres } from "../../scripts/postgres.mjs";
import { later, notRun, subject } from "../foreign/checks.mjs";
import { freePorts, ourPair } from "../foreign/pair.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { database } from "../postgres.mjs";
import { burst } from "./burst.mjs";
import { accounts, bearer, people } from "./client.mjs";

// In seconds. The Workers may have to be built first.
const patience = 300;

const { missing } = postgres();
if (missing) {
  console.log(`database\n  NOT RUN: ${missing}`);
  process.exit(notRun);
}

const pair = (url) => ourPair({
  idp: { ACCOUNTS: accounts },
  gateway: () => ({ SESSION_MODE: "postgres", DATABASE_URL: url }),
});

async function signedIn(app) {
  const visitor = new Visitor();
  const page = await visitor.follow(await visitor.open(`${app}/echo`));
  bearer(await visitor.follow(await visitor.submit(page, people[0])));
  return visitor;
}

const script = { accept: "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" };
const ask = (app, { cookie }, method = "GET", path = "/echo") =>
  fetch(app + path, { method, headers: { ...script, origin: app, cookie }, redirect: "manual" });

// The two statements that write, the one that reads and the one that clears away, by their first words: no SQL is read here.
async function neon(wanted) {
  const rows = new Map();
  let made = false;
  const statements = {
    CREATE: () => (made = true, []),
    SELECT: ([ids]) => ids.slice(1, -1).split(",").filter((id) => rows.has(id)).map((id) => [id, ...rows.get(id)]),
    INSERT: ([id, version, sealed]) => rows.has(id) ? [] : (rows.set(id, [version, sealed]), [[id]]),
    UPDATE: ([id, seen, next, sealed]) => rows.get(id)?.[0] === seen ? (rows.set(id, [next, sealed]), [[id]]) : [],
    DELETE: () => [],
  };
  const server = createServer(async (request, answer) => {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const { headers: { "neon-connection-string": url, "neon-array-mode": arrays, "neon-raw-text-output": raw } } = request;
    assert.deepEqual([request.method, request.url, url, arrays, raw], ["POST", "/sql", wanted, "true", "true"]);
    const { query, params } = JSON.parse(body);
    const [word] = /\b(CREATE|SELECT|INSERT|UPDATE|DELETE)\b/.exec(query);
    const said = word === "CREATE" || made
      ? [200, { command: word, rows: statements[word](params), rowAsArray: true, fields: [] }]
      : [400, { message: `relation "gatelatch_session" does not exist`, code: "42P01" }];
    answer.writeHead(said[0], { "content-type": "application/json" }).end(JSON.stringify(said[1]));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  later(() => (server.close(), server.closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}/sql`, rows };
}

await subject("database", async (it) => {
  await it("pl_11: while it is away every answer is 503 and nobody is signed out; when it is back the session is there", async () => {
    const [port] = await freePorts(1);
    const { url, stop, away, back } = await database(port);
    later(stop);
    const { app } = await pair(url);
    const visitor = await signedIn(app);
    await away();
    for (const [method, path] of [["GET", "/echo"], ["GET", "/api/echo"], ["GET", "/auth/session"], ["POST", "/auth/logout"]]) {
      const answer = await ask(app, visitor, method, path);
      assert.equal(answer.status, 503, path);
      assert.equal(answer.headers.get("set-cookie"), null, path);
      assert.ok(Number(answer.headers.get("retry-after")) >= 1 || path === "/auth/logout", path);
    }
    await back();
    assert.equal((await ask(app, visitor)).status, 200);
    assert.equal((await ask(app, visitor, "POST", "/auth/logout")).status, 303);
    assert.equal((await ask(app, visitor)).status, 401);
  }, patience);

  await it("53300: a server that takes five connections answers some and the others come later; nobody is signed out", async () => {
    const [port] = await freePorts(1);
    // Three of them are the superuser's, which we are; an isolate would have sixteen.
    const { url, stop } = await database(port, { connections: 5 });
    later(stop);
    const { app } = await pair(url);
    const visitor = await signedIn(app);
    const answers = await burst(Array.from({ length: 200 }, () => ({ url: `${app}/echo`, headers: { ...script, cookie: visitor.cookie } })));
    assert.ok(answers.every(({ status }) => status === 200 || status === 503));
    assert.ok(answers.some(({ status }) => status === 200));
    assert.ok(answers.every(({ headers }) => headers["set-cookie"] === undefined));
    assert.equal((await ask(app, visitor)).status, 200);
  }, patience);

  await it("where Hyperdrive is bound, it is the database, whatever the URL says", async () => {
    const [port] = await freePorts(1);
    const { url, stop } = await database(port);
    later(stop);
    const { app } = await ourPair({
      idp: { ACCOUNTS: accounts },
      gateway: () => ({ SESSION_MODE: "postgres", DATABASE_URL: "postgres://nobody:secret@localhost:9/nothing" }),
      hyperdrive: url,
    });
    const visitor = await signedIn(app);
    assert.equal((await ask(app, visitor)).status, 200);
    assert.equal((await ask(app, visitor, "POST", "/auth/logout")).status, 303);
    assert.equal((await ask(app, visitor)).status, 401);
  }, patience);

  await it("statements go to Neon as Neon takes them, and the table is made there too", async () => {
    const host = "postgres://bob:secret@localhost/shop";
    const { url, rows } = await neon(host);
    const { app } = await pair(`${host}?via=${encodeURIComponent(url)}`);
    const visitor = await signedIn(app);
    assert.equal(rows.size, 1);
    assert.equal((await ask(app, visitor)).status, 200);
    assert.equal((await ask(app, visitor, "POST", "/auth/logout")).status, 303);
    assert.equal((await ask(app, visitor)).status, 401);
  }, patience);
});
