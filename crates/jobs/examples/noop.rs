//! How many jobs a second one worker does that have nothing to do: what the queue itself costs.
//!
//! `cargo run --release -p cartwright-jobs --example noop -- [jobs] [concurrency]`, on the PostgreSQL database of
//! `DATABASE_URL`, or else on a SQLite file in a temporary folder.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that one reads on a terminal")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cartwright_jobs::{Job, JobContext, JobQueue, Registry, Worker, WorkerSettings};
use cartwright_storage::JobStore;
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Noop {
    number: u64,
}

impl Job for Noop {
    const KIND: &'static str = "noop";
    const QUEUE: &'static str = "noop";
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (jobs, concurrency) = (argument(50_000), argument(16));
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn JobStore> = match std::env::var("DATABASE_URL") {
        Ok(url) => {
            let store = PostgresStore::connect(PostgresOptions::new(url)).await.unwrap();
            store.migrate().await.unwrap();
            Arc::new(store)
        }
        Err(_) => {
            let path = folder.path().join("jobs.db");
            let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
            store.migrate().await.unwrap();
            Arc::new(store)
        }
    };
    let queue = JobQueue::new(store);

    let started = Instant::now();
    let all: Vec<Noop> = (0..jobs as u64).map(|number| Noop { number }).collect();
    for some in all.chunks(1_000) {
        queue.enqueue_all(some).await.unwrap();
    }
    println!("enqueued by the thousand: {:.0} jobs/s", jobs as f64 / started.elapsed().as_secs_f64());

    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    let noop = move |_: Noop, _: JobContext| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(()))
    };
    let registry = Registry::new().on(noop).unwrap();
    let settings = WorkerSettings { concurrency, ..WorkerSettings::default() };
    let started = Instant::now();
    let worker = Worker::builder(queue, registry).settings(settings).start();
    while done.load(Ordering::Relaxed) < jobs as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Until the last end is written.
    worker.shutdown().await;
    let elapsed = started.elapsed().as_secs_f64();
    println!("done by one worker, {concurrency} at a time: {:.0} jobs/s", jobs as f64 / elapsed);
    assert_eq!(done.load(Ordering::Relaxed), jobs as u64, "each once");
}
