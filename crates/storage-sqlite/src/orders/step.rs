//! Orders go on: one transaction.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::{Order, OrderId, ProductId};
use cartwright_storage::{OrderBatch, OrderStep, Stepped, StorageError, decide_steps};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use super::{
    place::{ENTER, MOVE_STOCK, offers},
    read::{self, LOAD_ORDERS},
};
use crate::{
    connection::Transaction,
    error::storage_error,
    events,
    rows::{broken, json},
    statement::{Bind, Statement},
    write::{exactly, put},
};

pub(crate) const LOAD_TAKEN: &str = "\
    SELECT l.source, l.product_id, -l.units \
    FROM json_each(?) AS wanted CROSS JOIN stock_ledger AS l ON l.source = wanted.value AND l.kind = 'sale'";

const RECORD: &str = "\
    INSERT INTO order_transitions (order_number, from_status, to_status, at, reason) \
    SELECT o.number, step.value ->> 1, step.value ->> 2, step.value ->> 3, step.value ->> 4 \
    FROM json_each(?) AS step CROSS JOIN orders AS o ON o.id = step.value ->> 0";

const SET_STATUS: &str = "\
    UPDATE orders SET status = step.value ->> 1, updated_at = step.value ->> 2 \
    FROM json_each(?) AS step WHERE orders.id = step.value ->> 0";

pub(super) fn step(
    connection: &mut SqliteConnection,
    steps: &[OrderStep],
    now: DateTime<Utc>,
) -> Result<OrderBatch<Stepped>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let ids: Vec<OrderId> = steps.iter().map(|step| step.id).collect();
    let orders = read::load(connection, LOAD_ORDERS, &json(&ids)?)?;
    let orders: HashMap<OrderId, Order> = orders.into_iter().map(|order| (order.id, order)).collect();
    let decided = decide_steps(steps, orders, now);
    if decided.taken.is_empty() {
        return Ok(OrderBatch { outcomes: decided.outcomes, turned: Vec::new() });
    }
    let at = now.timestamp_micros();
    let recorded: Vec<_> =
        decided.taken.iter().map(|step| (step.id, step.from, step.to, at, &step.reason)).collect();
    exactly(put(connection, RECORD, &recorded)?, recorded.len(), "steps were recorded")?;
    // Of several steps of an order, the last one stands.
    let last: BTreeMap<OrderId, _> =
        decided.taken.iter().map(|step| (step.id, (step.id, step.to, at))).collect();
    let last: Vec<_> = last.into_values().collect();
    exactly(put(connection, SET_STATUS, &last)?, last.len(), "orders went on")?;
    events::insert(connection, &decided.events(), now)?;

    let returning = json(&decided.returning)?;
    let taken = Statement::<(Text, Text, BigInt)>::new(LOAD_TAKEN, &[Bind::Text(&returning)])
        .load::<(String, String, i64)>(connection)
        .map_err(storage_error)?;
    let mut units: BTreeMap<ProductId, i64> = BTreeMap::new();
    for (_, product, returned) in &taken {
        let product = ProductId::new(product).map_err(|error| broken("a product", error))?;
        *units.entry(product).or_default() += returned;
    }
    let before = offers(connection, &units.keys().cloned().collect())?;
    let turned = before.into_iter().filter(|(_, product)| product.stock == 0).map(|(id, _)| id).collect();
    let moved: Vec<_> = units.into_iter().map(|(product, units)| (product, units, at)).collect();
    exactly(put(connection, MOVE_STOCK, &moved)?, moved.len(), "stocks were moved")?;
    let entered: Vec<_> =
        taken.iter().map(|(order, product, units)| (order, product, "return", units, at)).collect();
    exactly(put(connection, ENTER, &entered)?, entered.len(), "movements were entered")?;
    transaction.commit()?;
    Ok(OrderBatch { outcomes: decided.outcomes, turned })
}
