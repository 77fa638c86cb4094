use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use cartwright_jobs::WorkerSettings;
use cartwright_storage::JobName;
use serde::Deserialize;

use super::StoreKind;

/// How background jobs are worked on.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Jobs {
    /// What `serve` works on, beside `cartwright worker`.
    pub(crate) in_serve: InServe,
    /// The queues that `cartwright worker` works on. Empty: all. A queue that no worker names waits for ever.
    pub(crate) queues: Vec<String>,
    /// Jobs that run at a time in one process. Too high: the database connections are theirs, and jobs wait for each
    /// other's. Too low: jobs that wait for something else hold up the others.
    pub(crate) concurrency: usize,
    /// Jobs that are claimed, and ends that are written, in one transaction. Too high: long transactions. Too low: more
    /// commits for the same work.
    pub(crate) batch: u32,
    /// Milliseconds for which a process that has found no jobs does not look again. Too high: jobs that another process has
    /// made wait. Too low: the database is asked for nothing.
    pub(crate) poll_ms: u64,
    /// Seconds for which a job belongs to a process without a heartbeat; they come three times in it. Too high: the jobs of
    /// a dead process wait as long. Too low: a database that is slow for so long has jobs run twice.
    pub(crate) lease_seconds: u64,
    /// Seconds that running jobs get at shutdown, before they are stopped and given back. Too high: a restart hangs. Too
    /// low: long jobs begin anew.
    pub(crate) shutdown_seconds: u64,
    /// Where `cartwright worker` answers `/livez`, `/readyz`, `/health` and `/metrics`, as address and port. Not set:
    /// nowhere, so that several may run beside each other. Whoever reaches it can read the metrics.
    pub(crate) listen: Option<SocketAddr>,
    /// Hours for which finished jobs can be looked at. Too high: about a kilobyte each. Too low: nobody knows what happened.
    pub(crate) keep_done_hours: u32,
}

/// Which jobs `serve` works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InServe {
    /// On SQLite all, on PostgreSQL maintenance.
    Auto,
    /// All.
    All,
    /// Those that look after the database itself.
    Maintenance,
    /// None.
    Off,
}

impl Default for Jobs {
    fn default() -> Self {
        let worker = WorkerSettings::default();
        Self {
            in_serve: InServe::Auto,
            queues: Vec::new(),
            concurrency: worker.concurrency,
            batch: worker.batch,
            poll_ms: 500,
            lease_seconds: worker.lease.as_secs(),
            shutdown_seconds: 25,
            listen: None,
            keep_done_hours: 24,
        }
    }
}

impl Jobs {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, least, most) in [
            ("concurrency", self.concurrency as u64, 1, 1_000),
            ("batch", self.batch.into(), 1, 1_000),
            ("poll_ms", self.poll_ms, 10, 60_000),
            ("lease_seconds", self.lease_seconds, 3, 3_600),
            ("shutdown_seconds", self.shutdown_seconds, 0, 3_600),
            ("keep_done_hours", self.keep_done_hours.into(), 1, 100_000),
        ] {
            ensure!(
                (least..=most).contains(&value),
                "configuration key `jobs.{key}`: it is from {least} to {most}"
            );
        }
        self.named_queues().map(drop)
    }

    fn named_queues(&self) -> anyhow::Result<Option<Vec<JobName>>> {
        let names = self.queues.iter().map(|queue| JobName::new(queue).with_context(|| queue.clone()));
        let names = names.collect::<anyhow::Result<Vec<_>>>().context("configuration key `jobs.queues`")?;
        Ok((!names.is_empty()).then_some(names))
    }

    /// What `serve` works on.
    pub(crate) fn in_serve(&self, store: &StoreKind) -> InServe {
        match (self.in_serve, store) {
            (InServe::Auto, StoreKind::Sqlite(_)) => InServe::All,
            (InServe::Auto, StoreKind::Postgres) => InServe::Maintenance,
            (chosen, _) => chosen,
        }
    }

    /// How `cartwright worker` works.
    pub(crate) fn worker(&self) -> anyhow::Result<WorkerSettings> {
        Ok(WorkerSettings {
            name: None,
            queues: self.named_queues()?,
            concurrency: self.concurrency,
            batch: self.batch,
            poll: Duration::from_millis(self.poll_ms),
            lease: Duration::from_secs(self.lease_seconds),
            patience: Duration::from_secs(self.shutdown_seconds),
        })
    }
}
