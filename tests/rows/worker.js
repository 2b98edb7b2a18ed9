// An object that does nothing but keep rows, by the issuer's own statements (idp/src/edge/rows.js).
import { DurableObject } from "cloudflare:workers";
import { load, open, prepare, save, sweep } from "rows.js";

export class Rows extends DurableObject {
  // Writes `writes` rows, a second apart, each to be kept for `life` seconds, and sweeps as often as it is told to.
  async fetch(request) {
    const { writes, life, everySweep, instance, kept } = await request.json();
    const sql = open(this.ctx);
    prepare(sql);
    for (let name = 0; name < kept; name += 1) save(sql, "kept", String(name), "{}", undefined);
    let from;
    let most = 0;
    let lost = 0;
    for (let now = 1; now <= writes; now += 1) {
      save(sql, "row", String(now), "{}", now + life);
      // A new instance does not know where the one before it was.
      if (now % instance === 0) from = undefined;
      if (now % everySweep === 0) from = sweep(sql, from, now);
      const [[rows]] = sql.exec("SELECT count(*) FROM entry").raw();
      most = Math.max(most, rows);
      if (load(sql, "row", String(Math.max(1, now - life))) === undefined) lost += 1;
    }
    const [[keptStill]] = sql.exec("SELECT count(*) FROM entry WHERE kind = 'kept'").raw();
    return Response.json({ most, lost, keptStill });
  }
}

export default {
  fetch(request, { ROWS }) {
    const { pathname } = new URL(request.url);
    return pathname === "/" ? new Response("") : ROWS.getByName(pathname).fetch(request);
  },
};
