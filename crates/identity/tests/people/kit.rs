//! Databases, and nodes with a real Redis.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Survey};
use cartwright_cache_redis::{RedisCartCache, RedisOptions};
use cartwright_domain::OpenGate;
use cartwright_storage::ShopStore;
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_testkit::{Postgres, RedisServer};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A fresh database in a file.
pub(crate) async fn sqlite() -> (Arc<SqliteStore>, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), folder)
}

/// A fresh database on the shared server.
pub(crate) async fn postgres() -> Arc<PostgresStore> {
    let connect = async |url: &str| PostgresStore::connect(PostgresOptions::new(url)).await.unwrap();
    let migrate = |url: String| async move {
        connect(&url).await.migrate().await.unwrap();
    };
    let url = Postgres::shared().fresh_database_with("identity", migrate).await;
    Arc::new(connect(&url).await)
}

pub(crate) async fn redis() -> RedisServer {
    tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap()
}

/// The caches of a node, with somebody who looks after the gate.
pub(crate) struct Caches {
    pub(crate) carts: Arc<RedisCartCache>,
    keeper: JoinHandle<()>,
}

impl Caches {
    pub(crate) fn start(store: &Arc<dyn ShopStore>, url: &str) -> Self {
        let carts = Arc::new(RedisCartCache::start(&RedisOptions::new(url, Vec::new())).unwrap());
        let keeper = tokio::spawn(keep(Arc::clone(store), Arc::clone(&carts)));
        Self { carts, keeper }
    }

    pub(crate) async fn in_use(&self) {
        cartwright_testkit::eventually(DEADLINE, async || self.carts.status().in_use).await;
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// As the cart service does, with one server that takes writes.
async fn keep(store: Arc<dyn ShopStore>, cache: Arc<RedisCartCache>) {
    loop {
        let asked = Instant::now();
        let gate = store.gate().await.unwrap();
        cache.observe(&gate, asked);
        let survey = cache.survey().await;
        match (gate.open(), survey) {
            (None, Survey::Found { primary, replicas })
                if gate.epoch == 0 || cache.closed_wait(&gate).is_some_and(|wait| wait.is_zero()) =>
            {
                let namespace = format!("{}-{:08x}", gate.epoch + 1, rand::random::<u32>());
                let open = OpenGate { namespace, primary, replicas, previous: None };
                store.open_gate(gate.epoch, &open).await.unwrap();
            }
            (Some(open), Survey::Found { primary, .. }) if primary != open.primary => {
                store.close_gate(gate.epoch, Duration::ZERO).await.unwrap();
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
