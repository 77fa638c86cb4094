//! Kept results of queries, and the generations that they were made under.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use cartwright_storage::{CachedResult, GenerationStore, QueryCacheStore, StorageError};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;

use crate::{
    sql::{
        BumpGenerations, CleanCached, KeepCached, LoadCached, LoadGenerations, MakeGenerations, RemoveCached,
    },
    store::PostgresStore,
};

#[async_trait]
impl QueryCacheStore for PostgresStore {
    async fn cached(
        &self,
        keys: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<CachedResult>>, StorageError> {
        let statement = LoadCached { keys, now };
        let rows: Vec<(String, Vec<u8>, DateTime<Utc>)> =
            self.run(async |connection| statement.load(connection).await).await?;
        let found: HashMap<String, CachedResult> = (rows.into_iter())
            .map(|(key, bytes, expires_at)| (key, CachedResult { bytes, expires_at }))
            .collect();
        Ok(keys.iter().map(|key| found.get(*key).cloned()).collect())
    }

    async fn keep_cached(&self, results: &[(String, CachedResult)]) -> Result<(), StorageError> {
        // In the order of keys: two writers do not wait for each other in a circle.
        let unique: BTreeMap<&str, &CachedResult> =
            results.iter().map(|(key, result)| (key.as_str(), result)).collect();
        if unique.is_empty() {
            return Ok(());
        }
        let statement = KeepCached {
            keys: unique.keys().copied().collect(),
            values: unique.values().map(|result| result.bytes.as_slice()).collect(),
            expire_at: unique.values().map(|result| result.expires_at).collect(),
        };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }

    async fn remove_cached(&self, keys: &[&str]) -> Result<(), StorageError> {
        self.run(async |connection| RemoveCached { keys }.execute(connection).await).await.map(drop)
    }

    async fn clean_cached(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let statement = CleanCached { now, limit: i32::try_from(limit).unwrap_or(i32::MAX) };
        let cleaned = self.run(async |connection| statement.execute(connection).await).await?;
        Ok(u64::try_from(cleaned).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl GenerationStore for PostgresStore {
    async fn generations(&self, tags: &[&str]) -> Result<Vec<u64>, StorageError> {
        let load = async || -> Result<HashMap<i64, i64>, StorageError> {
            let statement = LoadGenerations { tags };
            let rows: Vec<(i64, i64)> = self.run(async |connection| statement.load(connection).await).await?;
            Ok(rows.into_iter().collect())
        };
        let mut found = load().await?;
        if found.len() < tags.len() {
            let made = MakeGenerations { tags: in_order(tags) };
            self.run(async |connection| made.execute(connection).await).await?;
            found = load().await?;
        }
        let generation = |at| found.get(&at).map(|generation| generation.cast_unsigned());
        let missing = || StorageError::unexpected("a generation that was just made is not there");
        (1..).zip(tags).map(|(at, _)| generation(at).ok_or_else(missing)).collect()
    }

    async fn bump_generations(&self, tags: &[&str]) -> Result<(), StorageError> {
        if tags.is_empty() {
            return Ok(());
        }
        let statement = BumpGenerations { tags: in_order(tags) };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }
}

/// Each once, and in order, so that two writers do not wait for each other in a circle.
fn in_order<'a>(tags: &[&'a str]) -> Vec<&'a str> {
    tags.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}
