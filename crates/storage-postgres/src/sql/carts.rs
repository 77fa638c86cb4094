use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};

use super::statement;

/// The position of the owner from 1, version, creation and change; and quantities and lines where they are not known.
pub(crate) type CartRow = (i64, i64, DateTime<Utc>, DateTime<Utc>, Option<String>, Option<String>);

statement! {
    /// Carts. Lines are left out where the caller has them: where version and time of change are the ones he knows.
    LoadCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        versions: Vec<i64> as Array<BigInt>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    (BigInt, BigInt, Timestamptz, Timestamptz, Nullable<Text>, Nullable<Text>)
    "SELECT o.at, c.version, c.created_at, c.updated_at, \
            CASE WHEN known THEN NULL ELSE c.quantities END, CASE WHEN known THEN NULL ELSE c.lines END \
     FROM unnest($1, $2, $3) WITH ORDINALITY AS o (owner, version, updated_at, at) \
     CROSS JOIN LATERAL (SELECT * FROM carts WHERE owner = o.owner COLLATE \"C\" LIMIT 1) c \
     CROSS JOIN LATERAL (SELECT c.version = o.version AND c.updated_at = o.updated_at AS known) k"
}

statement! {
    /// Writes carts that had no row.
    InsertCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        versions: Vec<i64> as Array<BigInt>,
        created: Vec<DateTime<Utc>> as Array<Timestamptz>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
        quantities: Vec<String> as Array<Text>,
        lines: Vec<String> as Array<Text>,
    }
    ()
    "INSERT INTO carts (owner, version, created_at, updated_at, quantities, lines) \
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6)"
}

statement! {
    /// Writes carts that had a row, if they still are at the version at which they were read. They must be, under
    /// their lock; whoever counts the rows notices when they are not. No lines: those that are there stay.
    UpdateCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        before: Vec<i64> as Array<BigInt>,
        after: Vec<i64> as Array<BigInt>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
        quantities: Vec<String> as Array<Text>,
        lines: Vec<Option<String>> as Array<Nullable<Text>>,
    }
    ()
    "UPDATE carts c SET version = u.after, updated_at = u.updated, quantities = u.quantities, \
         lines = coalesce(u.lines, c.lines) \
     FROM unnest($1, $2, $3, $4, $5, $6) AS u (owner, before, after, updated, quantities, lines) \
     WHERE c.owner = u.owner COLLATE \"C\" AND c.version = u.before"
}
