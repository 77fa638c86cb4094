use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz};

use super::statement;

statement! {
    /// Writes what a transaction tells of.
    InsertEvents<'a> {
        count: i32 as Integer,
        types: i32 as Integer,
        at: DateTime<Utc> as Timestamptz,
        packed: &'a str as Text,
    }
    ()
    "INSERT INTO events (count, types, at, packed) VALUES ($1, $2, $3, $4)"
}

statement! {
    /// Makes sure that nobody else moves this progress until the transaction ends. No row: somebody does.
    LockProgress<'a> { name: &'a str as Text }
    (BigInt, Timestamptz)
    "SELECT number, greatest(at, 'epoch') FROM event_progress WHERE name = $1 FOR UPDATE SKIP LOCKED"
}

statement! {
    /// How far it is.
    LoadProgress<'a> { name: &'a str as Text }
    (BigInt)
    "SELECT number FROM event_progress WHERE name = $1"
}

statement! {
    /// Moves progress that is locked.
    MoveProgress<'a> { name: &'a str as Text, number: i64 as BigInt, at: DateTime<Utc> as Timestamptz }
    ()
    "UPDATE event_progress SET number = greatest(number, $2), at = greatest(at, $3) WHERE name = $1"
}

/// First number, how many, their types, when, and the events themselves if they are wanted.
pub(crate) type NumberedRow = (i64, i32, DateTime<Utc>, Option<String>);

statement! {
    /// Gives numbers, after the last one that was given, to committed events, in the order in which they were written. Those
    /// of the wanted types are returned.
    NumberEvents {
        last: i64 as BigInt,
        most: i64 as BigInt,
        now: DateTime<Utc> as Timestamptz,
        wanted: i32 as Integer,
    }
    (BigInt, Integer, Timestamptz, Nullable<Text>)
    "WITH next AS MATERIALIZED ( \
         SELECT id, upto - count AS before FROM ( \
             SELECT id, count, sum(count) OVER (ORDER BY id) AS upto FROM ( \
                 SELECT id, count FROM events WHERE first IS NULL ORDER BY id LIMIT 1000) AS waiting) AS counted \
         WHERE upto - count < $2) \
     UPDATE events e SET first = $1 + next.before + 1, numbered_at = $3 FROM next \
     WHERE e.id = next.id AND e.first IS NULL \
     RETURNING e.first, e.count, e.at, CASE WHEN e.types & $4 <> 0 THEN e.packed END"
}

/// The last number, those up to which events are removed, and of a row: first number, how many, when, and the events if
/// they are wanted.
pub(crate) type PageRow = (i64, i64, Option<i64>, Option<i32>, Option<DateTime<Utc>>, Option<String>);

statement! {
    /// Rows of events from that in which a number is, as of one moment: with how far numbers go. There is at least one row.
    LoadEvents { after: i64 as BigInt, wanted: i32 as Integer, rows: i64 as BigInt }
    (BigInt, BigInt, Nullable<BigInt>, Nullable<Integer>, Nullable<Timestamptz>, Nullable<Text>)
    "SELECT n.number, r.number, e.first, e.count, e.at, e.packed FROM event_progress n \
     CROSS JOIN event_progress r LEFT JOIN LATERAL ( \
         SELECT first, count, at, CASE WHEN types & $2 <> 0 THEN packed END AS packed FROM events \
         WHERE first >= coalesce( \
             (SELECT first FROM events WHERE first <= $1 + 1 ORDER BY first DESC LIMIT 1), 0) \
         ORDER BY first LIMIT $3) e ON true \
     WHERE n.name = 'numbered' AND r.name = 'removed' ORDER BY e.first"
}

statement! {
    /// The last number, how far events are published and removed, and since when the first that waits for its number has.
    CountEvents {}
    (BigInt, BigInt, BigInt, Nullable<Timestamptz>)
    "SELECT (SELECT number FROM event_progress WHERE name = 'numbered'), \
            (SELECT number FROM event_progress WHERE name = 'published'), \
            (SELECT number FROM event_progress WHERE name = 'removed'), \
            (SELECT at FROM events WHERE first IS NULL ORDER BY id LIMIT 1)"
}

statement! {
    /// Removes the oldest rows, and remembers up to where: whoever reads sees both or none. How many rows.
    CleanEvents { before: DateTime<Utc> as Timestamptz, rows: i64 as BigInt }
    (BigInt)
    "WITH gone AS ( \
         DELETE FROM events WHERE first = ANY (ARRAY( \
             SELECT first FROM (SELECT first, numbered_at FROM events WHERE first IS NOT NULL ORDER BY first LIMIT $2) AS oldest \
             WHERE numbered_at < $1)) \
         RETURNING first + count - 1 AS last), \
     moved AS ( \
         UPDATE event_progress SET number = greatest(number, (SELECT max(last) FROM gone)), at = $1 \
         WHERE name = 'removed' AND EXISTS (SELECT 1 FROM gone)) \
     SELECT count(*) FROM gone"
}

