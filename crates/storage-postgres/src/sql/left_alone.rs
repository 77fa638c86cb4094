use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};

use super::statement;

statement! {
    /// How far a walk has come.
    LoadWalk<'a> { name: &'a str as Text }
    (Timestamptz, Text)
    "SELECT hour AT TIME ZONE 'UTC', owner FROM cart_walks WHERE name = $1"
}

statement! {
    /// Begins a walk, or waits for whoever walks; and how far it has come.
    LockWalk<'a> { name: &'a str as Text, hour: DateTime<Utc> as Timestamptz }
    (Timestamptz, Text)
    "INSERT INTO cart_walks AS w (name, hour, owner) VALUES ($1, $2 AT TIME ZONE 'UTC', '') \
     ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING w.hour AT TIME ZONE 'UTC', w.owner"
}

statement! {
    /// Goes on. Never back.
    MoveWalk<'a> { name: &'a str as Text, hour: DateTime<Utc> as Timestamptz, owner: &'a str as Text }
    ()
    "INSERT INTO cart_walks AS w (name, hour, owner) VALUES ($1, $2 AT TIME ZONE 'UTC', $3) \
     ON CONFLICT (name) DO UPDATE SET hour = excluded.hour, owner = excluded.owner \
     WHERE (w.hour, w.owner) < (excluded.hour, excluded.owner)"
}

/// Hour, owner, version, creation, change, quantities and lines.
pub(crate) type WalkedRow = (DateTime<Utc>, String, i64, DateTime<Utc>, DateTime<Utc>, String, String);

statement! {
    /// The next carts of a walk, up to an hour.
    WalkCarts<'a> {
        hour: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        owner: &'a str as Text,
        before: DateTime<Utc> as Timestamptz,
        limit: i64 as BigInt,
    }
    (Timestamptz, Text, BigInt, Timestamptz, Timestamptz, Text, Text)
    "SELECT touched AT TIME ZONE 'UTC', owner, version, created_at, updated_at, quantities, lines FROM carts \
     WHERE (touched, owner) > (coalesce($1, '-infinity') AT TIME ZONE 'UTC', $2 COLLATE \"C\") \
         AND touched < $3 AT TIME ZONE 'UTC' \
     ORDER BY touched, owner LIMIT $4"
}
