//! The workers of one process. Deliveries of webhooks have a worker of their own: receivers that hang hold up other
//! deliveries, and nothing else.

use cartwright_jobs::{JobQueue, Registry, Schedule, Worker, WorkerSettings};
use cartwright_storage::{DELIVERIES, JobName};
use futures_util::future::join_all;

use crate::{config::Settings, maintenance};

/// At least one.
pub(crate) struct Workers(Vec<Worker>);

impl Workers {
    /// Starts them on the current tokio runtime. `rest`: how that for everything but deliveries works, and the queues of
    /// both.
    pub(crate) fn start(
        settings: &Settings,
        queue: &JobQueue,
        registry: &Registry,
        rest: WorkerSettings,
    ) -> anyhow::Result<Self> {
        let queues = rest.queues.clone().unwrap_or_else(|| registry.queues().to_vec());
        let (deliveries, others): (Vec<JobName>, Vec<JobName>) =
            queues.into_iter().partition(|queue| queue.as_str() == DELIVERIES);
        let concurrency = settings.webhooks.concurrency;
        let shares = [
            WorkerSettings { queues: Some(others), ..rest.clone() },
            WorkerSettings { queues: Some(deliveries), concurrency, ..rest },
        ];
        // Schedules are run once, whoever runs them.
        let mut schedules: Vec<Schedule> = maintenance::schedules()?;
        let named = |share: &WorkerSettings| share.queues.as_ref().is_some_and(|queues| !queues.is_empty());
        let start = |share| {
            let builder = Worker::builder(queue.clone(), registry.clone());
            builder.schedules(std::mem::take(&mut schedules)).settings(share).start()
        };
        Ok(Self(shares.into_iter().filter(named).map(start).collect()))
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|worker| worker.name().as_str()).collect()
    }

    /// As [`Worker::shutdown`], all at the same time.
    pub(crate) async fn shutdown(self) {
        join_all(self.0.into_iter().map(Worker::shutdown)).await;
    }
}
