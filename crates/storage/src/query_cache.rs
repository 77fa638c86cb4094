use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::StorageError;

/// A result that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResult {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Until when it counts.
    pub expires_at: DateTime<Utc>,
}

/// Results of expensive queries, so that an emptied cache does not become a storm on the database. It may lose
/// everything in a crash, and never anything else.
///
/// Keys are any text without NUL.
#[async_trait]
pub trait QueryCacheStore: Send + Sync + 'static {
    /// Results that still count: one answer for each key, in order.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn cached(
        &self,
        keys: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<CachedResult>>, StorageError>;

    /// Keeps results, each over what was kept under the same key. Of several under one key, the last.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be written.
    async fn keep_cached(&self, results: &[(String, CachedResult)]) -> Result<(), StorageError>;

    /// Removes results.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be removed.
    async fn remove_cached(&self, keys: &[&str]) -> Result<(), StorageError>;

    /// Removes results that no longer count, at most `limit` of them. Returns how many.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be removed.
    async fn clean_cached(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError>;
}

/// What a cached result was made under: when the generation of a tag is another, all results with the tag are old.
///
/// Generations are random, so that one which was lost in a crash is never used again.
#[async_trait]
pub trait GenerationStore: Send + Sync + 'static {
    /// The generations of tags, in order. A tag that has none gets one.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn generations(&self, tags: &[&str]) -> Result<Vec<u64>, StorageError>;

    /// Gives tags new generations, each once.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be written.
    async fn bump_generations(&self, tags: &[&str]) -> Result<(), StorageError>;
}
