//! `cartwright worker` as an operator runs and ends it.

use std::{collections::HashSet, path::Path, time::Duration};

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{
    Claim, Finished, Heartbeat, JobFilter, JobId, JobName, JobOutcome, JobRecord, JobState, JobStore, NewJob,
    Payload,
};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::{Postgres, ServerProcess, eventually, ports};

use crate::{
    client::Client,
    kit::{Node, START, expect, migrate, run, show, text},
};

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
    migrate(folder, &[("DATABASE_URL", &url)]);
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

fn by_default(folder: &Path, url: &str) -> ServerProcess {
    let worker = ServerProcess::builder(PROGRAM).arg("worker").clear_env().current_dir(folder);
    worker.env("DATABASE_URL", url).start().unwrap()
}

/// With the settings that everybody has: what a worker that is killed has begun is done by another within half a minute,
/// and each order has gone each step once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_a_killed_worker_go_on_within_thirty_seconds_and_once() {
    const ORDERS: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    let (url, store) = database(folder.path()).await;
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("CARTWRIGHT__ORDERS__PROCESS_AFTER_SECONDS", "0"),
        ("CARTWRIGHT__ORDERS__BATCH", "1"),
    ];
    let node = Node::start(folder.path(), &variables);
    let mut client = node.client().await;
    let product = format!(r#"{{"id": "tea", "name": "Tea", "price": 1, "stock": {ORDERS}}}"#);
    expect(&mut client, 201, "POST", "/api/v1/products", &product).await;
    for n in 0..ORDERS {
        let user = format!("/api/v1/carts/u{n}");
        let line = r#"{"product_id": "tea", "quantity": 1}"#;
        expect(&mut client, 200, "POST", &format!("{user}/items"), line).await;
        expect(&mut client, 201, "POST", &format!("{user}/checkout"), r#"{"cart_version": 1}"#).await;
    }
    let doomed = by_default(folder.path(), &url);
    let of_orders = async || -> Vec<JobRecord> {
        let mut running = in_state(&store, JobState::Running).await;
        running.retain(|job| job.queue.as_str() == "orders");
        running
    };
    eventually(START, async || !of_orders().await.is_empty()).await;
    doomed.kill();
    let killed = std::time::Instant::now();
    let orphans: HashSet<JobId> = of_orders().await.into_iter().map(|job| job.id).collect();
    assert!(!orphans.is_empty(), "it was in the middle");
    let other = by_default(folder.path(), &url);
    eventually(Duration::from_secs(30), async || {
        !of_orders().await.iter().any(|job| orphans.contains(&job.id) && job.attempt == 1)
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    let list = async |client: &mut Client, status: &str| {
        let page = format!("/api/v1/orders?page_size=100&status={status}");
        expect(client, 200, "GET", &page, "").await["total"].as_u64().unwrap()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while list(&mut client, "completed").await < ORDERS as u64 {
        assert!(std::time::Instant::now() < deadline, "they are completed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for page in 1..=ORDERS / 100 {
        let orders =
            expect(&mut client, 200, "GET", &format!("/api/v1/orders?page={page}&page_size=100"), "").await;
        for order in orders["items"].as_array().unwrap() {
            let status = format!("/api/v1/orders/{}/status", order["id"].as_str().unwrap());
            let history = expect(&mut client, 200, "GET", &status, "").await["history"].clone();
            let steps: Vec<&str> =
                history.as_array().unwrap().iter().map(|step| step["to"].as_str().unwrap()).collect();
            assert_eq!(steps, ["pending", "processing", "completed"], "{history}");
        }
    }
    let tea = expect(&mut client, 200, "GET", "/api/v1/products/tea", "").await;
    assert_eq!(tea["stock"], 0);
    other.terminate();
    assert!(other.wait_exit(START).expect("it ends in time").success());
    node.stop();
}

/// A worker is watched over like a node, where that was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_answers_those_who_watch_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _store) = database(folder.path()).await;
    let address = format!("127.0.0.1:{}", ports::free_port());
    let start = || {
        let worker = ServerProcess::builder(PROGRAM).arg("worker").clear_env().current_dir(folder.path());
        let worker = worker.env("DATABASE_URL", &url).env("CARTWRIGHT__JOBS__LISTEN", &address);
        worker.start().unwrap()
    };
    let worker = start();
    worker.wait_ready(&format!("http://{address}/readyz"), START).unwrap();
    let at = format!("http://{address}");
    let health = show(&at, "/health").await;
    assert_eq!((health.status, health.body["dependencies"]["database"].as_str()), (200, Some("ok")));
    assert_eq!(show(&at, "/livez").await.status, 200);
    eventually(START, async || {
        let mut client = Client::connect(&at).await.unwrap();
        let metrics = client.send("GET", "/metrics", "").await.unwrap();
        String::from_utf8(metrics.body).unwrap().contains("cartwright_jobs_running ")
    })
    .await;
    for elsewhere in ["/jobs", "/api/v1/jobs", "/api/v1/products"] {
        assert_eq!(show(&at, elsewhere).await.status, 404, "{elsewhere}");
    }
    // The address is taken: the second one says which key that is.
    let second = start();
    let status = second.wait_exit(START).expect("it ends");
    assert!(!status.success());
    assert!(
        second.log().contains("jobs.listen") && second.log().contains("CARTWRIGHT__JOBS__LISTEN="),
        "{}",
        second.log()
    );
    worker.terminate();
    assert!(worker.wait_exit(START).expect("it ends in time").success(), "{}", worker.log());
}

/// Jobs that nobody does, and those that are dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_tells_of_jobs_that_wait_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (url, store) = database(folder.path()).await;
    let doctor = || {
        let output = run(folder.path(), &["doctor"], &[("DATABASE_URL", &url)]);
        (output.status.code(), text(&output))
    };
    let (code, said) = doctor();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok    jobs: none is late, none is dead; workers: 0"), "{said}");

    let name = |text| JobName::new(text).unwrap();
    let job = |queue| NewJob::new(name(queue), name("k"), Payload::from_json("{}".into()).unwrap());
    let now = SystemClock.now();
    let at = now - chrono::TimeDelta::seconds(90);
    store.enqueue(&[job("late"), job("late"), job("held"), job("bad")], at).await.unwrap();
    store.enqueue(&[job("new")], now).await.unwrap();
    store.pause_queue(&name("held"), true).await.unwrap();
    let claim =
        Claim { worker: &name("w"), queues: &[name("bad")], limit: 1, lease: Duration::from_secs(60) };
    let hold = store.claim(&claim, now).await.unwrap()[0].hold;
    let dead = Finished { hold, outcome: JobOutcome::Dead { error: "x".into() } };
    store.finish(&[dead], now).await.unwrap();
    let (code, said) = doctor();
    assert_eq!(code, Some(1), "{said}");
    let line = |wanted: &str| said.lines().any(|line| line.starts_with(wanted));
    assert!(line("fail  jobs of late: 2 are due, the first for 9"), "{said}");
    assert!(line("warn  jobs of held: paused; 1 are due"), "{said}");
    assert!(line("warn  jobs of bad: 1 have failed for good"), "{said}");
    assert!(!said.contains("jobs of new"), "{said}");

    let beat = Heartbeat {
        worker: &name("w"),
        queues: &[name("late")],
        concurrency: 1,
        lease: Duration::from_secs(600),
        jobs: &[],
    };
    store.heartbeat(&beat, SystemClock.now()).await.unwrap();
    let (code, said) = doctor();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warn  jobs of late: 2 are due"), "{said}");
}
