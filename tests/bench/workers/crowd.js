// Fills the issuer's Directory shards, in whose place it runs, with people: GET /SHARD?COUNT. Each has what a real row has:
// a digest, and the id of an account.
import { DurableObject } from "cloudflare:workers";

export class Directory extends DurableObject {
  async fetch(request) {
    const count = Number(new URL(request.url).search.slice(1));
    const { sql } = this.ctx.storage;
    // As idp/src/edge/rows.js makes it; there already, when somebody of the shard has signed in.
    sql.exec("CREATE TABLE IF NOT EXISTS entry (kind TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, until INTEGER, PRIMARY KEY (kind, name))");
    for (let made = 0; made < count; made += 1) {
      const digest = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32)))).replaceAll("+", "-").replaceAll("/", "_").slice(0, 43);
      sql.exec("INSERT INTO entry (kind, name, json) VALUES ('identity', ?, ?)", digest, JSON.stringify(crypto.randomUUID()));
    }
    const [{ rows }] = sql.exec("SELECT count(*) AS rows FROM entry").toArray();
    return new Response(String(rows));
  }
}

export default {
  async fetch(request, { DIRECTORY }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response("");
    return DIRECTORY.get(DIRECTORY.idFromName(pathname.slice(1))).fetch(request);
  },
};
