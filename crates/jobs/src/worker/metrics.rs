use std::sync::atomic::{AtomicUsize, Ordering};

use cartwright_storage::{Claimed, JobName, JobOutcome, QueueFigures, TakenBack};
use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, Histogram, Unit};

use super::run::Ended;

const CLAIMED: &str = "cartwright_jobs_claimed_total";
const ENDED: &str = "cartwright_jobs_ended_total";
const RUN: &str = "cartwright_jobs_run_seconds";
const WAIT: &str = "cartwright_jobs_wait_seconds";
const RUNNING: &str = "cartwright_jobs_running";
const LOST: &str = "cartwright_jobs_lost_total";
const TAKEN_BACK: &str = "cartwright_jobs_taken_back_total";
const TICKS: &str = "cartwright_jobs_ticks_total";
const CLAIM_BATCH: &str = "cartwright_jobs_claim_batch";
const FINISH_BATCH: &str = "cartwright_jobs_finish_batch";
const QUEUED: &str = "cartwright_jobs_queued";
const DUE: &str = "cartwright_jobs_due";
const DEAD: &str = "cartwright_jobs_dead";
const OLDEST: &str = "cartwright_jobs_oldest_due_seconds";

/// Describes the metrics of this crate to the installed recorder.
pub fn describe_metrics() {
    metrics::describe_counter!(CLAIMED, "Jobs that this process claimed, by queue");
    metrics::describe_counter!(ENDED, "Attempts that ended here, by kind and outcome");
    metrics::describe_histogram!(RUN, Unit::Seconds, "Time of an attempt, by kind");
    metrics::describe_histogram!(WAIT, Unit::Seconds, "Time from when a job was due to its claim, by queue");
    metrics::describe_gauge!(RUNNING, "Jobs that run in this process, of all its workers");
    metrics::describe_counter!(LOST, "Jobs that ended here after they were given to somebody else");
    metrics::describe_counter!(TAKEN_BACK, "Jobs of dead workers that this process took back, by outcome");
    metrics::describe_counter!(TICKS, "Times of schedules that this process ran, by schedule");
    metrics::describe_histogram!(CLAIM_BATCH, "Jobs in one claim");
    metrics::describe_histogram!(FINISH_BATCH, "Jobs whose ends were written together");
    metrics::describe_gauge!(QUEUED, "Jobs that wait, by queue; the same on every worker");
    metrics::describe_gauge!(DUE, "Jobs that wait and are due, by queue; the same on every worker");
    metrics::describe_gauge!(DEAD, "Dead letters, by queue; the same on every worker");
    metrics::describe_gauge!(OLDEST, Unit::Seconds, "For how long the next job has been due, by queue");
}

/// What a worker counts.
pub(super) struct Figures {
    /// Of all workers of the process together.
    running: Gauge,
    /// Those of this one, as they were told last.
    told: AtomicUsize,
    lost: Counter,
    claim_batch: Histogram,
    finish_batch: Histogram,
}

impl Figures {
    pub(super) fn register() -> Self {
        Self {
            running: metrics::gauge!(RUNNING),
            told: AtomicUsize::new(0),
            lost: metrics::counter!(LOST),
            claim_batch: metrics::histogram!(CLAIM_BATCH),
            finish_batch: metrics::histogram!(FINISH_BATCH),
        }
    }

    pub(super) fn claimed(&self, jobs: &[Claimed], now: DateTime<Utc>) {
        if jobs.is_empty() {
            return;
        }
        self.claim_batch.record(jobs.len() as f64);
        for of_queue in jobs.chunk_by(|a, b| a.queue == b.queue) {
            let Some(first) = of_queue.first() else { continue };
            let queue = first.queue.to_string();
            metrics::counter!(CLAIMED, "queue" => queue.clone()).increment(of_queue.len() as u64);
            let wait = metrics::histogram!(WAIT, "queue" => queue);
            for job in of_queue {
                wait.record((now - job.run_at).to_std().unwrap_or_default());
            }
        }
    }

    pub(super) fn running(&self, jobs: usize) {
        let before = self.told.swap(jobs, Ordering::Relaxed);
        self.running.increment(jobs as f64 - before as f64);
    }

    pub(super) fn ended(&self, ended: &Ended) {
        let outcome = match &ended.outcome {
            Some(JobOutcome::Done) => "done",
            Some(JobOutcome::Retry { .. }) => "retry",
            Some(JobOutcome::Dead { .. }) => "dead",
            Some(JobOutcome::Cancelled) => "cancelled",
            Some(JobOutcome::Returned { .. }) => "returned",
            None => "lost",
        };
        metrics::counter!(ENDED, "kind" => ended.kind, "outcome" => outcome).increment(1);
        metrics::histogram!(RUN, "kind" => ended.kind).record(ended.took);
    }

    pub(super) fn tells(&self, jobs: usize) {
        self.finish_batch.record(jobs as f64);
    }

    pub(super) fn lost(&self) {
        self.lost.increment(1);
    }

    pub(super) fn taken_back(&self, taken: TakenBack) {
        for (outcome, n) in [("again", taken.again), ("dead", taken.dead), ("cancelled", taken.cancelled)] {
            metrics::counter!(TAKEN_BACK, "outcome" => outcome).increment(n);
        }
    }

    pub(super) fn ticked(&self, schedule: &JobName) {
        metrics::counter!(TICKS, "schedule" => schedule.to_string()).increment(1);
    }

    pub(super) fn queues(&self, figures: &[QueueFigures]) {
        for figures in figures {
            let queue = || figures.queue.to_string();
            metrics::gauge!(QUEUED, "queue" => queue()).set(figures.queued as f64);
            metrics::gauge!(DUE, "queue" => queue()).set(figures.due as f64);
            metrics::gauge!(DEAD, "queue" => queue()).set(figures.dead as f64);
            metrics::gauge!(OLDEST, "queue" => queue()).set(figures.oldest_due.unwrap_or_default());
        }
    }
}
