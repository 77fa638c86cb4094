-- Sessions, where they are kept in the database. `hash` is SHA-256 of the id, in base64url: with it nobody can use the session.
-- `data` is JSON, as text: not all of JSON is jsonb. Rows are rewritten when a session that is used has grown older by a tenth of
-- its lifetime, hence the room left in the pages.
CREATE TABLE sessions (
    hash       text COLLATE "C" PRIMARY KEY,
    -- NULL: of somebody who has not logged in.
    owner      text COLLATE "C",
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    -- When it was last used, to within that tenth.
    seen_at    timestamptz NOT NULL,
    -- Whoever reads it looks at this; the row may stay for longer.
    expires_at timestamptz NOT NULL,
    data       text        NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_by_owner ON sessions (owner, expires_at) WHERE owner IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
