-- Sessions, where they are kept in the database. `hash` is SHA-256 of the id, in base64url: with it nobody can use the session.
-- `data` is JSON.
CREATE TABLE sessions (
    hash       TEXT    NOT NULL PRIMARY KEY,
    -- NULL: of somebody who has not logged in.
    owner      TEXT,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- When it was last used, to within a tenth of its lifetime.
    seen_at    INTEGER NOT NULL,
    -- Whoever reads it looks at this; the row may stay for longer.
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_by_owner ON sessions (owner, expires_at) WHERE owner IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
