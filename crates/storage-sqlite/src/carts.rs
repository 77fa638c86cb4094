use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use async_trait::async_trait;
use cartwright_domain::{Cart, Clock, OwnerId};
use cartwright_storage::{
    BatchPolicy, CartRequest, CartStore, Fence, FillRead, KEY_LIFETIME, Outcome, StorageError,
};
use diesel::RunQueryDsl;

use crate::{
    SqliteStore,
    error::storage_error,
    migrations,
    rows::load_carts,
    statement::{Bind, Statement},
};

#[async_trait]
impl CartStore for SqliteStore {
    async fn execute_batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let outcomes = self.batch(requests, policy, fence).await;
        metrics::histogram!("cartwright_store_batch_seconds").record(started.elapsed());
        metrics::histogram!("cartwright_store_batch_requests")
            .record(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        outcomes
    }

    async fn load(&self, owners: &[OwnerId]) -> Result<Vec<Cart>, StorageError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = distinct(owners);
        let found = self.readers.run(move |connection| load_carts(connection, &wanted)).await?;
        Ok(in_order(owners, &found).collect())
    }

    async fn load_for_fill(&self, owners: &[OwnerId]) -> Result<Vec<FillRead>, StorageError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        // Before the statement that reads, so that it sees what the lock's previous holder committed; and kept until
        // it has read, so that the next batch on these carts waits.
        let locks = self.locks.try_fill(owners);
        let wanted = distinct(owners);
        let found = self.readers.run(move |connection| load_carts(connection, &wanted)).await?;
        let reads = in_order(owners, &found).zip(&locks.got);
        Ok(reads.map(|(cart, locked)| FillRead { cart, locked: *locked }).collect())
    }

    async fn forget_old_keys(&self, clock: &dyn Clock, limit: u32) -> Result<u64, StorageError> {
        let expired = (clock.now() - KEY_LIFETIME).timestamp_micros();
        let forget = move |connection: &mut _| {
            let binds = [Bind::Int(expired), Bind::Int(limit.into())];
            Statement::<()>::new(FORGET_KEYS, &binds).execute(connection).map_err(storage_error)
        };
        let forgotten = self.write(forget).await?;
        u64::try_from(forgotten).map_err(|error| crate::rows::broken("a count", error))
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.readers.run(migrations::check).await
    }
}

pub(crate) const FORGET_KEYS: &str = "\
    DELETE FROM idempotency_keys WHERE rowid IN (\
        SELECT rowid FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?)";

fn distinct(owners: &[OwnerId]) -> Vec<OwnerId> {
    owners.iter().collect::<HashSet<_>>().into_iter().cloned().collect()
}

fn in_order(owners: &[OwnerId], found: &HashMap<OwnerId, Cart>) -> impl Iterator<Item = Cart> {
    owners.iter().map(|owner| found.get(owner).cloned().unwrap_or_else(|| Cart::empty(owner.clone())))
}
