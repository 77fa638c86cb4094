use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use serde::Deserialize;

use super::SecretUrl;

/// Where carts are cached.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cache {
    /// The Redis server that takes writes. Not set: carts are cached in this process when the store is SQLite, and not
    /// at all when it is PostgreSQL.
    pub(crate) redis_url: Option<SecretUrl>,
    /// Its read replicas.
    pub(crate) redis_replica_urls: Vec<SecretUrl>,
    /// Certificate authorities for `rediss://`, a PEM file. Not set: those of the system.
    pub(crate) redis_ca_file: Option<PathBuf>,
    /// How long a cart that nobody changes stays cached. Too high: Redis keeps carts that nobody looks at. Too low:
    /// more reads reach the database. Never a question of staleness.
    pub(crate) ttl_seconds: u64,
    /// How long the history of somebody's orders stays cached in Redis. Too high: Redis keeps histories that nobody looks at.
    /// Too low: more reads reach the database. Never a question of staleness.
    pub(crate) history_ttl_seconds: u64,
    /// The same of profiles.
    pub(crate) profile_ttl_seconds: u64,
    /// Memory for the in-process cache. Too high: the process may be killed for it. Too low: more reads reach the
    /// database.
    pub(crate) memory_mb: u64,
    /// Batches that may talk to one Redis server at the same time. Too high: connections and small pipelines. Too low:
    /// batches wait for each other.
    pub(crate) connections: u32,
    /// `auto`: carts are cached as described; `off`: every read asks the database.
    pub(crate) carts: CartCaching,
}

/// Whether carts are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CartCaching {
    /// In Redis when there is one, else in process where that is safe.
    Auto,
    /// Not at all.
    Off,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            redis_url: None,
            redis_replica_urls: Vec::new(),
            redis_ca_file: None,
            ttl_seconds: 1800,
            history_ttl_seconds: 60,
            profile_ttl_seconds: 300,
            memory_mb: 64,
            connections: 6,
            carts: CartCaching::Auto,
        }
    }
}

impl Cache {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let redis = |url: &SecretUrl| matches!(url.scheme(), "redis" | "rediss");
        ensure!(
            self.redis_url.as_ref().is_none_or(redis),
            "configuration key `cache.redis_url`: it begins with redis:// or rediss://"
        );
        ensure!(
            self.redis_replica_urls.iter().all(redis),
            "configuration key `cache.redis_replica_urls`: each begins with redis:// or rediss://"
        );
        ensure!(
            self.redis_url.is_some() || self.redis_replica_urls.is_empty(),
            "configuration key `cache.redis_url`: it is needed when there are replicas (REDIS_REPLICA_URLS)"
        );
        ensure!(
            (1..=31_536_000).contains(&self.ttl_seconds),
            "configuration key `cache.ttl_seconds`: it is from 1 second to a year"
        );
        ensure!(
            (1..=86_400).contains(&self.history_ttl_seconds),
            "configuration key `cache.history_ttl_seconds`: it is from 1 second to a day"
        );
        ensure!(
            (1..=86_400).contains(&self.profile_ttl_seconds),
            "configuration key `cache.profile_ttl_seconds`: it is from 1 second to a day"
        );
        ensure!(
            (1..=1_048_576).contains(&self.memory_mb),
            "configuration key `cache.memory_mb`: it is from 1 to 1048576"
        );
        ensure!(
            (1..=64).contains(&self.connections),
            "configuration key `cache.connections`: it is from 1 to 64"
        );
        Ok(())
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_seconds)
    }

    pub(crate) fn history_ttl(&self) -> Duration {
        Duration::from_secs(self.history_ttl_seconds)
    }

    pub(crate) fn profile_ttl(&self) -> Duration {
        Duration::from_secs(self.profile_ttl_seconds)
    }
}
