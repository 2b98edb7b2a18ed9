// One object's rows, in its SQLite. `exec` is synchronous, so nothing comes between a read and the write that follows it.
export function open(state) {
  return state.storage.sql;
}

// Its alarm. Written together with what was written before it, or not at all; a failure fails the whole command.
export function wake(state, at) {
  state.storage.setAlarm(at);
}

export function prepare(sql) {
  sql.exec(`
    CREATE TABLE IF NOT EXISTS entry (kind TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, until INTEGER, PRIMARY KEY (kind, name));
    CREATE INDEX IF NOT EXISTS entry_until ON entry (until) WHERE until IS NOT NULL`);
}

export function load(sql, kind, name) {
  for (const [json] of sql.exec("SELECT json FROM entry WHERE kind = ? AND name = ?", kind, name).raw()) return json;
}

// Names and rows in turn.
export function all(sql, kind, now) {
  return [...sql.exec("SELECT name, json FROM entry WHERE kind = ? AND (until IS NULL OR until >= ?)", kind, now).raw()].flat();
}

export function remove(sql, kind, name) {
  sql.exec("DELETE FROM entry WHERE kind = ? AND name = ?", kind, name);
}

export function save(sql, kind, name, json, until) {
  sql.exec(`
    INSERT INTO entry (kind, name, json, until) VALUES (?, ?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET json = excluded.json, until = excluded.until`, kind, name, json, until ?? null);
}

// Removes rows that nobody misses: more of them than are written in between, so that the table stays as large as what is
// alive (PL-21), and not so many that anybody waits.
export function sweep(sql, now) {
  sql.exec("DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE until < ? ORDER BY until LIMIT 64)", now);
}
