//! Orders, and the stock that they take and return. The writing connection is the lock of all of it.

mod place;
pub(crate) mod read;
mod step;

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderQuery, Transition};
use cartwright_storage::{
    Fence, ListedOrders, OrderBatch, OrderPolicy, OrderRequest, OrderStep, OrderStore, Placed, Progress,
    Stepped, StorageError,
};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    SqliteStore,
    error::storage_error,
    rows::broken,
    statement::{Bind, Statement},
};

pub(crate) use place::{ENTER, MOVE_STOCK, offers};
#[cfg(test)]
pub(crate) use {
    place::LOAD_OFFERS,
    read::{LOAD_OF_CARTS, LOAD_ORDERS, statement},
    step::LOAD_TAKEN,
};

/// How many products have another stock than the ledger says.
const COUNT_DRIFT: &str = "\
    SELECT count(*) FROM (SELECT product_id, sum(units) AS units FROM stock_ledger GROUP BY product_id) AS l \
    FULL JOIN products AS p ON p.id = l.product_id WHERE coalesce(p.stock, 0) <> coalesce(l.units, 0)";

/// Notes how far an order is that is being processed.
const NOTE_ORDER: &str = "\
    INSERT INTO order_progress (order_id, percent, note, at) \
    SELECT id, ?, ?, ? FROM orders WHERE id = ? AND status = 'processing' \
    ON CONFLICT (order_id) DO UPDATE SET percent = excluded.percent, note = excluded.note, at = excluded.at";

const LOAD_ORDER_NOTE: &str = "SELECT percent, note FROM order_progress WHERE order_id = ?";

/// What was noted last.
pub(crate) fn note(connection: &mut SqliteConnection, id: OrderId) -> Result<Option<Progress>, StorageError> {
    let id = id.to_string();
    let rows = Statement::<(BigInt, Text)>::new(LOAD_ORDER_NOTE, &[Bind::Text(&id)])
        .load::<(i64, String)>(connection)
        .map_err(storage_error)?;
    let percent = |percent: i64| u8::try_from(percent).map_err(|error| broken("a percentage", error));
    let row = rows.into_iter().next();
    row.map(|(value, note)| Ok(Progress { percent: percent(value)?, note })).transpose()
}

#[async_trait]
impl OrderStore for SqliteStore {
    async fn place_orders(
        &self,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
        fence: &dyn Fence,
    ) -> Result<OrderBatch<Placed>, StorageError> {
        if requests.is_empty() {
            return Ok(OrderBatch::default());
        }
        let owners = requests.iter().filter_map(OrderRequest::cart).cloned().collect();
        let (requests, policy, emission) = (requests.to_vec(), policy.clone(), self.emission);
        self.fenced(owners, fence, move |connection, ahead| {
            place::place(connection, ahead, &requests, &policy, emission)
        })
        .await
    }

    async fn step_orders(
        &self,
        steps: &[OrderStep],
        now: DateTime<Utc>,
    ) -> Result<OrderBatch<Stepped>, StorageError> {
        if steps.is_empty() {
            return Ok(OrderBatch::default());
        }
        let steps = steps.to_vec();
        self.write(move |connection| step::step(connection, &steps, now)).await
    }

    async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        self.readers.run(move |connection| read::orders(connection, &ids)).await
    }

    async fn order_transitions(&self, id: OrderId) -> Result<Vec<Transition>, StorageError> {
        self.readers.run(move |connection| read::transitions(connection, id)).await
    }

    async fn note_order(
        &self,
        id: OrderId,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let (id, note) = (id.to_string(), progress.kept());
        let noted = self.write(move |connection| {
            let (percent, now) = (note.percent.into(), now.timestamp_micros());
            let binds = [Bind::Int(percent), Bind::Text(&note.note), Bind::Int(now), Bind::Text(&id)];
            Statement::<()>::new(NOTE_ORDER, &binds).execute(connection).map_err(storage_error)
        });
        Ok(noted.await? == 1)
    }

    async fn order_note(&self, id: OrderId) -> Result<Option<Progress>, StorageError> {
        self.readers.run(move |connection| note(connection, id)).await
    }

    async fn list_orders(&self, query: &OrderQuery) -> Result<ListedOrders, StorageError> {
        let query = query.clone();
        self.readers.run(move |connection| read::list(connection, &query)).await
    }

    async fn stock_drift(&self) -> Result<u64, StorageError> {
        let count = |connection: &mut _| {
            Statement::<BigInt>::new(COUNT_DRIFT, &[]).get_result::<i64>(connection).map_err(storage_error)
        };
        u64::try_from(self.readers.run(count).await?).map_err(|error| broken("a count", error))
    }
}
