//! Figures as they go over the wire.

use cartwright_jobs as jobs;
use cartwright_storage::{Attempt, JobRecord, SLOT_SECONDS, WorkerRecord};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Job, QueueStats, WorkerStats};

/// How the jobs are doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// When that was.
    at: DateTime<Utc>,
    /// All queues together. No number is counted beyond 100,000 for each of them.
    totals: Totals,
    queues: Vec<Queue>,
    workers: Vec<Worker>,
    /// Jobs whose last attempt failed, latest failure first; twenty at most.
    failing: Vec<Failing>,
    /// How many seconds each of the `slots` has.
    #[schema(example = 10)]
    slot_seconds: u32,
    /// The last ten minutes, oldest first.
    slots: Vec<Slot>,
}

/// What all queues have, and what was done lately.
#[derive(Serialize, ToSchema)]
struct Totals {
    /// Jobs that wait and are due.
    #[schema(example = 2)]
    due: u64,
    /// Jobs that wait for their time.
    #[schema(example = 1)]
    scheduled: u64,
    #[schema(example = 1)]
    running: u64,
    /// Dead letters.
    #[schema(example = 0)]
    dead: u64,
    /// Workers that were heard of lately.
    #[schema(example = 2)]
    workers: u64,
    #[serde(flatten)]
    lately: Lately,
}

/// What was done lately.
#[derive(Serialize, ToSchema)]
struct Lately {
    /// On average over the last minute.
    #[schema(example = 12.5)]
    done_per_second: f64,
    /// Attempts that failed, dead letters among them, likewise.
    #[schema(example = 0.1)]
    failed_per_second: f64,
    /// How long jobs had been due when they were begun, over the last five minutes. `null`: none was.
    wait_seconds: Option<Latency>,
    /// How long attempts took, likewise.
    run_seconds: Option<Latency>,
}

impl From<&jobs::Totals> for Lately {
    fn from(totals: &jobs::Totals) -> Self {
        Self {
            done_per_second: totals.done_per_second,
            failed_per_second: totals.failed_per_second,
            wait_seconds: totals.wait.map(Into::into),
            run_seconds: totals.run.map(Into::into),
        }
    }
}

/// Seconds. Right to a fifth.
#[derive(Serialize, ToSchema)]
struct Latency {
    /// Half took no longer.
    #[schema(example = 0.012)]
    p50: f64,
    /// All but one in twenty took no longer.
    #[schema(example = 0.05)]
    p95: f64,
}

impl From<jobs::Latency> for Latency {
    fn from(jobs::Latency { p50, p95 }: jobs::Latency) -> Self {
        Self { p50: p50.as_secs_f64(), p95: p95.as_secs_f64() }
    }
}

/// A queue, with what was done lately.
#[derive(Serialize, ToSchema)]
struct Queue {
    #[serde(flatten)]
    stats: QueueStats,
    /// Workers that were heard of lately and work on it.
    #[schema(example = 2)]
    workers: u32,
    #[serde(flatten)]
    lately: Lately,
    /// Jobs done in each of the `slots`.
    #[schema(example = json!([120, 130, 125]))]
    done: Vec<u64>,
    /// Attempts that failed in each of them.
    #[schema(example = json!([0, 0, 1]))]
    failed: Vec<u64>,
}

/// A process that works on jobs, and which ones it has.
#[derive(Serialize, ToSchema)]
struct Worker {
    #[serde(flatten)]
    stats: WorkerStats,
    /// Latest first. Of all workers together two hundred are named.
    jobs: Vec<Job>,
}

/// A job whose last attempt failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failing {
    #[serde(flatten)]
    job: Job,
    failed_at: DateTime<Utc>,
    #[schema(example = "connection refused")]
    error: String,
}

impl Failing {
    pub(crate) fn of((job, attempt): (JobRecord, Attempt)) -> Self {
        Self { job: job.into(), failed_at: attempt.ended_at, error: attempt.error }
    }
}

/// Jobs whose last attempt failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failures {
    pub(crate) items: Vec<Failing>,
}

/// What was done in ten seconds.
#[derive(Serialize, ToSchema)]
struct Slot {
    /// When they began.
    at: DateTime<Utc>,
    #[schema(example = 125)]
    done: u64,
    /// Attempts that failed, dead letters among them.
    #[schema(example = 1)]
    failed: u64,
    /// Dead letters.
    #[schema(example = 0)]
    dead: u64,
    wait_seconds: Option<Latency>,
    run_seconds: Option<Latency>,
}

impl From<&jobs::Slot> for Slot {
    fn from(slot: &jobs::Slot) -> Self {
        let jobs::Slot { at, done, failed, dead, wait, run } = *slot;
        let (wait_seconds, run_seconds) = (wait.map(Into::into), run.map(Into::into));
        Self { at, done, failed, dead, wait_seconds, run_seconds }
    }
}

impl Overview {
    pub(crate) fn of(overview: &jobs::Overview) -> Self {
        let sum = |of: fn(&jobs::QueueOverview) -> u64| overview.queues.iter().map(of).sum();
        let totals = Totals {
            due: sum(|queue| queue.figures.due),
            scheduled: sum(|queue| queue.figures.queued.saturating_sub(queue.figures.due)),
            running: sum(|queue| queue.figures.running),
            dead: sum(|queue| queue.figures.dead),
            workers: overview.workers.iter().filter(|worker| worker.alive_until > overview.at).count() as u64,
            lately: Lately::from(&overview.all),
        };
        Self {
            at: overview.at,
            totals,
            queues: overview.queues.iter().map(Queue::of).collect(),
            workers: overview.workers.iter().map(|worker| Worker::of(worker, overview)).collect(),
            failing: overview.failing.iter().cloned().map(Failing::of).collect(),
            slot_seconds: SLOT_SECONDS,
            slots: overview.all.slots.iter().map(Into::into).collect(),
        }
    }
}

impl Queue {
    fn of(queue: &jobs::QueueOverview) -> Self {
        let each = |of: fn(&jobs::Slot) -> u64| queue.totals.slots.iter().map(of).collect();
        Self {
            stats: queue.figures.clone().into(),
            workers: queue.workers,
            lately: Lately::from(&queue.totals),
            done: each(|slot| slot.done),
            failed: each(|slot| slot.failed),
        }
    }
}

impl Worker {
    fn of(worker: &WorkerRecord, overview: &jobs::Overview) -> Self {
        let name = worker.worker.as_str();
        let his = overview.running.iter().filter(|job| job.worker.as_deref() == Some(name));
        Self {
            jobs: his.cloned().map(Into::into).collect(),
            stats: WorkerStats::of(worker.clone(), overview.at),
        }
    }
}
