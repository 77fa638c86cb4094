use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};

use super::statement;

/// The position of the owner from 1, version, creation and change; and a line: product, name, price, currency,
/// quantity, when it was added. A cart without lines is one row without a line.
pub(crate) type CartRow = (
    i64,
    i64,
    DateTime<Utc>,
    DateTime<Utc>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i32>,
    Option<DateTime<Utc>>,
);

statement! {
    /// Carts with their lines, in one statement: it has one snapshot, so that a cart is never read with the version
    /// of one state and the lines of another, not even where no lock is held. Lines are left out where the caller has
    /// them: where version and time of change are the ones he knows.
    LoadCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        versions: Vec<i64> as Array<BigInt>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    (
        BigInt,
        BigInt,
        Timestamptz,
        Timestamptz,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<BigInt>,
        Nullable<Text>,
        Nullable<Integer>,
        Nullable<Timestamptz>,
    )
    "SELECT o.at, c.version, c.created_at, c.updated_at, \
            l.product_id, l.name, l.price_minor, l.currency, l.quantity, l.added_at \
     FROM unnest($1, $2, $3) WITH ORDINALITY AS o (owner, version, updated_at, at) \
     JOIN carts c ON c.owner = o.owner COLLATE \"C\" \
     LEFT JOIN cart_lines l ON l.owner = CASE WHEN c.version = o.version AND c.updated_at = o.updated_at \
                                              THEN NULL ELSE c.owner END"
}

statement! {
    /// Writes carts that had no row.
    InsertCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        versions: Vec<i64> as Array<BigInt>,
        created: Vec<DateTime<Utc>> as Array<Timestamptz>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    ()
    "INSERT INTO carts (owner, version, created_at, updated_at) SELECT * FROM unnest($1, $2, $3, $4)"
}

statement! {
    /// Writes carts that had a row, if they still are at the version at which they were read. They must be, under
    /// their lock; whoever counts the rows notices when they are not.
    UpdateCarts<'a> {
        owners: Vec<&'a str> as Array<Text>,
        before: Vec<i64> as Array<BigInt>,
        after: Vec<i64> as Array<BigInt>,
        updated: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    ()
    "UPDATE carts c SET version = u.after, updated_at = u.updated \
     FROM unnest($1, $2, $3, $4) AS u (owner, before, after, updated) \
     WHERE c.owner = u.owner COLLATE \"C\" AND c.version = u.before"
}

statement! {
    /// Writes the quantities of lines that are there.
    SetQuantities<'a> {
        owners: Vec<&'a str> as Array<Text>,
        products: Vec<&'a str> as Array<Text>,
        quantities: Vec<i32> as Array<Integer>,
    }
    ()
    "UPDATE cart_lines l SET quantity = u.quantity FROM unnest($1, $2, $3) AS u (owner, product, quantity) \
     WHERE l.owner = u.owner COLLATE \"C\" AND l.product_id = u.product COLLATE \"C\""
}

statement! {
    /// Writes lines that are new, or made anew.
    UpsertLines<'a> {
        owners: Vec<&'a str> as Array<Text>,
        products: Vec<&'a str> as Array<Text>,
        names: Vec<&'a str> as Array<Text>,
        prices: Vec<i64> as Array<BigInt>,
        currencies: Vec<&'a str> as Array<Text>,
        quantities: Vec<i32> as Array<Integer>,
        added: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    ()
    "INSERT INTO cart_lines (owner, product_id, name, price_minor, currency, quantity, added_at) \
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (owner, product_id) DO UPDATE SET name = excluded.name, price_minor = excluded.price_minor, \
         currency = excluded.currency, quantity = excluded.quantity, added_at = excluded.added_at"
}

statement! {
    /// Removes lines.
    DeleteLines<'a> { owners: Vec<&'a str> as Array<Text>, products: Vec<&'a str> as Array<Text> }
    ()
    "DELETE FROM cart_lines l USING unnest($1, $2) AS u (owner, product) \
     WHERE l.owner = u.owner COLLATE \"C\" AND l.product_id = u.product COLLATE \"C\""
}
