//! What the queue costs when there is much in it, and when the server thinks that there is nothing.

use std::time::Duration;

use cartwright_storage::{
    Claim, Finished, Heartbeat, Hold, JobFilter, JobId, JobName, JobOutcome, JobStore, NewJob, Payload,
    Progress, UniqueKey,
};
use cartwright_storage_postgres::PostgresStore;
use chrono::{DateTime, TimeDelta, Utc};

use crate::kit::{direct, ended, fresh_url, node};

/// A hundred thousand that wait, as many that wait for their time, ten thousand dead letters, and a hundred thousand that
/// are finished; a thousand run.
const ROWS: &str = "\
    INSERT INTO jobs (queue, kind, state, priority, max_attempts, run_at, rank, created_at, payload, unique_key, worker, \
        fence, lease_until) \
    SELECT 'q' || n % 5, 'k', s, 0, 5, '2026-01-02'::timestamptz + n * interval '1 ms', \
           '2026-01-02'::timestamptz + n * interval '1 ms', '2026-01-01', '{}', 's' || s || n, 'w' || n % 10, 1, '2027-01-01' \
    FROM (VALUES (0, 100000), (1, 100000), (2, 1000), (3, 10000)) AS v (s, most), generate_series(1, most) n; \
    INSERT INTO finished_jobs (id, queue, kind, state, priority, attempt, max_attempts, run_at, created_at, started_at, \
        finished_at, payload, failures) \
    SELECT 1000000 + n, 'q1', 'k', 4, 0, 1, 5, '2025-12-01', '2025-12-01', '2025-12-01', '2025-12-01', '{}', '' \
    FROM generate_series(1, 100000) n";

fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

/// What workers do all the time, with jobs that they make themselves.
async fn work(store: &PostgresStore, round: u32, now: DateTime<Utc>) {
    let (worker, queues) = (name("me"), [name(&format!("mine{round}")), name("none")]);
    let job = |n: i32| NewJob {
        unique_key: (n % 10 == 0).then(|| UniqueKey::new(format!("mine {round} {n}")).unwrap()),
        ..NewJob::new(queues[0].clone(), name("k"), Payload::of(&n).unwrap())
    };
    let jobs: Vec<NewJob> = (0..50).map(job).collect();
    store.enqueue(&jobs, now).await.unwrap();
    store.enqueue(&jobs[..1], now).await.unwrap();
    let claim = Claim { worker: &worker, queues: &queues, limit: 50, lease: Duration::from_secs(9) };
    let holds: Vec<Hold> = store.claim(&claim, now).await.unwrap().into_iter().map(|job| job.hold).collect();
    assert_eq!(holds.len(), 50);
    let told: Vec<_> =
        holds.iter().map(|hold| (*hold, (hold.id.0 % 10 == 0).then(Progress::default))).collect();
    let beat = Heartbeat {
        worker: &worker,
        queues: &queues,
        concurrency: 9,
        lease: Duration::from_secs(9),
        jobs: &told,
    };
    store.heartbeat(&beat, now).await.unwrap();
    store.to_cancel(&worker).await.unwrap();
    store.cancel_job(holds[49].id, now).await.unwrap();
    let end = |(n, hold): (usize, &Hold)| Finished {
        hold: *hold,
        outcome: match n % 5 {
            0 => JobOutcome::Retry { at: now + TimeDelta::days(300), error: "x".into() },
            1 => JobOutcome::Dead { error: "x".into() },
            2 => JobOutcome::Cancelled,
            _ => JobOutcome::Done,
        },
    };
    let ends: Vec<Finished> = holds.iter().enumerate().map(end).collect();
    assert_eq!(store.finish(&ends, now).await.unwrap(), [true; 50]);
    store.retry_job(holds[1].id, now).await.unwrap();
    assert_eq!(store.claim(&claim, now).await.unwrap().len(), 1);
    store.job(JobId(77)).await.unwrap();
    store.list_jobs(&JobFilter { limit: 20, ..JobFilter::default() }).await.unwrap();
    store.clean_finished(now - TimeDelta::days(900), 100).await.unwrap();
}

/// Scans of whole tables, and rows read through indexes.
async fn reads(server: &tokio_postgres::Client) -> (i64, i64) {
    let row = server
        .query_one(
            "SELECT (SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname LIKE '%jobs')::bigint, \
                    (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE '%jobs')::bigint",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_costs_what_an_empty_one_does() {
    // Before anything of ROWS is due.
    let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    for analyze in [false, true] {
        let url = fresh_url().await;
        let server = direct(&url).await;
        // The planner takes tables for tiny that autovacuum found empty.
        server.batch_execute("VACUUM ANALYZE").await.unwrap();
        let early = node(&url).await;
        work(&early, 1, now).await;
        server.batch_execute(ROWS).await.unwrap();
        if analyze {
            server.batch_execute("ANALYZE").await.unwrap();
        }
        drop(server);
        let before = reads(&ended(&url, "application_name <> 'cartwright'").await).await;
        let late = node(&url).await;
        work(&early, 2, now).await;
        work(&late, 3, now).await;
        drop((early, late));
        let after = reads(&ended(&url, "true").await).await;
        assert_eq!(after.0, before.0, "no table was scanned (analyzed: {analyze})");
        let read = after.1 - before.1;
        // Fifty jobs twice, each found some times; those that are gone may be met again in the index.
        assert!((200..3_000).contains(&read), "{read} rows were read through indexes (analyzed: {analyze})");
    }
}
