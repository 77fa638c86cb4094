//! A database of its own for each test, on the tests' server.

use std::sync::Arc;

use cartwright_storage::ShopStore;
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::Postgres;

pub(crate) type Database = ();

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(PostgresOptions { pool_size: 3, ..PostgresOptions::new(url) }).await.unwrap()
}

pub(crate) async fn open() -> (Arc<dyn ShopStore>, Database) {
    let migrate = |url: String| async move { drop(connect(&url).await.migrate().await.unwrap()) };
    let url = Postgres::shared().fresh_database_with("shop", migrate).await;
    (Arc::new(connect(&url).await), ())
}
