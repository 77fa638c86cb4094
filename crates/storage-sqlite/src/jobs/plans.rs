//! How the statements find their rows: by an index that holds what they ask for, and no more.

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
async fn no_statement_reads_more_than_it_needs() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let mut bad = Vec::new();
    let by_id = "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)";
    for (sql, search) in [
        (sql::UNFINISHED, "SEARCH j USING INDEX jobs_unfinished (unique_key=?)"),
        (sql::PROMOTE, "SEARCH jobs USING COVERING INDEX jobs_scheduled (run_at<?)"),
        (sql::NEXT, "SEARCH jobs USING COVERING INDEX jobs_waiting (queue=?)"),
        (sql::TAKE, by_id),
        (sql::HELD, "SEARCH j USING INTEGER PRIMARY KEY (rowid=?)"),
        (sql::BEAT, by_id),
        (sql::TO_CANCEL, "SEARCH jobs USING INDEX jobs_to_cancel (worker=?)"),
        (sql::KEEP_FINISHED, by_id),
        (sql::REMOVE, by_id),
        (sql::FAIL, by_id),
        (sql::STATE, by_id),
        (sql::PURGE_QUEUE, "SEARCH jobs USING COVERING INDEX jobs_dead (queue=?)"),
        (sql::CLEAN, "SEARCH finished_jobs USING COVERING INDEX finished_jobs_by_time (finished_at<?)"),
        (sql::NEXT_WAITING, "SEARCH jobs USING COVERING INDEX jobs_waiting (queue>?)"),
        (sql::NEXT_BURIED, "SEARCH jobs USING COVERING INDEX jobs_dead (queue>?)"),
        (sql::COUNT_WAITING, "SEARCH jobs USING COVERING INDEX jobs_waiting (queue=?)"),
        (sql::COUNT_BURIED, "SEARCH jobs USING COVERING INDEX jobs_dead (queue=?)"),
        (sql::OLDEST, "SEARCH jobs USING INDEX jobs_waiting (queue=?)"),
        (sql::DEAD, "SEARCH d USING INDEX jobs_buried (id>?)"),
        (sql::DEAD_OF_QUEUE, "SEARCH d USING INDEX jobs_dead (queue=? AND id>?)"),
        (sql::RETRY_ALL, by_id),
        (sql::COUNTS, "SEARCH job_counts USING PRIMARY KEY (slot>?)"),
        (sql::WORKERS, "SEARCH j USING COVERING INDEX jobs_running (worker=?)"),
        // All that run, which are few.
        (sql::LOST, "SCAN jobs USING INDEX jobs_running"),
    ] {
        let explain = move |connection: &mut _| {
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
                .load(connection)
                .map_err(storage_error)?;
            Ok(steps.into_iter().map(|step| step.detail).collect::<Vec<_>>())
        };
        let plan = store.write(explain).await.unwrap();
        let scans = |step: &&String| step.starts_with("SCAN jobs") || step.starts_with("SCAN finished_jobs");
        let is_good = plan.iter().any(|step| step.starts_with(search))
            && plan.iter().filter(scans).all(|step| step.starts_with(search))
            && !plan.iter().any(|step| step.contains("TEMP B-TREE"));
        if !is_good {
            bad.push(format!("{sql}\nshould {search}\nbut does {plan:#?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}
