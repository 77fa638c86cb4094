//! Holds: stock that is kept for somebody for a while. The writing connection is the lock of all of it.

mod end;
mod expired;
mod read;
mod renew;
mod reserve;

use std::collections::BTreeMap;

use async_trait::async_trait;
use cartwright_domain::{Hold, HoldId, OwnerId, ProductId};
use cartwright_storage::{
    HoldPolicy, HoldRequest, HoldStore, OrderBatch, Released, Renewal, Renewed, Reserved, Stocked,
    StorageError,
};
use chrono::{DateTime, Utc};
use diesel::SqliteConnection;

use crate::{
    SqliteStore,
    orders::MOVE_STOCK,
    write::{exactly, put},
};

pub(crate) use end::{claim, pick, release_all};
pub(crate) use expired::give_back;
pub(crate) use read::load;

#[cfg(test)]
pub(crate) use {
    end::{EMPTY_HOLDS, ENTER_RELEASES, FORGET, PICK_EXPIRED, PICK_EXPIRING},
    expired::LOAD_EXPIRED,
    read::LOAD_HOLDS,
    reserve::COUNT_HOLDS,
};

#[async_trait]
impl HoldStore for SqliteStore {
    async fn reserve_holds(
        &self,
        requests: &[HoldRequest],
        policy: &HoldPolicy,
    ) -> Result<OrderBatch<Reserved>, StorageError> {
        if requests.is_empty() {
            return Ok(OrderBatch::default());
        }
        let (requests, policy, low) = (requests.to_vec(), policy.clone(), self.emission.stock_low);
        self.write(move |connection| reserve::reserve(connection, &requests, &policy, low)).await
    }

    async fn renew_hold(
        &self,
        renewal: &Renewal,
        policy: &HoldPolicy,
    ) -> Result<Stocked<Renewed>, StorageError> {
        let (renewal, policy, low) = (renewal.clone(), policy.clone(), self.emission.stock_low);
        self.write(move |connection| renew::renew(connection, &renewal, &policy, low)).await
    }

    async fn release_hold(
        &self,
        id: HoldId,
        owner: Option<&OwnerId>,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Released>, StorageError> {
        let owner = owner.cloned();
        self.write(move |connection| end::release(connection, id, owner.as_ref(), now)).await
    }

    async fn holds(&self, ids: &[HoldId]) -> Result<Vec<Option<Hold>>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        let kept = self
            .readers
            .run(move |connection| {
                let found = load(connection, &ids)?;
                Ok(ids.iter().map(|id| found.get(id).cloned()).collect::<Vec<_>>())
            })
            .await?;
        Ok(kept.into_iter().map(|kept| Some(kept?.shown())).collect())
    }

    async fn expire_holds(&self, now: DateTime<Utc>, limit: u32) -> Result<Stocked<u64>, StorageError> {
        self.write(move |connection| end::expire(connection, now, limit)).await
    }

    async fn holds_expiring(
        &self,
        now: DateTime<Utc>,
        by: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Hold>, StorageError> {
        self.write(move |connection| end::expiring(connection, now, by, limit)).await
    }

    async fn forget_holds(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        self.write(move |connection| end::forget(connection, before, limit)).await
    }
}

/// Moves the stock of products by so many units.
fn move_stock(
    connection: &mut SqliteConnection,
    units: &BTreeMap<ProductId, i64>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let at = now.timestamp_micros();
    let moved: Vec<_> = units.iter().map(|(product, units)| (product, *units, at)).collect();
    exactly(put(connection, MOVE_STOCK, &moved)?, moved.len(), "stocks were moved")
}
