// The same with the session in a Durable Object, asked on every request. `GET /login` makes one.
import { DurableObject } from "cloudflare:workers";

export class Session extends DurableObject {
  async fetch(request) {
    const { sql } = this.ctx.storage;
    if (request.method === "PUT") {
      sql.exec("CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY, json TEXT NOT NULL)");
      sql.exec("INSERT OR REPLACE INTO session VALUES (1, ?)", await request.text());
      return new Response("");
    }
    const [row] = sql.exec("SELECT json FROM session WHERE id = 1").toArray();
    return new Response(row.json);
  }
}

const name = "__Host-session";

export default {
  async fetch(request, { ORIGIN, SESSION }) {
    const { pathname, search } = new URL(request.url);
    const object = (id) => SESSION.get(SESSION.idFromName(id));
    if (pathname === "/login") {
      const id = crypto.randomUUID();
      await object(id).fetch("https://object/", { method: "PUT", body: decodeURIComponent(search.slice(1)) });
      return new Response("", { headers: { "set-cookie": `${name}=${id}; Path=/; Secure; HttpOnly` } });
    }

    const cookies = request.headers.get("cookie") ?? "";
    const id = cookies.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
    if (!id) return new Response("sign in", { status: 401 });
    const session = await (await object(id).fetch("https://object/")).json();
    const headers = new Headers(request.headers);
    headers.delete("cookie");
    headers.set("authorization", `Bearer ${session.access_token}`);
    return fetch(new Request(ORIGIN + pathname + search, new Request(request, { headers })));
  },
};
