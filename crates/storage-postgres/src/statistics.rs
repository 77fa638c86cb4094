//! Orders of the past, and what is counted of them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cartwright_domain::{OrderId, OwnerId, ProductId, TopWindow};
use cartwright_storage::{
    MAX_PAIRED, PastOrder, Ranked, ReadFrom, Refreshed, StatisticsStore, StorageError, write_order_lines,
};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;
use futures_util::join;

use crate::{
    lock_keys,
    products::finished,
    read,
    replicas::read_from,
    sql::{
        CountOrders, LockStatistics, MoveWindows, PutOrders, RankedRow, RecommendProducts, RelatedProducts,
        TopProducts,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
};

/// How many orders one statement writes.
const CHUNK: usize = 1000;

#[async_trait]
impl StatisticsStore for PostgresStore {
    async fn put_orders(&self, orders: &[PastOrder]) -> Result<u64, StorageError> {
        // Of several with the same id, the first.
        let unique: BTreeMap<OrderId, &PastOrder> =
            orders.iter().rev().map(|order| (order.id, order)).collect();
        let unique: Vec<&PastOrder> = unique.into_values().collect();
        let transaction = self.transaction().await?;
        match put(&transaction, &unique).await {
            Ok(written) => {
                transaction.commit().await?;
                Ok(written)
            }
            Err(error) => Err(transaction.roll_back(error).await),
        }
    }

    async fn refresh_statistics(&self, now: DateTime<Utc>, limit: u32) -> Result<Refreshed, StorageError> {
        self.in_time(self.refresh(now, limit)).await
    }

    async fn top_products(
        &self,
        window: TopWindow,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let statement = TopProducts { days: days(window), limit: limit.into() };
        let rows: Vec<RankedRow> = read_from!(self, from, |pipe| (&statement).load(&mut { pipe }))?;
        read::ranked(rows)
    }

    async fn related_products(
        &self,
        id: &ProductId,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let statement = RelatedProducts { id: id.as_str(), limit: limit.into() };
        let rows: Vec<RankedRow> = read_from!(self, from, |pipe| (&statement).load(&mut { pipe }))?;
        read::ranked(rows)
    }

    async fn recommended_products(
        &self,
        owner: &OwnerId,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let statement = RecommendProducts { owner: owner.as_str(), limit: limit.into() };
        let rows: Vec<RankedRow> = read_from!(self, from, |pipe| (&statement).load(&mut { pipe }))?;
        read::ranked(rows)
    }
}

impl PostgresStore {
    /// One round trip: lock, move the windows, count, commit. The lock is a statement of its own, so that the others
    /// see what its last holder counted.
    async fn refresh(&self, now: DateTime<Utc>, limit: u32) -> Result<Refreshed, StorageError> {
        let transaction = self.transaction().await?;
        let (high, low) = lock_keys::STATISTICS;
        let today = now.date_naive();
        let windows: Vec<i16> = TopWindow::ALL.into_iter().map(days).filter(|days| *days > 0).collect();
        let (begun, locked, moved, counted, committed) = join!(
            transaction.begin(),
            LockStatistics { high, low }.execute(&mut transaction.pipe()),
            MoveWindows { today, windows: windows.clone() }.execute(&mut transaction.pipe()),
            CountOrders { today, windows, limit: limit.into(), paired: MAX_PAIRED.into() }
                .get_result::<(i64, bool)>(&mut transaction.pipe()),
            transaction.pipe_commit(),
        );
        let counted = begun.and(locked).and(moved).and(counted);
        let (orders, more) = finished(transaction, counted, committed).await?;
        Ok(Refreshed { orders: read::count(orders)?, more: more && limit > 0 })
    }
}

/// How a window is kept: by how many days it goes back.
fn days(window: TopWindow) -> i16 {
    window.days().and_then(|days| i16::try_from(days).ok()).unwrap_or(-1)
}

/// They take nothing: what was sold long ago is not in stock.
fn lines_of_past(order: &PastOrder) -> Result<String, StorageError> {
    write_order_lines(order.lines.iter().map(|line| (line, false)))
}

async fn put(transaction: &Transaction<'_>, orders: &[&PastOrder]) -> Result<u64, Failure> {
    transaction.begin().await?;
    let mut written = 0;
    for chunk in orders.chunks(CHUNK) {
        let statement = PutOrders {
            ids: chunk.iter().map(|order| order.id.uuid()).collect(),
            owners: chunk.iter().map(|order| order.owner.as_str()).collect(),
            statuses: chunk.iter().map(|order| order.status.as_str()).collect(),
            currencies: chunk.iter().map(|order| order.currency.code()).collect(),
            totals: chunk.iter().map(|order| order.total_minor()).collect(),
            created: chunk.iter().map(|order| order.created_at).collect(),
            lines: chunk.iter().map(|order| lines_of_past(order)).collect::<Result<_, _>>()?,
        };
        let (new,): (i64,) = statement.get_result(&mut transaction.pipe()).await?;
        written += read::count(new)?;
    }
    Ok(written)
}
