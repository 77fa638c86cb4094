//! Orders, and the stock that they take and return.

mod audit;
mod list;
mod place;
pub(crate) mod read;
mod step;
mod write;

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderQuery, Transition};
use cartwright_storage::{
    Fence, ListedOrders, OrderBatch, OrderPolicy, OrderRequest, OrderStep, OrderStore, Placed, Progress,
    Stepped, StorageError,
};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;

use crate::{
    read::bad,
    sql::{LoadOrderNote, LoadOrders, LoadTransitions, NoteOrder, OrderRow},
    store::PostgresStore,
};

/// How often all is begun anew when somebody else was quicker, or two transactions waited for each other in a circle.
pub(crate) const TRIES: usize = 10;

/// It was in vain each time.
pub(crate) fn collided() -> StorageError {
    StorageError::Unavailable("others were quicker again and again".into())
}

#[async_trait]
impl OrderStore for PostgresStore {
    async fn place_orders(
        &self,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
        fence: &dyn Fence,
    ) -> Result<OrderBatch<Placed>, StorageError> {
        if requests.is_empty() {
            return Ok(OrderBatch::default());
        }
        self.in_time(self.place(requests, policy, fence)).await
    }

    async fn step_orders(
        &self,
        steps: &[OrderStep],
        now: DateTime<Utc>,
    ) -> Result<OrderBatch<Stepped>, StorageError> {
        if steps.is_empty() {
            return Ok(OrderBatch::default());
        }
        self.in_time(self.step(steps, now)).await
    }

    async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let statement = LoadOrders { ids: ids.iter().map(|id| id.uuid()).collect() };
        let rows: Vec<(i64, OrderRow)> =
            self.run(async |connection| statement.load(connection).await).await?;
        read::in_places(ids.len(), rows)
    }

    async fn order_transitions(&self, id: OrderId) -> Result<Vec<Transition>, StorageError> {
        let statement = LoadTransitions { id: id.uuid() };
        let rows = self.run(async |connection| statement.load(connection).await).await?;
        rows.into_iter().map(read::transition).collect()
    }

    async fn note_order(
        &self,
        id: OrderId,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let note = progress.kept();
        let statement = NoteOrder { id: id.uuid(), percent: note.percent.into(), note: &note.note, now };
        Ok(self.run(async |connection| statement.execute(connection).await).await? == 1)
    }

    async fn order_note(&self, id: OrderId) -> Result<Option<Progress>, StorageError> {
        let statement = LoadOrderNote { id: id.uuid() };
        let rows: Vec<(i16, String)> = self.run(async |connection| statement.load(connection).await).await?;
        let row = rows.into_iter().next();
        row.map(|(percent, note)| {
            Ok(Progress { percent: percent.try_into().map_err(bad("a percentage"))?, note })
        })
        .transpose()
    }

    async fn list_orders(&self, query: &OrderQuery) -> Result<ListedOrders, StorageError> {
        self.in_time(self.orders_of(query)).await
    }

    async fn stock_drift(&self) -> Result<u64, StorageError> {
        self.drift().await
    }
}
