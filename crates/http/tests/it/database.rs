//! A database of its own for each test: a file.

use std::sync::Arc;

use cartwright_storage::ShopStore;
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};

pub(crate) type Database = tempfile::TempDir;

pub(crate) async fn open() -> (Arc<dyn ShopStore>, Database) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), folder)
}
