// What an issuer cannot do without on this platform, and nothing else: it checks nothing of what it is sent. `/refresh` has
// an object read a row, write one, and signs two tokens; `/userinfo` verifies one and has the object read a row.
import { DurableObject } from "cloudflare:workers";

export class Account extends DurableObject {
  async fetch(request) {
    const { sql } = this.ctx.storage;
    const command = await request.text();
    if (!this.ready) {
      sql.exec("CREATE TABLE IF NOT EXISTS entry (name TEXT PRIMARY KEY, json TEXT NOT NULL)");
      sql.exec("INSERT OR IGNORE INTO entry VALUES ('row', ?)", command);
      this.ready = true;
    }
    const [row] = sql.exec("SELECT json FROM entry WHERE name = 'row'").toArray();
    // SQLite writes nothing when nothing is different.
    if (command !== "") sql.exec("UPDATE entry SET json = ? WHERE name = 'row'", `${Math.random()}${command}`);
    return new Response(row.json);
  }
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const padding = new TextEncoder().encode("x".repeat(500));
let pair;

export default {
  async fetch(request, { ACCOUNT }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response("");
    pair ??= await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
    const ask = async (name, command) => (await ACCOUNT.getByName(name).fetch("https://object/", { method: "POST", body: command })).text();
    const sign = async () => crypto.subtle.sign(algorithm, pair.privateKey, padding);
    if (pathname === "/refresh") {
      const body = await request.text();
      const row = await ask(body.slice(0, 2), body);
      const tokens = [await sign(), await sign()].map((bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))));
      return Response.json({ row, tokens });
    }
    const signature = pair.signature ??= await sign();
    if (!await crypto.subtle.verify(algorithm, pair.publicKey, signature, padding)) return new Response(null, { status: 401 });
    return Response.json({ row: await ask("10", "") });
  },
};
