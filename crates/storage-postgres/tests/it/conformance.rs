use cartwright_storage_postgres::PostgresStore;

use crate::kit::{fresh_url, node};

async fn fresh() -> (PostgresStore, ()) {
    (node(&fresh_url().await).await, ())
}

cartwright_storage_tests::conformance!(fresh);

mod sessions {
    use std::sync::Arc;

    use cartwright_storage::SessionStore;

    use super::*;

    async fn sessions() -> (Arc<dyn SessionStore>, ()) {
        let (store, guard) = fresh().await;
        (Arc::new(store), guard)
    }

    cartwright_storage_tests::session_conformance!(sessions);
}
