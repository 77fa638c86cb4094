-- What users keep about themselves. `data` is JSON.
CREATE TABLE profiles (
    owner      TEXT    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
) STRICT;
