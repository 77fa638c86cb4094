//! Jobs as they go over the wire.

use cartwright_storage::{Attempt, JobRecord, QueueFigures, WorkerRecord};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// A background job.
#[derive(Serialize, ToSchema)]
pub(crate) struct Job {
    #[schema(example = "4711")]
    id: String,
    #[schema(example = "maintenance")]
    queue: String,
    #[schema(example = "statistics.refresh")]
    kind: String,
    /// `queued`, `running`, `done`, `dead` or `cancelled`.
    #[schema(example = "done")]
    state: &'static str,
    /// From -10 to 10.
    #[schema(minimum = -10, maximum = 10, example = 0)]
    priority: i16,
    created_at: DateTime<Utc>,
    /// When it is or was due.
    run_at: DateTime<Utc>,
    /// How often it was tried.
    #[schema(example = 1)]
    attempt: u16,
    /// How often it may be.
    #[schema(example = 5)]
    max_attempts: u16,
    /// While a job with this key is unfinished, another one is not made.
    #[schema(example = "statistics.refresh")]
    unique_key: Option<String>,
    /// Who has it, or had it last.
    #[schema(example = "worker-812-9f3c41d2")]
    worker: Option<String>,
    started_at: Option<DateTime<Utc>>,
    /// Until when it is the worker's without another heartbeat.
    lease_until: Option<DateTime<Utc>>,
    progress: Option<JobProgress>,
    /// Whether somebody wants it cancelled while it runs.
    #[schema(example = false)]
    cancel_requested: bool,
    finished_at: Option<DateTime<Utc>>,
}

/// How far a job has come.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobProgress {
    /// Per cent.
    #[schema(maximum = 100, example = 40)]
    percent: u8,
    #[schema(example = "1,200 of 3,000")]
    note: String,
}

impl From<JobRecord> for Job {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id.to_string(),
            queue: job.queue.to_string(),
            kind: job.kind.to_string(),
            state: job.state.as_str(),
            priority: job.priority.get(),
            created_at: job.created_at,
            run_at: job.run_at,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            unique_key: job.unique_key,
            worker: job.worker,
            started_at: job.started_at,
            lease_until: job.lease_until,
            progress: job
                .progress
                .map(|progress| JobProgress { percent: progress.percent, note: progress.note }),
            cancel_requested: job.cancel_requested,
            finished_at: job.finished_at,
        }
    }
}

/// A page of jobs, latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Jobs {
    pub(crate) items: Vec<Job>,
    /// Where the next page begins. `null`: this is the last.
    #[schema(example = "4691")]
    pub(crate) next_cursor: Option<String>,
}

/// A job with what it is about and its attempts.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobDetails {
    #[serde(flatten)]
    pub(crate) job: Job,
    /// What it is about.
    #[schema(value_type = Object, example = json!({"order_id": "0198c5a0-7c1e-7000-8000-000000000001"}))]
    pub(crate) payload: Box<RawValue>,
    /// Attempts that did not end well, oldest first.
    pub(crate) attempts: Vec<JobAttempt>,
}

/// An attempt that did not end well.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobAttempt {
    /// Which one, from 1. Dead letters that are tried again begin anew.
    #[schema(example = 1)]
    attempt: u16,
    #[schema(example = "worker-812-9f3c41d2")]
    worker: String,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    #[schema(example = "connection refused")]
    error: String,
}

impl From<Attempt> for JobAttempt {
    fn from(Attempt { attempt, worker, started_at, ended_at, error }: Attempt) -> Self {
        Self { attempt, worker, started_at, ended_at, error }
    }
}

/// What was done with a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobOutcome {
    #[schema(example = "4711")]
    pub(crate) id: String,
    /// `queued` when it is tried again; `cancelled`, or `requested` when it runs and is told to stop.
    #[schema(example = "queued")]
    pub(crate) outcome: &'static str,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Purged {
    #[schema(example = 12)]
    pub(crate) removed: u64,
}

/// What is tried again.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetriedJobs {
    /// So many wait.
    #[schema(example = 12)]
    pub(crate) retried: u64,
    /// So many are dead letters still: another job with their key is not finished.
    #[schema(example = 0)]
    pub(crate) duplicates: u64,
}

/// All queues.
#[derive(Serialize, ToSchema)]
pub(crate) struct Queues {
    pub(crate) items: Vec<QueueStats>,
}

