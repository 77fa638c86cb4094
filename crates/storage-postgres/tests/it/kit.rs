//! Databases, nodes and a direct line to the server.

use std::sync::Arc;

use cartwright_domain::{Currency, Listing, Money, ProductId, SystemClock};
use cartwright_storage::{BatchPolicy, CartRequest, CartStore, ListingStore, Outcome, StorageError};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::RecordingFence;
use cartwright_testkit::Postgres;

/// A migrated database of the shared server, with one product, `tea`.
pub(crate) async fn fresh_url() -> String {
    let migrate = |url: String| async move {
        node(&url).await.migrate().await.unwrap();
    };
    Postgres::shared().fresh_database_with("carts", migrate).await
}

/// A store with connections of its own, like one process of many.
pub(crate) async fn node(url: &str) -> PostgresStore {
    PostgresStore::connect(PostgresOptions::new(url)).await.unwrap()
}

/// A database with the product `tea`, and a node.
pub(crate) async fn shop() -> (String, PostgresStore) {
    let url = fresh_url().await;
    let store = node(&url).await;
    list_tea(&store).await;
    (url, store)
}

pub(crate) async fn list_tea(store: &PostgresStore) {
    let listing = Listing {
        product_id: ProductId::new("tea").unwrap(),
        name: "Tea".into(),
        price: Money::from_minor(250, Currency::EUR).unwrap(),
        active: true,
    };
    store.put_listings(&[listing]).await.unwrap();
}

pub(crate) fn policy() -> BatchPolicy {
    BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false }
}

/// Carries out a batch behind a fence that is always up at once.
pub(crate) async fn run(
    store: &PostgresStore,
    requests: &[CartRequest],
) -> Result<Vec<Outcome>, StorageError> {
    store.execute_batch(requests, &policy(), &RecordingFence::default()).await
}

/// A connection of its own to the database, to see what the store did and to get in its way.
pub(crate) async fn direct(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Figures reach the views when a session ends at the latest: waits until all of these have.
pub(crate) async fn ended(url: &str, sessions: &str) -> tokio_postgres::Client {
    let server = direct(url).await;
    let others = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {sessions}"
    );
    cartwright_testkit::eventually(std::time::Duration::from_secs(30), || async {
        server.query_one(&others, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    server
}

/// The error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
