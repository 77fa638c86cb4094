//! The store as a layer: kept results, and generations of tags.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_domain::Clock;
use cartwright_layered::{Cause, Generation, Kept, LoadFrom, Loader, ResultError, ResultLayer, Tag};
use cartwright_storage::{CachedResult, LogPosition, ReadFrom, ShopStore, StorageError};
use chrono::TimeDelta;

/// Results kept in the store.
pub struct StoredResults {
    store: Arc<dyn ShopStore>,
    clock: Arc<dyn Clock>,
}

impl StoredResults {
    /// In this store.
    pub fn new(store: Arc<dyn ShopStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
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
        let kept = |kept: &Kept| {
            let ttl = TimeDelta::from_std(kept.ttl).unwrap_or(TimeDelta::MAX);
            let expires_at = now.checked_add_signed(ttl).unwrap_or(now);
            (kept.key.clone(), CachedResult { bytes: kept.value.to_vec(), expires_at })
        };
        let results: Vec<_> = results.iter().map(kept).collect();
        self.store.keep_cached(&results).await.map_err(failed)
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
