//! Kept results of queries, and the generations that they were made under.

use std::collections::HashMap;

use async_trait::async_trait;
use cartwright_storage::{CachedResult, GenerationStore, QueryCacheStore, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary},
};

use crate::{
    SqliteStore,
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
};

pub(crate) const LOAD: &str = "SELECT value, expires_at FROM query_cache WHERE key = ? AND +expires_at > ?";

const KEEP: &str = "\
    INSERT INTO query_cache VALUES (?, ?, ?) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at";

const REMOVE: &str = "DELETE FROM query_cache WHERE key IN (SELECT value FROM json_each(?))";

pub(crate) const CLEAN: &str = "\
    DELETE FROM query_cache WHERE rowid IN (\
        SELECT rowid FROM query_cache WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)";

pub(crate) const GENERATIONS: &str = "\
    SELECT wanted.key, g.generation FROM json_each(?) AS wanted CROSS JOIN generations AS g ON g.tag = wanted.value";

const MAKE: &str = "\
    INSERT INTO generations SELECT DISTINCT value, random() FROM json_each(?) WHERE true ON CONFLICT (tag) DO NOTHING";

const BUMP: &str = "\
    INSERT INTO generations SELECT value, random() FROM json_each(?) WHERE true \
    ON CONFLICT (tag) DO UPDATE SET generation = excluded.generation";

#[async_trait]
impl QueryCacheStore for SqliteStore {
    async fn cached(
        &self,
        keys: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<CachedResult>>, StorageError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let load = move |connection: &mut _| {
            let one = |key: &String| {
                let binds = [Bind::Text(key), Bind::Int(now.timestamp_micros())];
                let row: Option<(Vec<u8>, i64)> = Statement::<(Binary, BigInt)>::new(LOAD, &binds)
                    .get_result(connection)
                    .optional()
                    .map_err(storage_error)?;
                row.map(|(bytes, expires_at)| Ok(CachedResult { bytes, expires_at: time(expires_at)? }))
                    .transpose()
            };
            keys.iter().map(one).collect()
        };
        self.readers.run(load).await
    }

    async fn keep_cached(&self, results: &[(String, CachedResult)]) -> Result<(), StorageError> {
        let results = results.to_vec();
        let keep = move |connection: &mut _| {
            for (key, CachedResult { bytes, expires_at }) in &results {
                let binds = [Bind::Text(key), Bind::Bytes(bytes), Bind::Int(expires_at.timestamp_micros())];
                Statement::<()>::new(KEEP, &binds).execute(connection).map_err(storage_error)?;
            }
            Ok(())
        };
        self.write(keep).await
    }

    async fn remove_cached(&self, keys: &[&str]) -> Result<(), StorageError> {
        self.write_list(REMOVE, json(keys)?).await
    }

    async fn clean_cached(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let clean = move |connection: &mut _| {
            let binds = [Bind::Int(now.timestamp_micros()), Bind::Int(limit.into())];
            Statement::<()>::new(CLEAN, &binds).execute(connection).map_err(storage_error)
        };
        u64::try_from(self.write(clean).await?).map_err(|error| broken("a count", error))
    }
}

#[async_trait]
impl GenerationStore for SqliteStore {
    async fn generations(&self, tags: &[&str]) -> Result<Vec<u64>, StorageError> {
        let wanted = json(tags)?;
        let read = wanted.clone();
        let mut found = self.readers.run(move |connection| generations(connection, &read)).await?;
        if found.len() < tags.len() {
            self.write_list(MAKE, wanted.clone()).await?;
            found = self.readers.run(move |connection| generations(connection, &wanted)).await?;
        }
        let missing = || StorageError::unexpected("a generation that was just made is not there");
        let generation = |at| found.get(&at).map(|generation| generation.cast_unsigned());
        (0..).zip(tags).map(|(at, _)| generation(at).ok_or_else(missing)).collect()
    }

    async fn bump_generations(&self, tags: &[&str]) -> Result<(), StorageError> {
        self.write_list(BUMP, json(tags)?).await
    }
}

impl SqliteStore {
    /// Runs a statement whose only parameter is a list.
    async fn write_list(&self, sql: &'static str, list: String) -> Result<(), StorageError> {
        let write = move |connection: &mut _| {
            Statement::<()>::new(sql, &[Bind::Text(&list)]).execute(connection).map_err(storage_error)
        };
        self.write(write).await.map(drop)
    }
}

/// Generations by the position of their tag.
fn generations(connection: &mut SqliteConnection, wanted: &str) -> Result<HashMap<i64, i64>, StorageError> {
    let rows = Statement::<(BigInt, BigInt)>::new(GENERATIONS, &[Bind::Text(wanted)])
        .load::<(i64, i64)>(connection)
        .map_err(storage_error)?;
    Ok(rows.into_iter().collect())
}
