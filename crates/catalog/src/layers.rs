//! The store as a layer: kept results, and generations of tags.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_domain::Clock;
use cartwright_layered::{Cause, Generation, Kept, LoadFrom, Loader, ResultError, ResultLayer, Tag};
use cartwright_storage::{CachedResult, LogPosition, ReadFrom, ShopStore, StorageError};
use chrono::TimeDelta;
use tokio::sync::mpsc;

/// How many results wait to be kept; with more, some are not.
const WAITING: usize = 1_000;
/// How many are written together, and for how long they are collected: nobody waits for them.
const TOGETHER: usize = 100;
const COLLECTED: Duration = Duration::from_millis(20);

/// Results kept in the store.
pub struct StoredResults {
    store: Arc<dyn ShopStore>,
    clock: Arc<dyn Clock>,
    waiting: mpsc::Sender<(String, CachedResult)>,
}

impl StoredResults {
    /// In this store. They are written by a task on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(store: Arc<dyn ShopStore>, clock: Arc<dyn Clock>) -> Self {
        let (waiting, results) = mpsc::channel(WAITING);
        tokio::spawn(keep_all(Arc::clone(&store), results));
        Self { store, clock, waiting }
    }
}

async fn keep_all(store: Arc<dyn ShopStore>, mut waiting: mpsc::Receiver<(String, CachedResult)>) {
    let mut results = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut results, TOGETHER).await > 0 {
        if let Err(error) = store.keep_cached(&results).await {
            tracing::debug!(%error, "results were not kept: they will be asked for again");
        }
        results.clear();
        tokio::time::sleep(COLLECTED).await;
    }
}

impl std::fmt::Debug for StoredResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredResults").finish_non_exhaustive()
    }
}

fn failed(error: StorageError) -> ResultError {
    ResultError(Box::new(error))
}

#[async_trait]
impl ResultLayer for StoredResults {
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, ResultError> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found = self.store.cached(&keys, self.clock.now()).await.map_err(failed)?;
        Ok(found.into_iter().map(|found| found.map(|found| Bytes::from(found.bytes))).collect())
    }

    async fn keep(&self, results: &[Kept]) -> Result<(), ResultError> {
        let now = self.clock.now();
        for kept in results {
            let ttl = TimeDelta::from_std(kept.ttl).unwrap_or(TimeDelta::MAX);
            let expires_at = now.checked_add_signed(ttl).unwrap_or(now);
            let result = CachedResult { bytes: kept.value.to_vec(), expires_at };
            // A database that does not keep up has no use for more.
            let _ = self.waiting.try_send((kept.key.clone(), result));
        }
        Ok(())
    }
}

/// Knows the generations.
pub(crate) struct StoredGenerations(pub(crate) Arc<dyn ShopStore>);

#[async_trait]
impl Loader<Tag> for StoredGenerations {
    async fn load(&self, tags: Vec<Tag>, _from: LoadFrom) -> Result<Vec<Option<Generation>>, Cause> {
        let names: Vec<&str> = tags.iter().map(|tag| &*tag.0).collect();
        let generations = self.0.generations(&names).await?;
        Ok(generations.into_iter().map(|generation| Some(Generation(generation))).collect())
    }
}

pub(crate) fn read_from(from: LoadFrom) -> ReadFrom {
    match from {
        LoadFrom::Latest => ReadFrom::Primary,
        LoadFrom::AtLeast(position) => ReadFrom::AtLeast(LogPosition(position)),
    }
}
