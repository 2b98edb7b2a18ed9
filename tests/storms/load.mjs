// People and clients that work without a pause, and remember what they were promised.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { pass, signIn } from "../foreign/sign-in.mjs";
import { Visitor } from "../foreign/visitor.mjs";
import { bearer, people, read, send } from "./client.mjs";

const sessionCookie = "__Host-gatelatch-session";
const signInCookie = "__Host-gatelatch-sign-in";
// What is carried on from kill to kill; the rest has been looked at and is forgotten.
const most = 8;

const invalidGrant = ({ status, body }) => status === 400 && body.error === "invalid_grant";

// A promise is an answer that was read. What was under way when the process died may be so or so.
export class Load {
  // Set just before the kill: from then on connections may break.
  over = false;
  browsers = [];
  families = [];
  codes = [];
  subjects = new Map();
  seen = { families: 0, browsers: 0, signedIn: 0, codes: 0, revoked: 0, left: 0, late: 0, used: 0, unused: 0, rotating: 0 };

  constructor(world) {
    this.world = world;
  }

  // Somebody who stays, to ask whether pages are served.
  async begin() {
    this.anchor = await this.#arrive(people[0], new Visitor());
    this.keys = await this.#keys();
  }

  async isServed() {
    const { status } = await this.anchor.visitor.open(`${this.world.app}/echo`);
    return status === 200;
  }

  // Works until it is over, or something fails that has no excuse.
  async run() {
    this.over = false;
    const { random } = this.world;
    const actors = [this.#newcomer, this.#newcomer, this.#reader, this.#reader, this.#client, this.#client, this.#client];
    await Promise.all(actors.map(async (actor) => {
      try {
        await actor.call(this, random);
      } catch (fault) {
        if (!this.over) throw fault;
      }
    }));
  }

  // ---- who is at work

  // People who sign in at the gateway; some sign out again.
  async #newcomer(random) {
    while (!this.over) {
      const person = people[Math.floor(random() * people.length)];
      const visitor = new Visitor();
      let browser;
      try {
        browser = await this.#arrive(person, visitor);
      } finally {
        // Signed in is who has the cookie, whether or not they saw the page after it.
        if (visitor.cookies.has(signInCookie)) {
          browser ??= { person, visitor };
          this.browsers.push(browser);
        }
      }
      if (random() < 0.3) {
        const { app } = this.world;
        browser.leaving = true;
        // What the browser has afterwards is of no use; who kept the cookie from before finds out.
        browser.kept = new Visitor();
        browser.kept.cookies = new Map(visitor.cookies);
        const left = await browser.kept.send(`${app}/auth/logout`, { method: "POST", form: {}, headers: { origin: app, "sec-fetch-site": "same-origin" } });
        assert.equal(left.status, 303);
        browser.left = true;
      }
    }
  }

