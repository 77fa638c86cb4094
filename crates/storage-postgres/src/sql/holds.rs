use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as Key};
use uuid::Uuid;

use super::{
    orders::{OrderColumns, order_columns},
    statement,
};

/// Id, owner, status, currency, the three times, what it became; and of the lines products, names, prices, quantities, and
/// whether their units have left it.
pub(crate) type HoldRow = (
    Uuid,
    String,
    String,
    String,
    DateTime<Utc>,
    DateTime<Utc>,
    DateTime<Utc>,
    Option<Uuid>,
    Vec<String>,
    Vec<String>,
    Vec<i64>,
    Vec<i32>,
    Vec<bool>,
);
pub(crate) type HoldColumns = (
    Key,
    Text,
    Text,
    Text,
    Timestamptz,
    Timestamptz,
    Timestamptz,
    Nullable<Key>,
    Array<Text>,
    Array<Text>,
    Array<BigInt>,
    Array<Integer>,
    Array<Bool>,
);

/// The columns of a [`HoldRow`], of a hold `h`.
macro_rules! hold_columns {
    () => {
        "h.id, h.owner, h.status, h.currency, h.created_at, h.expires_at, h.until, h.order_id, l.products, l.names, \
         l.prices, l.quantities, l.gone"
    };
}

/// The lines of a hold `h`, to be joined with it.
macro_rules! hold_lines {
    () => {
        " CROSS JOIN LATERAL ( \
             SELECT array_agg(product_id ORDER BY place) AS products, array_agg(name ORDER BY place) AS names, \
                 array_agg(price_minor ORDER BY place) AS prices, array_agg(quantity ORDER BY place) AS quantities, \
                 array_agg(expires_at IS NULL ORDER BY place) AS gone \
             FROM hold_lines WHERE hold_id = h.id) l "
    };
}

statement! {
    /// Holds by id, each with its position from 1.
    LoadHolds { ids: Vec<Uuid> as Array<Key> }
    (BigInt, HoldColumns)
    concat!("SELECT u.at, ", hold_columns!(), " FROM unnest($1) WITH ORDINALITY AS u (id, at) \
     CROSS JOIN LATERAL (SELECT * FROM holds WHERE id = u.id LIMIT 1) h", hold_lines!())
}

statement! {
    /// The orders that holds became, each with the position of its hold from 1.
    LoadOrdersOfHolds { ids: Vec<Uuid> as Array<Key> }
    (BigInt, OrderColumns)
    concat!("SELECT u.at, ", order_columns!(), " FROM unnest($1) WITH ORDINALITY AS u (id, at) \
     CROSS JOIN LATERAL (SELECT order_id FROM holds WHERE id = u.id LIMIT 1) h \
     CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = h.order_id LIMIT 1) o")
}

statement! {
    /// Waits for holds, one after the other, in the order of the array.
    LockHolds { ids: Vec<Uuid> as Array<Key> }
    ()
    "SELECT h.id FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT id FROM holds WHERE id = u.id LIMIT 1 FOR NO KEY UPDATE) h"
}

statement! {
    /// Waits for the products of holds, one after the other, in the order of their ids. The products of a hold are always the
    /// same ones.
    LockProductsOfHolds { ids: Vec<Uuid> as Array<Key> }
    (Text, Text, BigInt, Text, Bool, Integer)
    "WITH named AS MATERIALIZED ( \
         SELECT DISTINCT product_id FROM hold_lines WHERE hold_id = ANY ($1) ORDER BY 1) \
     SELECT p.id, p.name, p.price_minor, p.currency, p.active, p.stock FROM named n \
     CROSS JOIN LATERAL (SELECT * FROM products WHERE id = n.product_id LIMIT 1 FOR NO KEY UPDATE) p"
}

statement! {
    /// Waits for whoever else makes holds of the same owners, in the order of the array.
    LockHolders { class: i32 as Integer, keys: Vec<i32> as Array<Integer> }
    ()
    "SELECT pg_advisory_xact_lock($1, k.key) FROM unnest($2) AS k (key)"
}

statement! {
    /// How many holds owners have that have neither ended nor expired.
    CountHolds<'a> { owners: Vec<&'a str> as Array<Text>, now: DateTime<Utc> as Timestamptz }
    (Text, BigInt)
    "SELECT u.owner, h.kept FROM unnest($1) AS u (owner) \
     CROSS JOIN LATERAL ( \
         SELECT count(*) AS kept FROM holds \
         WHERE owner = u.owner COLLATE \"C\" AND expires_at > $2 AND ended_at IS NULL) h"
}

