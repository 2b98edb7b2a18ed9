-- Where SESSION_MODE is postgres: one row a browser session. The gateway makes the table itself when it
-- is missing and it may. Whoever does not want that runs this file, and grants SELECT, INSERT, UPDATE and DELETE.
CREATE TABLE IF NOT EXISTS gatelatch_session (
  -- Random. It stands, sealed, in the browser's cookie.
  id uuid PRIMARY KEY,
  -- Drawn anew by every write: what was overtaken replaces nothing.
  version bigint NOT NULL,
  -- The session, sealed under SEALING_KEYS and bound to its id. The database never sees a token.
  sealed text NOT NULL,
  -- When it is over whatever happens, in seconds since 1970. Rows past it are removed at sign-ins, a hundred at most.
  until bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS gatelatch_session_until ON gatelatch_session (until);
