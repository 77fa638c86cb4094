//! Works on jobs.

mod counts;
mod dispatch;
mod held;
mod metrics;
mod pace;
mod run;
mod upkeep;

use std::{fmt, sync::Arc, time::Duration};

use cartwright_storage::JobName;
use tokio::task::JoinHandle;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub(crate) use held::HeldJob;
pub use metrics::describe_metrics;
pub use run::panic_message;

use crate::{JobQueue, Registry, Schedule};
use counts::Counts;
use dispatch::Dispatcher;
use held::Held;
use metrics::Figures;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Who it is: no other worker on the database has the same name. `None`: a random one.
    pub name: Option<JobName>,
    /// What it works on. `None`: all queues of its registry.
    pub queues: Option<Vec<JobName>>,
    /// How many jobs run at a time.
    pub concurrency: usize,
    /// How many jobs are claimed, and how many ends are written, at once.
    pub batch: u32,
    /// How long it does not look for jobs when there are none and nobody says that there are.
    pub poll: Duration,
    /// For how long a job is this worker's without a heartbeat. Heartbeats come three times in it. Others run the jobs of
    /// a dead worker again when it has passed, and at most five seconds more.
    pub lease: Duration,
    /// How long jobs may run on after [`Worker::shutdown`] was called.
    pub patience: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: None,
            queues: None,
            concurrency: 16,
            batch: 500,
            poll: Duration::from_millis(500),
            lease: Duration::from_secs(15),
            patience: Duration::from_secs(30),
        }
    }
}

/// What the tasks of a worker have in common.
struct Shared {
    queue: JobQueue,
    registry: Registry,
    name: JobName,
    queues: Vec<JobName>,
    settings: WorkerSettings,
    held: Held,
    figures: Figures,
    counts: Counts,
    /// Cancelled when no more jobs are to be begun.
    ending: CancellationToken,
}

/// Puts a [`Worker`] together.
#[derive(Debug)]
pub struct WorkerBuilder {
    queue: JobQueue,
    registry: Registry,
    schedules: Vec<Schedule>,
    settings: WorkerSettings,
}

impl WorkerBuilder {
    /// Runs these schedules, too; their jobs need not be of queues that this worker works on.
    #[must_use]
    pub fn schedules(mut self, schedules: Vec<Schedule>) -> Self {
        self.schedules = schedules;
        self
    }

    /// Works like this.
    #[must_use]
    pub fn settings(mut self, settings: WorkerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the worker on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Worker {
        let Self { queue, registry, schedules, settings } = self;
        let name =
            settings.name.clone().unwrap_or_else(|| JobName::worker(std::process::id(), rand::random()));
        let queues = settings.queues.clone().unwrap_or_else(|| registry.queues().to_vec());
        let ending = CancellationToken::new();
        let shared = Arc::new(Shared {
            queue,
            registry,
            name: name.clone(),
            queues,
            settings,
            held: Held::default(),
            figures: Figures::register(),
            counts: Counts::default(),
            ending: ending.clone(),
        });
        let (killed, upkeep) = (CancellationToken::new(), TaskTracker::new());
        let until_killed = |task: futures_util::future::BoxFuture<'static, ()>| {
            let killed = killed.clone();
            async move {
                killed.run_until_cancelled_owned(task).await;
            }
        };
        upkeep.spawn(until_killed(Box::pin(upkeep::beat(Arc::clone(&shared)))));
        upkeep.spawn(until_killed(Box::pin(upkeep::let_go(Arc::clone(&shared)))));
        upkeep.spawn(until_killed(Box::pin(upkeep::cancel(Arc::clone(&shared)))));
        upkeep.spawn(until_killed(Box::pin(upkeep::take_back(Arc::clone(&shared)))));
        upkeep.spawn(until_killed(Box::pin(upkeep::count(Arc::clone(&shared)))));
        if !schedules.is_empty() {
            let schedule = upkeep::schedule(Arc::clone(&shared), schedules);
            let until_ending = async move {
                ending.run_until_cancelled_owned(schedule).await;
            };
            upkeep.spawn(until_killed(Box::pin(until_ending)));
        }
        let dispatcher = Dispatcher::new(Arc::clone(&shared)).run();
        let dispatcher = tokio::spawn(until_killed(Box::pin(dispatcher)));
        tracing::info!(worker = %name, queues = ?shared.queues.iter().map(JobName::as_str).collect::<Vec<_>>(), "works on jobs");
        Worker { shared, dispatcher: Some(dispatcher), upkeep, killed: killed.drop_guard() }
    }
}

/// Works on jobs until [`shutdown`](Self::shutdown). Dropped without that, it ends as a process that is killed: its jobs
/// are begun again by others when their leases have ended.
pub struct Worker {
    shared: Arc<Shared>,
    dispatcher: Option<JoinHandle<()>>,
    upkeep: TaskTracker,
    killed: DropGuard,
}

impl Worker {
    /// A worker on this queue, for the jobs that the registry has handlers for.
    pub fn builder(queue: JobQueue, registry: Registry) -> WorkerBuilder {
        WorkerBuilder { queue, registry, schedules: Vec::new(), settings: WorkerSettings::default() }
    }

    /// Who it is.
    pub fn name(&self) -> &JobName {
        &self.shared.name
    }

    /// Begins no more jobs, gives back those that were not begun, waits for those that run, stops them when they take
    /// longer than the worker's patience, and gives those back, too. None of what is given back counts as an attempt.
    /// Returns when all of that is written, or cannot be written for some seconds.
    pub async fn shutdown(mut self) {
        self.shared.ending.cancel();
        if let Some(dispatcher) = self.dispatcher.take()
            && let Err(error) = dispatcher.await
        {
            tracing::error!(%error, "the worker ended without a word");
        }
        // Leases were renewed up to here.
        drop(self.killed);
        self.upkeep.close();
        self.upkeep.wait().await;
        upkeep::tell_counts(&self.shared).await;
        let forgotten = self
            .shared
            .queue
            .store()
            .forget_workers(Some(&self.shared.name), chrono::DateTime::UNIX_EPOCH)
            .await;
        if let Err(error) = forgotten {
            tracing::debug!(%error, "the worker could not say goodbye");
        }
        tracing::info!(worker = %self.shared.name, "works on jobs no more");
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
