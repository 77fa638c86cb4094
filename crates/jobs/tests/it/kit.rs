//! Jobs whose handlers do as they are told.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use cartwright_jobs::{Job, JobContext, JobFailure, JobQueue, Policy, Registry, Worker, WorkerSettings};
use cartwright_storage::{Enqueued, JobId, JobRecord, JobState, JobStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Do {
    Nothing,
    Fail,
    FailFatally,
    FailOnce,
    Panic,
    /// For so many milliseconds; stops when it is told to.
    Sleep(u64),
    /// For ever, whatever it is told.
    Hang,
    Report,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) what: Do,
}

pub(crate) fn task(name: &(impl ToString + ?Sized), what: Do) -> Task {
    Task { name: name.to_string(), what }
}

impl Job for Task {
    const KIND: &'static str = "task";
    const QUEUE: &'static str = "tasks";

    fn policy() -> Policy {
        Policy {
            max_attempts: 3,
            backoff: Duration::from_millis(20),
            timeout: Duration::from_secs(20),
            ..Policy::default()
        }
    }
}

/// How often each task was begun, and how often it ended by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<HashMap<String, (u32, u32)>>>);

impl Log {
    pub(crate) fn of(&self, name: &str) -> (u32, u32) {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    pub(crate) fn begun(&self, name: &str) -> u32 {
        self.of(name).0
    }

    pub(crate) fn all(&self) -> HashMap<String, (u32, u32)> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, name: &str, begun: u32, ended: u32) -> u32 {
        let mut log = self.0.lock().unwrap();
        let entry = log.entry(name.to_owned()).or_default();
        entry.0 += begun;
        entry.1 += ended;
        entry.0
    }
}

async fn carry_out(log: Log, task: Task, context: JobContext) -> Result<(), JobFailure> {
    let times = log.note(&task.name, 1, 0);
    match task.what {
        Do::Nothing => {}
        Do::Fail => return Err("as it was told".into()),
        Do::FailFatally => return Err(JobFailure::fatal("for good")),
        Do::FailOnce if times == 1 => return Err("once".into()),
        Do::FailOnce => {}
        Do::Panic => panic!("on purpose"),
        Do::Sleep(millis) => {
            tokio::select! {
                () = sleep(Duration::from_millis(millis)) => {}
                () = context.stopped() => return Err("stopped".into()),
            }
        }
        Do::Hang => std::future::pending().await,
        Do::Report => {
            context.progress(40, "nearly half");
            context.stopped().await;
        }
    }
    log.note(&task.name, 0, 1);
    Ok(())
}

pub(crate) struct Shop {
    pub(crate) queue: JobQueue,
    pub(crate) log: Log,
    pub(crate) store: Arc<SqliteStore>,
    _folder: TempDir,
}

pub(crate) async fn open(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path, SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(open(&folder.path().join("shop.db")).await);
        let queue = JobQueue::new(Arc::clone(&store) as Arc<dyn JobStore>);
        Self { queue, log: Log::default(), store, _folder: folder }
    }

    pub(crate) fn registry(&self) -> Registry {
        let log = self.log.clone();
        Registry::new().on(move |task, context| carry_out(log.clone(), task, context)).unwrap()
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::builder(self.queue.clone(), self.registry()).settings(quick()).start()
    }

    pub(crate) async fn put(&self, name: impl ToString, what: Do) -> JobId {
        match self.queue.enqueue(&task(&name, what)).await.unwrap() {
            Enqueued::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn record(&self, id: JobId) -> JobRecord {
        self.queue.store().job(id).await.unwrap().expect("it is there").0
    }

    pub(crate) async fn reaches(&self, id: JobId, state: JobState) -> JobRecord {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.record(id).await;
            if record.state == state {
                return record;
            }
            assert!(Instant::now() < deadline, "{record:?} is not {state}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Short times, so that nobody waits for long.
pub(crate) fn quick() -> WorkerSettings {
    WorkerSettings {
        concurrency: 4,
        poll: Duration::from_millis(50),
        lease: Duration::from_secs(1),
        patience: Duration::from_millis(300),
        ..WorkerSettings::default()
    }
}

/// Waits for what must come.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}
