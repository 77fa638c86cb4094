use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Text, Timestamptz};

use super::statement;

statement! {
    /// Kept results. Written like this, their expiry is compared, and never looked up: with a plan that was made while
    /// the table was empty, its index would be read from one end to the other.
    LoadCached<'a> { keys: &'a [&'a str] as Array<Text>, now: DateTime<Utc> as Timestamptz }
    (Text, Binary, Timestamptz)
    "SELECT key, value, expires_at FROM query_cache WHERE key = ANY ($1) AND (expires_at > $2) IS TRUE"
}

statement! {
    /// Keeps results.
    KeepCached<'a> {
        keys: Vec<&'a str> as Array<Text>,
        values: Vec<&'a [u8]> as Array<Binary>,
        expire_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    ()
    "INSERT INTO query_cache SELECT * FROM unnest($1, $2, $3) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
}

statement! {
    /// Removes results.
    RemoveCached<'a> { keys: &'a [&'a str] as Array<Text> }
    ()
    "DELETE FROM query_cache WHERE key = ANY ($1)"
}

statement! {
    /// Removes results that have expired. A row that somebody is about to write over is left to him.
    CleanCached { now: DateTime<Utc> as Timestamptz, limit: i32 as Integer }
    ()
    "DELETE FROM query_cache WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM query_cache WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
}

statement! {
    /// Generations, each with its position from 1.
    LoadGenerations<'a> { tags: &'a [&'a str] as Array<Text> }
    (BigInt, BigInt)
    "SELECT u.at, g.generation FROM unnest($1) WITH ORDINALITY AS u (tag, at) \
     CROSS JOIN LATERAL (SELECT generation FROM generations WHERE tag = u.tag COLLATE \"C\" LIMIT 1) g"
}

statement! {
    /// Gives tags a generation that have none. A UUID is where the server has good random numbers.
    MakeGenerations<'a> { tags: Vec<&'a str> as Array<Text> }
    ()
    "INSERT INTO generations SELECT u.tag, hashtextextended(gen_random_uuid()::text, 0) FROM unnest($1) AS u (tag) \
     ON CONFLICT (tag) DO NOTHING"
}

statement! {
    /// Gives tags another generation.
    BumpGenerations<'a> { tags: Vec<&'a str> as Array<Text> }
    ()
    "INSERT INTO generations SELECT u.tag, hashtextextended(gen_random_uuid()::text, 0) FROM unnest($1) AS u (tag) \
     ON CONFLICT (tag) DO UPDATE SET generation = excluded.generation"
}
