// One object's rows, in its SQLite. `exec` is synchronous, so nothing comes between a read and the write that follows it.
export function open(state) {
  return state.storage.sql;
}

// Its alarm. Written together with what was written before it, or not at all; a failure fails the whole command.
export function wake(state, at) {
  state.storage.setAlarm(at);
}

export function prepare(sql) {
  // No index on `until`: it would have to be written with every row, at twice the cost of the row.
  sql.exec("CREATE TABLE IF NOT EXISTS entry (kind TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, until INTEGER, PRIMARY KEY (kind, name))");
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

// Looks at the rows after `from`, in the order in which they were made, and removes those that nobody misses: four times as
// many as are written in between, so that the table does not outgrow what is alive by more than a third (PL-21), and not
// so many that anybody waits. Answers where to go on. Where an instance begins is left to chance, for it may not live long.
export function sweep(sql, from, now) {
  const one = (query, ...values) => [...sql.exec(query, ...values).raw()][0];
  const after = from ?? one("SELECT abs(random()) % (ifnull(max(rowid), 0) + 1) FROM entry")[0];
  const [to, rows] = one("SELECT max(rowid), count(*) FROM (SELECT rowid FROM entry WHERE rowid > ? ORDER BY rowid LIMIT 64)", after);
  if (rows > 0) sql.exec("DELETE FROM entry WHERE rowid > ? AND rowid <= ? AND until < ?", after, to, now);
  // At the end, from the beginning: who went on would meet nothing but what is written meanwhile.
  return rows < 64 ? 0 : to;
}