statement! {
    /// Writes holds.
    InsertHolds<'a> {
        ids: Vec<Uuid> as Array<Key>,
        owners: Vec<&'a str> as Array<Text>,
        currencies: Vec<&'a str> as Array<Text>,
        expiries: Vec<DateTime<Utc>> as Array<Timestamptz>,
        ends: Vec<DateTime<Utc>> as Array<Timestamptz>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "INSERT INTO holds (id, owner, status, currency, created_at, expires_at, until) \
     SELECT u.id, u.owner, 'active', u.currency, $6, u.expires_at, u.until \
     FROM unnest($1, $2, $3, $4, $5) AS u (id, owner, currency, expires_at, until)"
}

statement! {
    /// Writes the lines of holds, and enters in the ledger what they take.
    InsertHoldLines<'a> {
        holds: Vec<Uuid> as Array<Key>,
        products: Vec<&'a str> as Array<Text>,
        names: Vec<&'a str> as Array<Text>,
        prices: Vec<i64> as Array<BigInt>,
        quantities: Vec<i32> as Array<Integer>,
        places: Vec<i32> as Array<Integer>,
        expiries: Vec<DateTime<Utc>> as Array<Timestamptz>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "WITH u AS MATERIALIZED ( \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) \
             AS u (hold_id, product_id, name, price, quantity, place, expires_at)), \
     entered AS ( \
         INSERT INTO stock_ledger (source, product_id, kind, units, at) \
         SELECT hold_id, product_id, 'hold', -quantity, $8 FROM u) \
     INSERT INTO hold_lines (hold_id, product_id, name, price_minor, quantity, place, source, expires_at) \
     SELECT hold_id, product_id, name, price, quantity, place, hold_id, expires_at FROM u"
}

statement! {
    /// Keeps a hold for longer.
    ExtendHold { id: Uuid as Key, expires_at: DateTime<Utc> as Timestamptz }
    ()
    "UPDATE holds SET status = 'active', expires_at = $2, ended_at = NULL, warned = false WHERE id = $1"
}

statement! {
    /// The same for those of its lines whose units have not left it.
    ExtendHoldLines { id: Uuid as Key, expires_at: DateTime<Utc> as Timestamptz }
    ()
    "UPDATE hold_lines SET expires_at = $2 WHERE hold_id = $1 AND (expires_at IS NULL) IS FALSE"
}

statement! {
    /// Lines whose units have left a hold take them again, under another source: enters that.
    RetakeHoldLines<'a> {
        id: Uuid as Key,
        products: Vec<&'a str> as Array<Text>,
        source: Uuid as Key,
        expires_at: DateTime<Utc> as Timestamptz,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "WITH again AS ( \
         UPDATE hold_lines l SET source = $3, expires_at = $4 FROM unnest($2) AS u (product_id) \
         WHERE l.hold_id = $1 AND l.product_id = u.product_id COLLATE \"C\" AND l.expires_at IS NULL \
         RETURNING l.product_id, l.quantity) \
     INSERT INTO stock_ledger (source, product_id, kind, units, at) \
     SELECT $3, product_id, 'hold', -quantity, $5 FROM again"
}

statement! {
    /// Ends holds, as long as nobody else has. Said by their end: whoever says `active` may be given all that are, by an index
    /// of those.
    EndHolds<'a> {
        ids: Vec<Uuid> as Array<Key>,
        status: &'a str as Text,
        orders: Vec<Uuid> as Array<Key>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "UPDATE holds SET status = $2, order_id = ($3)[array_position($1, id)], ended_at = $4 \
     WHERE id = ANY ($1) AND ended_at IS NULL"
}

statement! {
    /// All units leave holds that are locked: enters that. Said so that no index of all lines that are held is thought of.
    EmptyHolds { ids: Vec<Uuid> as Array<Key>, now: DateTime<Utc> as Timestamptz }
    ()
    "WITH gone AS ( \
         UPDATE hold_lines SET expires_at = NULL WHERE hold_id = ANY ($1) AND (expires_at IS NULL) IS FALSE \
         RETURNING source, product_id, quantity) \
     INSERT INTO stock_ledger (source, product_id, kind, units, at) \
     SELECT source, product_id, 'release', quantity, $2 FROM gone"
}

