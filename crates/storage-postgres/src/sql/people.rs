use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as Key};
use uuid::Uuid;

use super::{orders::order_columns, statement};

statement! {
    /// Whether there is a cart.
    LookForCart<'a> { owner: &'a str as Text }
    (Bool)
    "SELECT EXISTS (SELECT FROM carts WHERE owner = $1)"
}

statement! {
    /// Somebody's holds, in the order in which holds are locked.
    HoldsOf<'a> { owner: &'a str as Text }
    (Key)
    "SELECT id FROM holds WHERE owner = $1 ORDER BY id"
}

statement! {
    /// Removes a cart.
    EraseCart<'a> { owner: &'a str as Text }
    ()
    "DELETE FROM carts WHERE owner = $1"
}

statement! {
    /// Walks that stand at somebody whose cart is gone stand at the one before: no cart of that hour is between the two.
    StepBack<'a> { owner: &'a str as Text }
    ()
    "UPDATE cart_walks w SET owner = coalesce( \
         (SELECT owner FROM carts c WHERE c.touched = w.hour AND c.owner < $1 ORDER BY c.touched DESC, c.owner DESC LIMIT 1), '') \
     WHERE w.owner = $1"
}

statement! {
    /// Removes somebody's sessions.
    EraseSessions<'a> { owner: &'a str as Text }
    ()
    "DELETE FROM sessions WHERE owner = $1"
}

statement! {
    /// Removes what was answered to somebody's idempotency keys.
    EraseKeys<'a> { owner: &'a str as Text }
    ()
    "DELETE FROM idempotency_keys WHERE principal = $1"
}

statement! {
    /// Removes somebody's holds that have ended: how many.
    EraseHolds<'a> { owner: &'a str as Text }
    (BigInt)
    "WITH gone AS (DELETE FROM holds WHERE owner = $1 AND (ended_at IS NULL) IS FALSE RETURNING id), \
     lines AS (DELETE FROM hold_lines WHERE hold_id = ANY (ARRAY(SELECT id FROM gone))) \
     SELECT count(*) FROM gone"
}

statement! {
    /// Gives somebody's orders to somebody else.
    AnonymizeOrders<'a> { owner: &'a str as Text, pseudonym: &'a str as Text }
    ()
    "UPDATE orders SET owner = $2 WHERE owner = $1"
}

statement! {
    /// Removes why somebody's orders took their steps.
    RemoveReasons<'a> { owner: &'a str as Text }
    ()
    "UPDATE order_transitions SET reason = NULL \
     WHERE order_id = ANY (ARRAY(SELECT id FROM orders WHERE owner = $1)) AND (reason IS NULL) IS FALSE"
}

statement! {
    /// Removes what was noted of somebody's orders.
    RemoveNotes<'a> { owner: &'a str as Text }
    ()
    "UPDATE order_progress SET note = '' WHERE order_id = ANY (ARRAY(SELECT id FROM orders WHERE owner = $1))"
}

statement! {
    /// Somebody's orders after one, so many.
    LoadOrdersOf<'a> { owner: &'a str as Text, after: Uuid as Key, limit: i64 as BigInt }
    (Key, Text, Text, Text, Nullable<BigInt>, Timestamptz, Timestamptz, Text)
    concat!("SELECT ", order_columns!(), " FROM orders o WHERE o.owner = $1 AND o.id > $2 ORDER BY o.id LIMIT $3")
}

statement! {
    /// The steps of orders after their first, those of each in their order.
    LoadStepsOf { ids: Vec<Uuid> as Array<Key> }
    (Key, Nullable<Text>, Text, Timestamptz, Nullable<Text>)
    "SELECT t.order_id, t.from_status, t.to_status, t.at, t.reason FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM order_transitions WHERE order_id = u.id LIMIT 100) t \
     ORDER BY t.order_id, t.from_status = 'processing', t.at"
}

statement! {
    /// What is noted of orders.
    LoadNotesOf { ids: Vec<Uuid> as Array<Key> }
    (Key, SmallInt, Text)
    "SELECT p.order_id, p.percent, p.note FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM order_progress WHERE order_id = u.id LIMIT 1) p"
}
