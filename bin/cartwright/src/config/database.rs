use std::path::PathBuf;

use anyhow::{bail, ensure};
use serde::Deserialize;

use super::SecretUrl;

/// The store that holds the truth.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// `sqlite://path` or `postgres://user:password@host:port/database`; the scheme picks the store.
    pub(crate) url: SecretUrl,
    /// Streaming replicas of the PostgreSQL server, likewise: reads of the catalogue that miss the caches go to them in
    /// turn, when they have come far enough, and else to the primary.
    pub(crate) replica_urls: Vec<SecretUrl>,
    /// PostgreSQL connections of this process, half of which may search at a time, and reading connections to a SQLite
    /// file. Too high: PostgreSQL runs out of `max_connections`, or of memory. Too low: requests wait for a connection, and
    /// fail after three seconds.
    pub(crate) pool_size: u32,
    /// Whether `serve` applies pending migrations to PostgreSQL at start. Off: it refuses to start while some are
    /// pending. SQLite is always migrated at start.
    pub(crate) migrate_on_start: bool,
}

/// Which store a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// A file of this process.
    Sqlite(PathBuf),
    /// A server, possibly shared with other nodes.
    Postgres,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: SecretUrl::new("sqlite://data/cartwright.sqlite3"),
            replica_urls: Vec::new(),
            pool_size: 10,
            migrate_on_start: true,
        }
    }
}

impl Database {
    /// Which store the URL names.
    pub(crate) fn kind(&self) -> anyhow::Result<StoreKind> {
        match self.url.scheme() {
            "sqlite" => match self.url.expose().trim_start_matches("sqlite://") {
                "" => bail!(
                    "configuration key `database.url`: sqlite:// needs a path, as in sqlite://data/carts.sqlite3"
                ),
                path if path.contains('?') => {
                    bail!("configuration key `database.url`: a sqlite:// URL has no parameters")
                }
                path => Ok(StoreKind::Sqlite(PathBuf::from(path))),
            },
            "postgres" | "postgresql" => Ok(StoreKind::Postgres),
            _ => bail!("configuration key `database.url`: it begins with sqlite:// or postgres://"),
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let kind = self.kind()?;
        let postgres = |url: &SecretUrl| matches!(url.scheme(), "postgres" | "postgresql");
        ensure!(
            self.replica_urls.is_empty()
                || kind == StoreKind::Postgres && self.replica_urls.iter().all(postgres),
            "configuration key `database.replica_urls`: each begins with postgres://, and so does `database.url`"
        );
        ensure!(
            (1..=1000).contains(&self.pool_size),
            "configuration key `database.pool_size`: it is from 1 to 1000"
        );
        Ok(())
    }
}