statement! {
    /// One of the products that are in a hold which has expired, or of which there is more than was read: as of one moment, so
    /// that what comes back meanwhile is in the one or in the other.
    LookExpired<'a> {
        products: Vec<&'a str> as Array<Text>,
        stocks: Vec<i32> as Array<Integer>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Text)
    "SELECT u.id FROM unnest($1, $2) AS u (id, stock) \
     LEFT JOIN LATERAL ( \
         SELECT true AS expired FROM hold_lines \
         WHERE product_id = u.id COLLATE \"C\" AND expires_at <= $3 LIMIT 1) l ON true \
     LEFT JOIN LATERAL (SELECT stock FROM products WHERE id = u.id COLLATE \"C\" LIMIT 1) p ON true \
     WHERE l.expired OR p.stock > u.stock LIMIT 1"
}

statement! {
    /// Locks holds that have expired and have enough of what is lacking: each line has a unit at least. One that somebody
    /// else has locked is being renewed or claimed at this moment: it is passed over, and the next one looked at.
    LockExpired<'a> {
        products: Vec<&'a str> as Array<Text>,
        lacking: Vec<i32> as Array<Integer>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Key)
    "WITH locked AS MATERIALIZED ( \
         SELECT e.id FROM unnest($1, $2) AS u (id, lacking) \
         CROSS JOIN LATERAL ( \
             SELECT h.id FROM hold_lines l CROSS JOIN LATERAL ( \
                 SELECT id FROM holds WHERE id = l.hold_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) h \
             WHERE l.product_id = u.id COLLATE \"C\" AND l.expires_at <= $3 \
             ORDER BY l.expires_at LIMIT u.lacking) e) \
     SELECT DISTINCT id FROM locked"
}

statement! {
    /// Units of products leave holds that are locked and have expired: enters that, and says how many. Of those that have
    /// expired there may be many more: they are not to be looked through, hence the `coalesce`, which no index has.
    EmptyExpired<'a> {
        holds: Vec<Uuid> as Array<Key>,
        products: Vec<&'a str> as Array<Text>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Text, BigInt)
    "WITH gone AS ( \
         UPDATE hold_lines SET expires_at = NULL \
         WHERE hold_id = ANY ($1) AND product_id = ANY ($2) AND coalesce(expires_at <= $3, false) \
         RETURNING source, product_id, quantity), \
     entered AS ( \
         INSERT INTO stock_ledger (source, product_id, kind, units, at) \
         SELECT source, product_id, 'release', quantity, $3 FROM gone) \
     SELECT product_id, sum(quantity) FROM gone GROUP BY product_id"
}

statement! {
    /// Holds that have expired and are not cleaned up, those that expired first.
    PickExpired { now: DateTime<Utc> as Timestamptz, limit: i64 as BigInt }
    (Key)
    "SELECT id FROM holds WHERE status = 'active' AND expires_at <= $1 ORDER BY expires_at LIMIT $2"
}

statement! {
    /// Holds that are about to expire, each once; with positions that mean nothing.
    WarnOfHolds {
        now: DateTime<Utc> as Timestamptz,
        by: DateTime<Utc> as Timestamptz,
        limit: i64 as BigInt,
    }
    (BigInt, HoldColumns)
    concat!("WITH warned AS ( \
         UPDATE holds SET warned = true WHERE ctid = ANY (ARRAY( \
             SELECT ctid FROM holds WHERE status = 'active' AND NOT warned AND expires_at > $1 AND expires_at <= $2 \
             ORDER BY expires_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)) \
         RETURNING *) \
     SELECT 0::bigint, ", hold_columns!(), " FROM warned h", hold_lines!(), "ORDER BY h.expires_at, h.id")
}

statement! {
    /// Removes holds that ended long ago.
    ForgetHolds { before: DateTime<Utc> as Timestamptz, limit: i64 as BigInt }
    (BigInt)
    "WITH old AS ( \
         DELETE FROM holds WHERE ctid = ANY (ARRAY( \
             SELECT ctid FROM holds WHERE status <> 'active' AND ended_at < $1 ORDER BY ended_at LIMIT $2 \
             FOR UPDATE SKIP LOCKED)) \
         RETURNING id), \
     lines AS (DELETE FROM hold_lines WHERE hold_id = ANY (ARRAY(SELECT id FROM old))) \
     SELECT count(*) FROM old"
}
