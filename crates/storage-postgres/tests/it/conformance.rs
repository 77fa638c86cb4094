use cartwright_storage_postgres::PostgresStore;

use crate::kit::{fresh_url, node};

async fn fresh() -> (PostgresStore, ()) {
    (node(&fresh_url().await).await, ())
}

cartwright_storage_tests::conformance!(fresh);
