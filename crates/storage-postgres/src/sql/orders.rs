use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as Key};
use uuid::Uuid;

use super::{
    jobs::{JobRows, new_jobs},
    statement,
};

/// Id, name, price, currency, whether it can be bought, stock.
pub(crate) type OfferRow = (String, String, i64, String, bool, i32);

/// Id, owner, status, currency, version of the cart, the two times, and the lines.
pub(crate) type OrderRow = (Uuid, String, String, String, Option<i64>, DateTime<Utc>, DateTime<Utc>, String);
pub(crate) type OrderColumns = (Key, Text, Text, Text, Nullable<BigInt>, Timestamptz, Timestamptz, Text);

/// Each line of orders `o`, to be joined with them. Its name may be another: the server can read no NUL, not even to pass it
/// over. (What looks like one behind a backslash is none, and becomes something else that is none either.)
macro_rules! each_line {
    () => {
        r"CROSS JOIN json_array_elements(replace(o.lines, '\u0000', '\u0001')::json) AS l (line) "
    };
}
pub(crate) use each_line;

/// Its product. Taken as it stands in the text, for ids have nothing to decode.
macro_rules! product_of_line {
    () => {
        "trim('\"' FROM (l.line -> 0)::text)"
    };
}
pub(crate) use product_of_line;

/// The columns of an [`OrderRow`], of an order `o`.
macro_rules! order_columns {
    () => {
        "o.id, o.owner, o.status, o.currency, o.cart_version, o.created_at, o.updated_at, o.lines"
    };
}
pub(crate) use order_columns;

statement! {
    /// Products that are about to be bought, which stay as they are until the transaction ends. They are locked one after
    /// the other, in the order of the array.
    LockOffers<'a> { ids: Vec<&'a str> as Array<Text> }
    (Text, Text, BigInt, Text, Bool, Integer)
    "SELECT p.id, p.name, p.price_minor, p.currency, p.active, p.stock \
     FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM products WHERE id = u.id COLLATE \"C\" LIMIT 1 FOR NO KEY UPDATE) p"
}

statement! {
    /// The same, as they are.
    LoadOffers<'a> { ids: Vec<&'a str> as Array<Text> }
    (Text, Text, BigInt, Text, Bool, Integer)
    "SELECT p.id, p.name, p.price_minor, p.currency, p.active, p.stock \
     FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM products WHERE id = u.id COLLATE \"C\" LIMIT 1) p"
}

/// Moves the stock of products `p` by `u.units`, at a time. Shoppers see when there is none any more, or some again: that is
/// another version of the product.
macro_rules! move_stock {
    ($now:literal) => {
        concat!(
            "UPDATE products p SET stock = p.stock + u.units, moves = p.moves + 1, \
                 version = p.version + (p.stock = 0 OR p.stock + u.units = 0)::integer, \
                 updated_at = CASE WHEN p.stock = 0 OR p.stock + u.units = 0 THEN ",
            $now,
            " ELSE p.updated_at END "
        )
    };
}

statement! {
    /// Gives stock back.
    MoveStock<'a> {
        ids: Vec<&'a str> as Array<Text>,
        units: Vec<i32> as Array<Integer>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    concat!(move_stock!("$3"), "FROM unnest($1, $2) AS u (id, units) WHERE p.id = u.id COLLATE \"C\"")
}

statement! {
    /// Sells: writes orders, enters in the ledger what they take, makes their jobs, tells of it all, leaves them to be
    /// counted, and takes the stock (negative units) of products that are still sold like this and of which there is enough.
    /// If those are not [all of them](crate::error::not_as_many), it fails, and nothing is done.
    ///
    /// The stock that is left of each product; before it, how much was written. That is asked for so that it is written first:
    /// many want the rows of the products, which are locked for as short as can be.
    Sell<'a> {
        ..jobs: JobRows<'a>,
        now: DateTime<Utc> as Timestamptz,
        ids: Vec<Uuid> as Array<Key>,
        owners: Vec<&'a str> as Array<Text>,
        currencies: Vec<&'a str> as Array<Text>,
        totals: Vec<i64> as Array<BigInt>,
        cart_versions: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        lines: Vec<String> as Array<Text>,
        sources: Vec<Uuid> as Array<Key>,
        products: Vec<&'a str> as Array<Text>,
        sold: Vec<i32> as Array<Integer>,
        taken: Vec<&'a str> as Array<Text>,
        units: Vec<i32> as Array<Integer>,
        offered_names: Vec<&'a str> as Array<Text>,
        offered_prices: Vec<i64> as Array<BigInt>,
        offered_currencies: Vec<&'a str> as Array<Text>,
        low: i32 as Integer,
        low_type: i32 as Integer,
        event_count: i32 as Integer,
        event_types: i32 as Integer,
        packed: &'a str as Text,
    }
    (BigInt, BigInt, BigInt, Nullable<Array<Integer>>, Bool)
    concat!("WITH ", new_jobs!(), ", \
     made AS ( \
         INSERT INTO orders (id, owner, status, currency, total_minor, cart_version, created_at, updated_at, lines) \
         SELECT u.id, u.owner, 'pending', u.currency, u.total, u.cart_version, $10, $10, u.lines \
         FROM unnest($11, $12, $13, $14, $15, $16) AS u (id, owner, currency, total, cart_version, lines) RETURNING 1), \
     entered AS ( \
         INSERT INTO stock_ledger (source, product_id, kind, units, at) \
         SELECT u.source, u.product_id, 'sale', -u.units, $10 \
         FROM unnest($17, $18, $19) AS u (source, product_id, units) RETURNING 1), \
     counted_later AS (INSERT INTO orders_to_count (orders) VALUES ($11)), \
     moved AS (", move_stock!("$10"), "\
         FROM unnest($20, $21, $22, $23, $24) WITH ORDINALITY AS u (id, units, name, price, currency, at) \
         WHERE p.id = u.id COLLATE \"C\" AND p.active AND p.name = u.name AND p.price_minor = u.price \
             AND p.currency = u.currency COLLATE \"C\" AND p.stock + u.units >= 0 \
         RETURNING u.at, p.stock, p.id, u.units), \
     told AS ( \
         INSERT INTO events (count, types, at, packed) \
         SELECT $27, $28, $10, $29 WHERE $27 > 0 \
         UNION ALL \
         SELECT count(*), $26, $10, '[' || string_agg( \
             '{\"type\":\"stock.low\",\"subject\":\"' || id || '\",\"owner\":null,\"data\":{\"stock\":' || stock || \
             ',\"threshold\":' || $25 || '}}', ',' ORDER BY at) || ']' \
         FROM moved WHERE stock < $25 AND stock - units >= $25 HAVING count(*) > 0) \
     SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM entered), \
         (SELECT count(*) FROM queued), (SELECT array_agg(stock ORDER BY at) FROM moved), \
         (SELECT (count(*) = cardinality($20))::all_of_them FROM moved)")
}