statement! {
    /// Targets that are told at present.
    ListenedTypes {}
    (BigInt, Integer)
    "SELECT id, types FROM webhook_targets WHERE enabled ORDER BY id"
}

/// A target, in the order of its columns.
pub(crate) type TargetRow = (
    (i64, String, i32, String, bool, Option<String>),
    (String, Option<String>, Option<DateTime<Utc>>, String, DateTime<Utc>, DateTime<Utc>),
    (Option<DateTime<Utc>>, Option<i64>, Option<i16>, Option<String>),
);

type Head = (BigInt, Text, Integer, Text, Bool, Nullable<Text>);
type Keys = (Text, Nullable<Text>, Nullable<Timestamptz>, Text, Timestamptz, Timestamptz);
type Last = (Nullable<Timestamptz>, Nullable<BigInt>, Nullable<SmallInt>, Nullable<Text>);

macro_rules! target_columns {
    () => {
        "id, url, types, description, enabled, disabled_because, secret, previous_secret, previous_until, older_secrets, \
         created_at, updated_at, last_at, last_event, last_status, last_error"
    };
}

statement! {
    /// Makes a target, unless there are as many as there may be.
    AddTarget<'a> {
        url: &'a str as Text,
        types: i32 as Integer,
        description: &'a str as Text,
        enabled: bool as Bool,
        secret: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
        most: i64 as BigInt,
    }
    (Head, Keys, Last)
    concat!("INSERT INTO webhook_targets (url, types, description, enabled, secret, created_at, updated_at) \
     SELECT $1, $2, $3, $4, $5, $6, $6 WHERE (SELECT count(*) FROM webhook_targets) < $7 RETURNING ", target_columns!())
}

statement! {
    /// One target, or all.
    LoadTargets { id: Option<i64> as Nullable<BigInt> }
    (Head, Keys, Last)
    concat!("SELECT ", target_columns!(), " FROM webhook_targets WHERE $1 IS NULL OR id = $1 ORDER BY id")
}

statement! {
    /// Changes what is not NULL.
    ChangeTarget<'a> {
        id: i64 as BigInt,
        url: Option<&'a str> as Nullable<Text>,
        types: Option<i32> as Nullable<Integer>,
        description: Option<&'a str> as Nullable<Text>,
        enabled: Option<bool> as Nullable<Bool>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Head, Keys, Last)
    concat!("UPDATE webhook_targets SET url = coalesce($2, url), types = coalesce($3, types), \
         description = coalesce($4, description), enabled = coalesce($5, enabled), \
         disabled_because = CASE WHEN $5 IS NULL THEN disabled_because END, updated_at = $6 \
     WHERE id = $1 RETURNING ", target_columns!())
}

statement! {
    /// Gives a target another secret in place of the present one, and keeps those before for a while.
    RotateSecret<'a> {
        id: i64 as BigInt,
        present: &'a str as Text,
        secret: &'a str as Text,
        previous: Option<&'a str> as Nullable<Text>,
        until: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        older: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
    }
    (Head, Keys, Last)
    concat!("UPDATE webhook_targets SET secret = $3, previous_secret = $4, previous_until = $5, older_secrets = $6, \
         updated_at = $7 \
     WHERE id = $1 AND secret = $2 RETURNING ", target_columns!())
}

statement! {
    /// Removes a target.
    RemoveTarget { id: i64 as BigInt }
    ()
    "DELETE FROM webhook_targets WHERE id = $1"
}

statement! {
    /// Remembers how a delivery went, unless that of a later time is remembered. A target that is gone is told no more, as
    /// long as it was not changed after that time.
    NoteDelivery<'a> {
        id: i64 as BigInt,
        at: DateTime<Utc> as Timestamptz,
        event: i64 as BigInt,
        status: Option<i16> as Nullable<SmallInt>,
        error: Option<&'a str> as Nullable<Text>,
        gone: Option<DateTime<Utc>> as Nullable<Timestamptz>,
    }
    ()
    "UPDATE webhook_targets SET last_at = $2, last_event = $3, last_status = $4, last_error = $5, \
         enabled = enabled AND updated_at IS DISTINCT FROM $6, \
         disabled_because = CASE WHEN updated_at = $6 THEN $5 ELSE disabled_because END \
     WHERE id = $1 AND (last_at IS NULL OR last_at <= $2 OR updated_at = $6)"
}
