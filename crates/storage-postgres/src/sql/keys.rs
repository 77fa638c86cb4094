use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Text, Timestamptz};

use super::statement;

/// The position of the claim from 1, the fingerprint, the answer, and when it was kept.
pub(crate) type KeyRow = (i64, Vec<u8>, String, DateTime<Utc>);

statement! {
    /// Answers that were kept, old ones included: the time of the batch is not known yet when this is sent.
    LoadKeys<'a> { principals: Vec<&'a str> as Array<Text>, keys: Vec<&'a str> as Array<Text> }
    (BigInt, Binary, Text, Timestamptz)
    "SELECT u.at, i.fingerprint, i.answer, i.created_at \
     FROM unnest($1, $2) WITH ORDINALITY AS u (principal, key, at) \
     CROSS JOIN LATERAL ( \
         SELECT fingerprint, answer, created_at FROM idempotency_keys k \
         WHERE k.principal = u.principal COLLATE \"C\" AND k.key = u.key COLLATE \"C\" LIMIT 1) i"
}

statement! {
    /// Keeps answers, over those that are too old to count. One that still counts is left alone; then this fails, as not
    /// [all of them](crate::error::not_as_many) were kept.
    KeepAnswers<'a> {
        principals: Vec<&'a str> as Array<Text>,
        keys: Vec<&'a str> as Array<Text>,
        fingerprints: Vec<&'a [u8]> as Array<Binary>,
        answers: Vec<String> as Array<Text>,
        now: DateTime<Utc> as Timestamptz,
        expired: DateTime<Utc> as Timestamptz,
    }
    (Bool)
    "WITH kept AS ( \
         INSERT INTO idempotency_keys AS i (principal, key, fingerprint, answer, created_at) \
         SELECT u.*, $5 FROM unnest($1, $2, $3, $4) AS u \
         ON CONFLICT (principal, key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer, \
             created_at = excluded.created_at WHERE i.created_at <= $6 \
         RETURNING 1) \
     SELECT (count(*) = cardinality($1))::all_of_them FROM kept"
}

statement! {
    /// Removes old answers. A row that a batch is about to write over is left to it.
    ForgetKeys { expired: DateTime<Utc> as Timestamptz, limit: i32 as Integer }
    ()
    "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2 \
         FOR UPDATE SKIP LOCKED))"
}
