//! A store of each kind, with a service and a worker on it.

use std::{sync::Arc, time::Duration};

use cartwright_cache::Publisher;
use cartwright_domain::{Clock, ProductId, SystemClock};
use cartwright_events::{EventService, Parts, Settings};
use cartwright_jobs::{JobQueue, Registry, Worker, WorkerSettings};
use cartwright_storage::{NewEvents, ShopStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_testkit::{Postgres, TlsFiles};
use cartwright_webhooks::{Policy, Ports, Sender};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A database, and how to open it once more.
pub(crate) enum Database {
    Postgres(String),
    Sqlite(Arc<dyn ShopStore>, #[expect(dead_code, reason = "kept")] TempDir),
}

impl Database {
    pub(crate) async fn all() -> [Self; 2] {
        let url = Postgres::shared().fresh_database().await;
        PostgresStore::connect(PostgresOptions::new(&url)).await.unwrap().migrate().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        [Self::Postgres(url), Self::Sqlite(Arc::new(store), folder)]
    }

    /// Another node's store, where there may be other nodes.
    pub(crate) async fn open(&self) -> Arc<dyn ShopStore> {
        match self {
            Self::Postgres(url) => Arc::new(PostgresStore::connect(PostgresOptions::new(url)).await.unwrap()),
            Self::Sqlite(store, _) => Arc::clone(store),
        }
    }
}

/// Whatever a test's own receiver needs.
pub(crate) fn open_policy() -> Policy {
    Policy { allow_http: true, allow_private: true, ports: Ports::Any, ..Policy::default() }
}

pub(crate) fn sender(policy: Policy) -> Sender {
    let authority = std::fs::read(TlsFiles::generate(&[]).unwrap().ca).unwrap();
    Sender::builder(policy).authorities(authority).build().unwrap()
}

pub(crate) fn start(
    store: &Arc<dyn ShopStore>,
    policy: Policy,
    publisher: Option<Arc<dyn Publisher>>,
) -> EventService {
    EventService::start(Parts {
        store: Arc::clone(store),
        jobs: JobQueue::new(Arc::clone(store) as _),
        publisher,
        sender: Some(sender(policy)),
        clock: Arc::new(SystemClock),
        settings: Settings { poll: Duration::from_millis(5), ..Settings::default() },
    })
}

pub(crate) fn worker(store: &Arc<dyn ShopStore>, events: &EventService) -> Worker {
    let registry = events.register(Registry::new()).unwrap();
    let settings = WorkerSettings {
        poll: Duration::from_millis(10),
        lease: Duration::from_secs(3),
        ..WorkerSettings::default()
    };
    Worker::builder(JobQueue::new(Arc::clone(store) as _), registry).settings(settings).start()
}

pub(crate) async fn tell(store: &Arc<dyn ShopStore>, subject: &str, events: u32) {
    let mut new = NewEvents::new();
    for stock in 0..events {
        new.stock_low(&ProductId::new(subject).unwrap(), stock, 9);
    }
    store.emit(&new, SystemClock.now()).await.unwrap();
}
