// People at a gateway that dies now and then: they sign in, read and sign out, and remember what they were told.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../foreign/visitor.mjs";
import { bearer, people, read } from "./client.mjs";

const sessionCookie = "__Host-gatelatch-session";
// For so long the issuer gives the successor of a token that was used again, whatever became of the first answer: 30 seconds,
// each cut to a whole one.
const graceSeconds = 29;
// The lease of an isolate that died runs out by its time, where sessions are in a database: until then who has no token is
// told to come back. Somewhat longer.
const leaseSeconds = 30;

// An answer that was read is a promise.
export class Crowd {
  // Set just before the kill: from then on connections may break.
  over = false;
  // Who is signed in; who is told to come back; who has signed out, with the cookies from before.
  staying = [];
  waiting = [];
  left = [];
  seen = { alive: 0, ended: 0, either: 0, waited: 0, beyond: 0, refreshing: 0 };

  constructor(world, most) {
    this.world = world;
    this.most = most;
  }

  async begin(count) {
    this.anchor = await this.#arrive(new Visitor());
    this.staying = [];
    while (this.staying.length < count) await this.#arrive(new Visitor());
  }

  async isServed() {
    const { status } = await this.#ask(this.anchor);
    return status < 500;
  }

  async run() {
    this.over = false;
    const { random } = this.world;
    const actors = [this.#newcomer, this.#leaver, this.#reader, this.#reader, this.#reader];
    await Promise.all(actors.map(async (actor) => {
      try {
        while (!this.over) await actor.call(this, random);
      } catch (fault) {
        if (!this.over) throw fault;
      }
    }));
  }

  async #newcomer(random) {
    const visitor = new Visitor();
    await this.#arrive(visitor);
    await sleep(random() * 60);
  }

  async #arrive(visitor) {
    const { app, random } = this.world;
    const person = people[Math.floor(random() * people.length)];
    const session = { visitor, person };
    visitor.patience = 60_000;
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    try {
      const landed = await visitor.follow(await visitor.submit(page, person));
      if (landed.status === 200) this.#know(session, landed);
    } finally {
      // Signed in is who has the cookie, whether or not they saw the page after it.
      if (visitor.cookies.has(sessionCookie)) this.staying.push(session);
    }
    return session;
  }

  async #reader(random) {
    const session = this.staying[Math.floor(random() * this.staying.length)];
    if (!session) return sleep(10);
    const answer = await this.#ask(session);
    if (session.leaving) return undefined;
    if (answer.status === 401) return this.#gone(session);
    if (answer.status === 503) return sleep(20);
    return this.#know(session, answer);
  }

  async #leaver(random) {
    await sleep(random() * 250);
    const session = this.staying[Math.floor(random() * this.staying.length)];
    if (this.over || !session || this.staying.length < 4) return;
    const { app } = this.world;
    session.leaving = true;
    this.staying = this.staying.filter((other) => other !== session);
    session.kept = new Visitor();
    session.kept.cookies = new Map(session.visitor.cookies);
    this.left.push(session);
    const { status } = await session.visitor.send(`${app}/auth/logout`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
    // Who is told that it did not work is told nothing else.
    if (status !== 503) {
      assert.equal(status, 303);
      session.isOver = true;
    }
  }

  #ask({ visitor }) {
    return visitor.fetch(`${this.world.app}/api/echo`);
  }

  // The person, the sign-in and the family stay what they were.
  #know(session, answer) {
    const { sub, sid, family } = read(bearer(answer));
    session.is ??= { sub, sid, family };
    assert.deepEqual({ sub, sid, family }, session.is, "somebody is somebody else");
  }

  // What is gone must have been given up by the issuer, because nobody came back in time.
  #gone(session) {
    assert.ok(session.isUnwilling || this.#isBeyond(session), `a session is lost: ${JSON.stringify(session.is)}\n${this.#story(session)}`);
    if (!session.isUnwilling) this.seen.beyond += 1;
    this.staying = this.staying.filter((other) => other !== session);
  }

  // The token calls for a session, and the last ones that were refused: when, with which token, and what it led to.
  #story({ is }) {
    const end = (token) => token?.slice(-8);
    const own = ({ brought, status }) => status === 400 || (brought && read(brought.access_token).family === is?.family);
    return this.world.line.calls.filter(own).slice(-12).map(({ at, form, status, brought }) =>
      `${new Date(at).toISOString()} ${form.get("grant_type")} ${end(form.get("refresh_token"))} ${status} ${end(brought?.refresh_token)}`).join("\n");
  }

  #isBeyond({ is }) {
    const { calls } = this.world.line;
    const presented = (call) => call.form.get("refresh_token");
    return calls.some((refused) => refused.status === 400 && calls.some((first) =>
      first.brought && presented(first) && presented(first) === presented(refused)
        && read(first.brought.access_token).family === is?.family && refused.at - first.at > graceSeconds * 1000));
  }

  // ---- what they find afterwards

  async verify() {
    const died = Date.now();
    this.#know(this.anchor, await this.#ask(this.anchor));
    const { calls } = this.world.line;
    // A token leads to one successor, however often it was presented.
    const successors = new Map();
    for (const { form, brought } of calls) {
      const presented = form.get("refresh_token");
      if (!presented || !brought) continue;
      assert.equal(successors.get(presented) ?? brought.refresh_token, brought.refresh_token, "a token was spent twice");
      successors.set(presented, brought.refresh_token);
    }
    const before = [...this.waiting.splice(0), ...this.staying];
    for (const session of before) await this.#look(session, died);
    this.staying = before.filter((session) => !session.isWaiting && !session.isOver).slice(-this.most);

    // Or a copy, in a cookie or near by, would be believed without a look at the session.
    await sleep(Math.max(0, died + 1200 - Date.now()));
    for (const session of this.left) {
      const { status } = await this.#ask({ visitor: session.kept });
      if (session.isOver) assert.equal(status === 503 ? 401 : status, 401, "who signed out is signed in");
      else if (status !== 503) {
        // They were never told; from now on it stays as it is.
        assert.ok([200, 401].includes(status), `${status}`);
        session.isOver = status === 401;
        this.seen.either += 1;
        // What they wanted may come true all the same: their refresh token may have been revoked.
        if (status === 200) this.staying.push({ ...session, visitor: session.kept, leaving: false, isUnwilling: true });
      }
      if (session.isOver) this.seen.ended += 1;
    }
    this.left = this.left.filter(({ isOver }) => isOver).slice(-this.most);
  }

  async #look(session, died) {
    const answer = await this.#ask(session);
    if (answer.status === 503) {
      assert.ok(Number(answer.headers["retry-after"]) >= 1);
      session.since ??= died;
      assert.ok(!session.isLate, "nobody let them in");
      // The next time is the last.
      session.isLate = Date.now() - session.since > leaseSeconds * 1000;
      if (!session.isWaiting) this.seen.waited += 1;
      session.isWaiting = true;
      this.waiting.push(session);
      return;
    }
    Object.assign(session, { isWaiting: false, since: undefined, isLate: false });
    if (answer.status === 401) {
      this.#gone(session);
      session.isOver = true;
      return;
    }
    this.#know(session, answer);
    this.seen.alive += 1;
  }

  // Until nobody waits any more.
  async settle() {
    while (this.waiting.length) {
      await sleep(1000);
      await this.verify();
    }
  }
}
