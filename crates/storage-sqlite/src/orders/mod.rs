//! Orders, and the stock that they take and return. The writing connection is the lock of all of it.

mod place;
mod read;
mod step;

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderQuery, Transition};
use cartwright_storage::{
    Fence, ListedOrders, OrderBatch, OrderPolicy, OrderRequest, OrderStep, OrderStore, Placed, Stepped,
    StorageError,
};
use chrono::{DateTime, Utc};
use diesel::{RunQueryDsl, sql_types::BigInt};

use crate::{SqliteStore, error::storage_error, rows::broken, statement::Statement};

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
        let (requests, policy) = (requests.to_vec(), policy.clone());
        self.fenced(owners, fence, move |connection, ahead| {
            place::place(connection, ahead, &requests, &policy)
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
