-- What users keep about themselves. `data` is JSON, as text: not all of JSON is jsonb.
CREATE TABLE profiles (
    owner      text COLLATE "C" PRIMARY KEY,
    version    bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    data       text        NOT NULL
);