/// How a queue is doing. No number is counted beyond 100,000.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueStats {
    #[schema(example = "maintenance")]
    queue: String,
    #[schema(example = false)]
    paused: bool,
    /// Jobs that are begun in a second at most, on average. `null`: no limit.
    #[schema(example = 50.0)]
    rate_per_second: Option<f64>,
    /// Jobs that are begun at once at most, after a pause.
    #[schema(example = 100)]
    burst: Option<u32>,
    /// Jobs that wait.
    #[schema(example = 3)]
    queued: u64,
    /// Those of them that are due.
    #[schema(example = 2)]
    due: u64,
    #[schema(example = 1)]
    running: u64,
    /// Dead letters.
    #[schema(example = 0)]
    dead: u64,
    #[schema(example = 240)]
    done_last_minute: u64,
    /// For how long the next job has been due. `null`: none is.
    #[schema(example = 0.4)]
    oldest_due_seconds: Option<f64>,
    /// How long those of the last minute took, on average.
    #[schema(example = 0.012)]
    mean_run_seconds: Option<f64>,
    /// How long they had been due before they began, on average.
    #[schema(example = 0.05)]
    mean_wait_seconds: Option<f64>,
}

impl From<QueueFigures> for QueueStats {
    fn from(figures: QueueFigures) -> Self {
        let seconds = |span: Option<std::time::Duration>| span.map(|span| span.as_secs_f64());
        Self {
            queue: figures.queue.to_string(),
            paused: figures.paused,
            rate_per_second: figures.rate.map(|rate| rate.per_second),
            burst: figures.rate.map(|rate| rate.burst),
            queued: figures.queued,
            due: figures.due,
            running: figures.running,
            dead: figures.dead,
            done_last_minute: figures.done_last_minute,
            oldest_due_seconds: seconds(figures.oldest_due),
            mean_run_seconds: seconds(figures.mean_run),
            mean_wait_seconds: seconds(figures.mean_wait),
        }
    }
}

/// Whether a queue is paused now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Paused {
    #[schema(example = "maintenance")]
    pub(crate) queue: String,
    #[schema(example = true)]
    pub(crate) paused: bool,
}

/// How many jobs of a queue are begun.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `Fields` reads")]
pub(crate) struct NewRate {
    /// On average, by all workers together. More than 0; pause the queue when nothing of it is to be begun.
    #[schema(exclusive_minimum = 0.0, maximum = 1_000_000.0, example = 50.0)]
    per_second: f64,
    /// At once, after a pause. Absent or `null`: as many as in a second, and at least one.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    burst: Option<u32>,
}

/// How many jobs of a queue are begun now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Limited {
    #[schema(example = "maintenance")]
    pub(crate) queue: String,
    /// `null`: as many as there are.
    #[schema(example = 50.0)]
    pub(crate) rate_per_second: Option<f64>,
    #[schema(example = 100)]
    pub(crate) burst: Option<u32>,
}

/// All workers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workers {
    pub(crate) items: Vec<WorkerStats>,
}

/// A process that works on jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerStats {
    #[schema(example = "worker-812-9f3c41d2")]
    worker: String,
    #[schema(example = json!(["maintenance"]))]
    queues: Vec<String>,
    /// Jobs that it runs at a time.
    #[schema(example = 16)]
    concurrency: u32,
    /// Jobs that it has.
    #[schema(example = 1)]
    running: u64,
    started_at: DateTime<Utc>,
    /// When it was last heard of.
    seen_at: DateTime<Utc>,
    /// Whether that was lately enough.
    #[schema(example = true)]
    alive: bool,
}

impl WorkerStats {
    pub(crate) fn of(worker: WorkerRecord, now: DateTime<Utc>) -> Self {
        Self {
            worker: worker.worker.to_string(),
            queues: worker.queues,
            concurrency: worker.concurrency,
            running: worker.running,
            started_at: worker.started_at,
            seen_at: worker.seen_at,
            alive: worker.alive_until > now,
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct ListParams {
    /// Only of this queue
    #[param(pattern = "^[A-Za-z0-9._:-]{1,100}$", example = "maintenance")]
    queue: Option<String>,
    /// Only in this state: `queued`, `running`, `done`, `dead` or `cancelled`
    #[param(pattern = "^(queued|running|done|dead|cancelled)$", example = "dead")]
    state: Option<String>,
    /// Only of this kind
    #[param(pattern = "^[A-Za-z0-9._:-]{1,100}$", example = "statistics.refresh")]
    kind: Option<String>,
    /// The `next_cursor` of the page before
    #[param(pattern = "^[0-9]{0,18}$", example = "4691")]
    cursor: Option<String>,
    /// How many
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct DeadParams {
    /// `dead`: it is for dead letters only
    #[param(pattern = "^dead$", example = "dead")]
    state: String,
    /// Only of this queue
    #[param(pattern = "^[A-Za-z0-9._:-]{1,100}$", example = "maintenance")]
    queue: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct FailuresParams {
    /// Only of this queue
    #[param(pattern = "^[A-Za-z0-9._:-]{1,100}$", example = "maintenance")]
    queue: Option<String>,
    /// How many
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}
