//! `cartwright worker` as an operator runs and ends it.

use std::{collections::HashSet, path::Path, time::Duration};

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{JobFilter, JobId, JobName, JobRecord, JobState, JobStore, NewJob, Payload};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::{Postgres, ServerProcess, eventually};

use crate::kit::{Node, START, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cartwright");
const JOBS: usize = 6_000;

fn worker(folder: &Path, url: &str) -> ServerProcess {
    let worker = ServerProcess::builder(PROGRAM)
        .arg("worker")
        .clear_env()
        .current_dir(folder)
        .env("DATABASE_URL", url)
        .env("CARTWRIGHT__JOBS__LEASE_SECONDS", "3")
        .env("CARTWRIGHT__JOBS__POLL_MS", "50");
    worker.start().unwrap()
}

async fn database(folder: &Path) -> (String, PostgresStore) {
    let url = Postgres::shared().fresh_database().await;
    let migrated = run(folder, &["migrate"], &[("DATABASE_URL", &url)]);
    assert!(migrated.status.success(), "{}", text(&migrated));
    let store = PostgresStore::connect(PostgresOptions::new(&url)).await.unwrap();
    (url, store)
}

/// Enough that a worker is in the middle of them for a while.
async fn put(store: &PostgresStore) -> HashSet<JobId> {
    let name = |text| JobName::new(text).unwrap();
    let job =
        NewJob::new(name("maintenance"), name("results.clean"), Payload::from_json("{}".into()).unwrap());
    let made = store.enqueue(&vec![job; JOBS], SystemClock.now()).await.unwrap();
    made.into_iter().map(cartwright_storage::Enqueued::id).collect()
}

async fn in_state(store: &PostgresStore, state: JobState) -> Vec<JobRecord> {
    let mut all: Vec<JobRecord> = Vec::new();
    loop {
        let before = all.last().map(|job| job.id);
        let filter = JobFilter { state: Some(state), before, limit: 1_000, ..JobFilter::default() };
        let page = store.list_jobs(&filter).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Until a worker has done some and is at the others.
async fn in_the_middle(store: &PostgresStore) {
    eventually(START, async || {
        let figures = store.queue_figures(SystemClock.now()).await.unwrap();
        figures.iter().any(|queue| queue.done_last_minute > 100 && queue.running > 0)
    })
    .await;
}

async fn all_done(store: &PostgresStore, ours: &HashSet<JobId>) -> Vec<JobRecord> {
    eventually(Duration::from_secs(60), async || {
        let figures = store.queue_figures(SystemClock.now()).await.unwrap();
        figures.iter().all(|queue| queue.due == 0 && queue.running == 0)
    })
    .await;
    let mut done = in_state(store, JobState::Done).await;
    done.retain(|job| ours.contains(&job.id));
    assert_eq!(done.len(), JOBS);
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_runs_and_gives_back_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (url, store) = database(folder.path()).await;
    let ours = put(&store).await;
    let first = worker(folder.path(), &url);
    in_the_middle(&store).await;
    first.terminate();
    let status = first.wait_exit(START).expect("it ends in time");
    assert!(status.success(), "{status}: {}", first.log());
    assert!(first.log().contains("stopped"), "{}", first.log());
    assert!(in_state(&store, JobState::Running).await.is_empty(), "nothing is left to a lease");
    let left = in_state(&store, JobState::Queued).await;
    assert!(left.iter().all(|job| job.attempt == 0), "what was given back was not tried");
    assert!(!left.is_empty(), "it was in the middle");
    assert!(store.workers().await.unwrap().is_empty(), "it said goodbye");
    let next = worker(folder.path(), &url);
    let done = all_done(&store, &ours).await;
    assert!(done.iter().all(|job| job.attempt == 1), "each was tried once");
    next.terminate();
    assert!(next.wait_exit(START).expect("it ends in time").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_killed_worker_are_done_within_thirty_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (url, store) = database(folder.path()).await;
    let ours = put(&store).await;
    let doomed = worker(folder.path(), &url);
    in_the_middle(&store).await;
    doomed.kill();
    let killed = std::time::Instant::now();
    let orphans: HashSet<JobId> =
        in_state(&store, JobState::Running).await.into_iter().map(|job| job.id).collect();
    let other = worker(folder.path(), &url);
    eventually(Duration::from_secs(30), async || {
        let running = in_state(&store, JobState::Running).await;
        !running.iter().any(|job| orphans.contains(&job.id) && job.attempt == 1)
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(30));
    let done = all_done(&store, &ours).await;
    let twice: HashSet<JobId> = done.iter().filter(|job| job.attempt > 1).map(|job| job.id).collect();
    assert_eq!(twice, orphans.intersection(&ours).copied().collect(), "and no others");
    other.terminate();
    assert!(other.wait_exit(START).expect("it ends in time").success());
}

/// On SQLite, and for what looks after the database also on PostgreSQL, no other process is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_looks_after_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let (url, store) = database(folder.path()).await;
    let node = Node::start(folder.path(), &[("DATABASE_URL", &url)]);
    eventually(START, async || !in_state(&store, JobState::Done).await.is_empty()).await;
    node.stop();
    let before = in_state(&store, JobState::Done).await.len();
    let off = [("DATABASE_URL", url.as_str()), ("CARTWRIGHT__JOBS__IN_SERVE", "off")];
    let node = Node::start(folder.path(), &off);
    assert!(store.workers().await.unwrap().is_empty());
    node.stop();
    assert_eq!(in_state(&store, JobState::Done).await.len(), before);

    let embedded = Node::start(folder.path(), &[]);
    eventually(START, async || {
        let metrics = embedded.client().await.send("GET", "/metrics", "").await.unwrap();
        let metrics = String::from_utf8(metrics.body).unwrap();
        let done = r#"cartwright_jobs_ended_total{kind="statistics.refresh",outcome="done"} "#;
        metrics.lines().any(|line| line.starts_with(done))
    })
    .await;
    embedded.stop();
}