  async #arrive(person, visitor) {
    const { app } = this.world;
    const page = await visitor.follow(await visitor.open(`${app}/echo`));
    const landed = await visitor.follow(await visitor.submit(page, person));
    this.#know(person, read(bearer(landed)).sub);
    return { person, visitor };
  }

  // People who are signed in, and whose tokens expire now and then.
  async #reader(random) {
    while (!this.over) {
      const staying = this.browsers.filter(({ leaving, visitor }) => !leaving && visitor.cookies.has(sessionCookie));
      if (staying.length) await this.#reads(staying[Math.floor(random() * staying.length)]);
      else await sleep(20);
    }
  }

  async #reads({ person, visitor }) {
    const page = await visitor.open(`${this.world.app}/echo`);
    this.#know(person, read(bearer(page)).sub);
  }

  // A client at the issuer itself, which redeems, refreshes and revokes.
  async #client(random) {
    const { issuer, client } = this.world;
    const person = people[Math.floor(random() * people.length)];
    const visitor = new Visitor();
    let url = client.authorization(issuer);
    let code = { person, ...url, code: (await signIn(visitor, url.url, person)).searchParams.get("code") };
    while (!this.over) {
      this.codes.push(code);
      if (random() < 0.8) {
        const family = await this.#redeem(code);
        for (let times = Math.floor(random() * 6); times > 0 && !this.over; times -= 1) await this.#refresh(family);
        if (random() < 0.2) {
          family.revoking = true;
          const answer = await send(client.revocation(issuer, family.tokens.at(-1).refresh_token));
          assert.equal(answer.status, 200);
          family.revoked = true;
        }
      }
      url = client.authorization(issuer);
      code = { person, ...url, code: (await pass(visitor, url.url)).searchParams.get("code") };
    }
  }

  async #redeem(code) {
    const { issuer, client } = this.world;
    code.trying = true;
    const { status, body } = await send(client.redemption(issuer, code));
    assert.equal(status, 200, JSON.stringify(body));
    code.family = { person: code.person, tokens: [body], claims: read(body.access_token) };
    this.#know(code.person, code.family.claims.sub);
    this.families.push(code.family);
    return code.family;
  }

  // One generation further, whether it rotates or what was lost is repeated.
  async #refresh(family) {
    const { issuer, client } = this.world;
    family.trying = true;
    const { status, body } = await send(client.refresh(issuer, family.tokens.at(-1).refresh_token));
    assert.equal(status, 200, JSON.stringify(body));
    const claims = read(body.access_token);
    assert.deepEqual([claims.family, claims.sub, claims.generation], [family.claims.family, family.claims.sub, family.claims.generation + 1]);
    family.tokens.push(body);
    Object.assign(family, { claims, trying: false });
    return body;
  }

  #know({ username }, subject) {
    if (!this.subjects.has(username)) this.subjects.set(username, new Set());
    this.subjects.get(username).add(subject);
    assert.equal(this.subjects.get(username).size, 1, `${username} is two people`);
  }

  async #keys() {
    const { keys } = await (await fetch(`${this.world.issuer}/jwks`)).json();
    return keys.map(({ kid }) => kid);
  }

  // ---- what they find afterwards

  async verify() {
    const died = Date.now();
    assert.deepEqual(await this.#keys(), this.keys, "the signing keys are others");
    await this.#verifyFamilies();
    await this.#verifyCodes();
    // Or a cookie would be believed without a look at the session.
    await sleep(Math.max(0, died + 1100 - Date.now()));
    await this.#verifyBrowsers();
  }

  async #verifyFamilies() {
    const { issuer, client, random } = this.world;
    for (const family of this.families) {
      const again = client.refresh(issuer, family.tokens.at(-1).refresh_token);
      if (family.revoked) {
        assert.ok(invalidGrant(await send(again)), "a revoked family lives");
        this.seen.revoked += 1;
      } else if (!family.revoking) {
        if (family.trying) this.seen.rotating += 1;
        const next = await this.#refresh(family);
        const { status, body } = await send(again);
        assert.deepEqual([status, body.refresh_token], [200, next.refresh_token], "there are two successors");
        this.seen.families += 1;
      }
    }
    this.families = this.families.filter(({ revoking }) => !revoking);

    // One of them comes to its end: by a token that is older than the last but one.
    const old = this.families.filter(({ tokens }) => tokens.length > 2);
    if (old.length) await this.#ends(old[Math.floor(random() * old.length)], (family) => client.refresh(issuer, family.tokens.at(-3).refresh_token));
    this.families = this.families.slice(-most);
  }

  async #ends(family, how) {
    const { issuer, client } = this.world;
    assert.ok(invalidGrant(await send(how(family))), "it worked");
    assert.ok(invalidGrant(await send(client.refresh(issuer, family.tokens.at(-1).refresh_token))), "the family lives on");
    this.families = this.families.filter((other) => other !== family);
    this.seen.late += 1;
  }

  async #verifyCodes() {
    const { issuer, client } = this.world;
    for (const code of this.codes.filter(({ family }) => !family)) {
      const answer = await send(client.redemption(issuer, code));
      if (code.trying) {
        assert.ok(answer.status === 200 || invalidGrant(answer));
        this.seen[answer.status === 200 ? "unused" : "used"] += 1;
      } else {
        assert.equal(answer.status, 200, "a code is lost");
        this.seen.codes += 1;
      }
      assert.ok(invalidGrant(await send(client.redemption(issuer, code))), "a code works twice");
    }
    // And one that was redeemed before the kill does not work again, but ends what it brought.
    const used = this.codes.find(({ family }) => family && this.families.includes(family));
    if (used) await this.#ends(used.family, () => client.redemption(issuer, used));
    this.codes = [];
  }

  async #verifyBrowsers() {
    const { app, issuer, client } = this.world;
    for (const browser of this.browsers) {
      const { visitor, leaving, left, kept } = browser;
      if (left) {
        const thief = new Visitor();
        thief.cookies = new Map(visitor.cookies);
        assert.equal((await thief.fetch(`${app}/api/me`)).status, 401, "who signed out is signed in");
        assert.ok(!kept.cookies.has(sessionCookie));
        this.seen.left += 1;
      } else if (!leaving && visitor.cookies.has(sessionCookie)) {
        // No page, no redirect: as if nothing had happened.
        await this.#reads(browser);
        this.seen.browsers += 1;
      }
      // The sign-in at the issuer is another session than the gateway's.
      if (!browser.seen) {
        const { url } = client.authorization(issuer);
        assert.ok((await pass(visitor, url)).searchParams.get("code"), "the issuer has forgotten who it is");
        this.seen.signedIn += 1;
        browser.seen = true;
      }
    }
    this.browsers = this.browsers.filter(({ leaving }) => !leaving).slice(-most);
  }
}