statement! {
    /// Orders of versions of carts, each with its position from 1.
    LoadOrdersOfCarts<'a> { owners: Vec<&'a str> as Array<Text>, versions: Vec<i64> as Array<BigInt> }
    (BigInt, OrderColumns)
    concat!("SELECT u.at, ", order_columns!(), " FROM unnest($1, $2) WITH ORDINALITY AS u (owner, version, at) \
     CROSS JOIN LATERAL ( \
         SELECT * FROM orders WHERE owner = u.owner COLLATE \"C\" AND cart_version = u.version LIMIT 1) o")
}

statement! {
    /// Orders by id, each with its position from 1.
    LoadOrders { ids: Vec<Uuid> as Array<Key> }
    (BigInt, OrderColumns)
    concat!("SELECT u.at, ", order_columns!(), " FROM unnest($1) WITH ORDINALITY AS u (id, at) \
     CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = u.id LIMIT 1) o")
}

statement! {
    /// Waits for orders, one after the other, in the order of the array.
    LockOrders { ids: Vec<Uuid> as Array<Key> }
    ()
    "SELECT o.id FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT id FROM orders WHERE id = u.id LIMIT 1 FOR NO KEY UPDATE) o"
}

statement! {
    /// Takes orders that are locked to other statuses, and records it.
    StepOrders<'a> {
        ids: Vec<Uuid> as Array<Key>,
        before: Vec<&'a str> as Array<Text>,
        after: Vec<&'a str> as Array<Text>,
        reasons: Vec<Option<&'a str>> as Array<Nullable<Text>>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "WITH u AS MATERIALIZED ( \
         SELECT * FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS u (id, before, after, reason, at)), \
     last AS (SELECT DISTINCT ON (id) id, after FROM u ORDER BY id, at DESC), \
     recorded AS ( \
         INSERT INTO order_transitions (order_id, from_status, to_status, at, reason) \
         SELECT id, before, after, $5, reason FROM u) \
     UPDATE orders o SET status = last.after, updated_at = $5 FROM last WHERE o.id = last.id"
}

statement! {
    /// Enters what comes back from orders.
    ReturnStock<'a> {
        orders: Vec<Uuid> as Array<Key>,
        products: Vec<&'a str> as Array<Text>,
        units: Vec<i32> as Array<Integer>,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "INSERT INTO stock_ledger (source, product_id, kind, units, at) \
     SELECT u.order_id, u.product_id, 'return', u.units, $4 FROM unnest($1, $2, $3) AS u (order_id, product_id, units)"
}

statement! {
    /// What lines of orders took from stock or from holds: order, product, units. Those that took nothing say so.
    LoadTaken { orders: Vec<Uuid> as Array<Key> }
    (Key, Text, Integer)
    concat!("SELECT o.id, ", product_of_line!(), ", (l.line -> 3)::text::integer FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = u.id LIMIT 1) o ", each_line!(), "\
     WHERE json_array_length(l.line) = 4")
}

statement! {
    /// The first step of an order and those after it: from, to, when, why. By where they lead, and not by their times: who
    /// waits for an order has looked at the clock before.
    LoadTransitions { id: Uuid as Key }
    (Nullable<Text>, Text, Timestamptz, Nullable<Text>)
    "SELECT NULL, 'pending', created_at, NULL FROM orders WHERE id = $1 \
     UNION ALL \
     (SELECT from_status, to_status, at, reason FROM order_transitions WHERE order_id = $1 ORDER BY from_status = 'processing', at)"
}

statement! {
    /// Notes how far an order is that is being processed.
    NoteOrder<'a> {
        id: Uuid as Key,
        percent: i16 as SmallInt,
        note: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "INSERT INTO order_progress (order_id, percent, note, at) \
     SELECT id, $2, $3, $4 FROM orders WHERE id = $1 AND status = 'processing' \
     ON CONFLICT (order_id) DO UPDATE SET percent = excluded.percent, note = excluded.note, at = excluded.at"
}

statement! {
    /// What was noted last.
    LoadOrderNote { id: Uuid as Key }
    (SmallInt, Text)
    "SELECT percent, note FROM order_progress WHERE order_id = $1"
}

statement! {
    /// How many products have another stock than the ledger says.
    CountDrift {}
    (BigInt)
    "SELECT count(*) FROM (SELECT product_id, sum(units) AS units FROM stock_ledger GROUP BY product_id) l \
     FULL JOIN products p ON p.id = l.product_id \
     WHERE coalesce(p.stock, 0) <> coalesce(l.units, 0)"
}
