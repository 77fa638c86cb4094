//! How the statements find their rows.

use diesel::{QueryableByName, RunQueryDsl, sql_types::Text};
use tempfile::TempDir;

use super::sql;
use crate::{SqliteOptions, SqliteStore, error::storage_error};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[tokio::test]
async fn events_are_found_by_their_numbers() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    for (sql, search) in [
        (sql::PAGE, "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)"),
        (sql::PAGE, "SEARCH events USING INTEGER PRIMARY KEY (rowid<?)"),
        (sql::CLEAN, "SEARCH events USING INTEGER PRIMARY KEY (rowid=?)"),
    ] {
        let explain = move |connection: &mut _| {
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
                .load(connection)
                .map_err(storage_error)?;
            Ok(steps.into_iter().map(|step| step.detail).collect::<Vec<_>>())
        };
        let plan = store.write(explain).await.unwrap();
        assert!(plan.iter().any(|step| step.starts_with(search)), "{search}\nis not in {plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
    }
}
