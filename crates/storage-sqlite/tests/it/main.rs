//! The store on SQLite, from outside: the conformance suite, and what only a file can do.
#![expect(clippy::unwrap_used, reason = "tests panic to fail")]

mod abandoned;
mod files;

use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_storage_tests::migrations;
use tempfile::TempDir;

async fn fresh() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), migrations("sqlite"));
    (store, folder)
}

cartwright_storage_tests::conformance!(fresh);

mod sessions {
    use std::sync::Arc;

    use cartwright_storage::SessionStore;

    use super::*;

    async fn sessions() -> (Arc<dyn SessionStore>, TempDir) {
        let (store, guard) = fresh().await;
        (Arc::new(store), guard)
    }

    cartwright_storage_tests::session_conformance!(sessions);
}
