//! What the queue costs when there is much in it, and when the server thinks that there is nothing.

use std::time::Duration;

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{
    Claim, Finished, Heartbeat, Hold, JobFilter, JobId, JobName, JobOutcome, JobState, JobStore, NewJob,
    Payload, Priority, Progress, Retried, UniqueKey,
};
use cartwright_storage_postgres::PostgresStore;
use cartwright_testkit::eventually;
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

/// What the dashboard asks, and what is done there.
async fn look(store: &PostgresStore, now: DateTime<Utc>) {
    let dead = JobFilter { limit: 20, state: Some(JobState::Dead), ..JobFilter::default() };
    assert_eq!(store.list_jobs(&dead).await.unwrap().len(), 20);
    store.list_jobs(&JobFilter { queue: Some(name("q1")), ..dead }).await.unwrap();
    store.failing_jobs(None, 20).await.unwrap();
    store.retry_dead(Some(&name("mine2")), JobId(0), 5, now).await.unwrap();
    store.add_counts(&[], now).await.unwrap();
    store.counts_since(now).await.unwrap();
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
        let late = node(&url).await;
        look(&late, now).await;
        drop(late);
        let (before, after) = (after, reads(&ended(&url, "true").await).await);
        assert_eq!(after.0, before.0, "no table was scanned (analyzed: {analyze})");
        let read = after.1 - before.1;
        // Dead letters, each twice at most; what waits is twenty times as much.
        assert!(read < 25_000, "{read} rows were read for the dashboard (analyzed: {analyze})");
    }
}

/// Thousands of jobs that were done, of which a transaction that is open keeps every version.
async fn done_and_kept(url: &str, store: &PostgresStore, now: DateTime<Utc>) -> tokio_postgres::Client {
    let holder = direct(url).await;
    holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs").await.unwrap();
    let job = NewJob::new(name("q"), name("k"), Payload::of(&0).unwrap());
    for round in 0..25 {
        let now = now + TimeDelta::milliseconds(round);
        store.enqueue(&vec![job.clone(); 1_000], now).await.unwrap();
        let done: Vec<Finished> = (claim(store, now, 1_000).await.into_iter())
            .map(|hold| Finished { hold, outcome: JobOutcome::Done })
            .collect();
        assert_eq!(store.finish(&done, now).await.unwrap(), vec![true; 1_000]);
    }
    let dead = "SELECT pg_stat_get_dead_tuples('jobs'::regclass)";
    eventually(Duration::from_secs(30), async || {
        direct(url).await.query_one(dead, &[]).await.unwrap().get::<_, i64>(0) >= 25_000
    })
    .await;
    holder
}

async fn claim(store: &PostgresStore, now: DateTime<Utc>, limit: u32) -> Vec<Hold> {
    let claim = Claim { worker: &name("w"), queues: &[name("q")], limit, lease: Duration::from_secs(60) };
    store.claim(&claim, now).await.unwrap().into_iter().map(|job| job.hold).collect()
}

/// Index entries that were passed by.
async fn passed_by(url: &str) -> i64 {
    let server = ended(url, "application_name = 'cartwright'").await;
    let read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_waiting'";
    server.query_one(read, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_do_not_pass_by_what_is_done_each_time() {
    let (url, now) = (fresh_url().await, DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    let early = node(&url).await;
    let _holder = done_and_kept(&url, &early, now).await;
    let job = NewJob::new(name("q"), name("k"), Payload::of(&0).unwrap());
    early.enqueue(&vec![job; 1_000], now + TimeDelta::minutes(1)).await.unwrap();
    drop(early);
    let before = passed_by(&url).await;
    let store = node(&url).await;
    for _ in 0..40 {
        assert_eq!(claim(&store, now + TimeDelta::minutes(2), 20).await.len(), 20);
    }
    drop(store);
    let passed = passed_by(&url).await - before;
    // Twice for each claim. From the front that is fifty thousand each time.
    assert!(passed < 40 * 50_000 / 2, "{passed} entries were passed by");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_behind_however_much_is_done_before_it() {
    let (url, now) = (fresh_url().await, DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    let store = node(&url).await;
    let _holder = done_and_kept(&url, &store, now).await;
    let job = NewJob::new(name("q"), name("k"), Payload::of(&0).unwrap());
    store.enqueue(&vec![job.clone(); 2_000], now + TimeDelta::minutes(1)).await.unwrap();
    let later = now + TimeDelta::minutes(2);
    // So that the floor is behind what comes now: one of the highest priority, one that was due long ago, one given back.
    let back = claim(&store, later, 10).await[0];
    claim(&store, later, 10).await;
    let urgent = NewJob { priority: Priority::HIGHEST, ..job.clone() };
    let old = NewJob { run_at: Some(now - TimeDelta::days(1)), ..job };
    let made = store.enqueue(&[urgent, old], later).await.unwrap();
    let given_back = Finished { hold: back, outcome: JobOutcome::Returned { at: now } };
    assert_eq!(store.finish(&[given_back], later).await.unwrap(), [true]);
    let mut missing: Vec<JobId> = made.iter().map(|made| made.id()).chain([back.id]).collect();
    let begun = std::time::Instant::now();
    let mut claimed = 0;
    while !missing.is_empty() {
        let holds = claim(&store, later, 5).await;
        claimed += holds.len();
        missing.retain(|id| !holds.iter().any(|hold| hold.id == *id));
        assert!(begun.elapsed() < Duration::from_secs(10) && claimed < 1_900, "{missing:?} of {claimed}");
    }
}

/// Somebody takes the key of a dead letter while it is being retried: that is told as if it had been so before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_during_a_retry_is_a_duplicate() {
    let url = fresh_url().await;
    let (store, mut server) = (node(&url).await, direct(&url).await);
    let now = SystemClock.now();
    let key = Some(UniqueKey::new("k").unwrap());
    let job = NewJob { unique_key: key, ..NewJob::new(name("q"), name("k"), Payload::of(&0).unwrap()) };
    let dead = store.enqueue(&[job], now).await.unwrap()[0].id();
    server.batch_execute("UPDATE jobs SET state = 3").await.unwrap();
    let other = server.transaction().await.unwrap();
    let made = "INSERT INTO jobs (queue, kind, state, priority, max_attempts, run_at, rank, created_at, payload, unique_key) \
                VALUES ('q', 'k', 1, 0, 5, now(), now(), now(), '{}', 'k') RETURNING id";
    let made: i64 = other.query_one(made, &[]).await.unwrap().get(0);
    let retrying = tokio::spawn({
        let store = store.clone();
        async move { store.retry_job(dead, now).await }
    });
    let watching = direct(&url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(Duration::from_secs(10), || async {
        watching.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    other.commit().await.unwrap();
    assert_eq!(retrying.await.unwrap().unwrap(), Retried::Duplicate(JobId(made)));
}
