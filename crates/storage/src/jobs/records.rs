use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{JobId, JobName, Payload, Priority, Progress, Rate};

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It waits, until it is due or until a worker is free.
    Queued,
    /// A worker has it.
    Running,
    /// It was done.
    Done,
    /// It failed as often as it may: a dead letter.
    Dead,
    /// Somebody cancelled it.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The numbers by which stores keep it: those of jobs that are not finished, and of those that are.
    ///
    /// 0 waits for its time, 1 waits for a worker, 2 runs, 3 is dead; 4 is done, 5 is cancelled.
    pub fn numbers(self) -> (&'static [i16], &'static [i16]) {
        match self {
            Self::Queued => (&[0, 1], &[]),
            Self::Running => (&[2], &[]),
            Self::Dead => (&[3], &[]),
            Self::Done => (&[], &[4]),
            Self::Cancelled => (&[], &[5]),
        }
    }

    /// Of such a number.
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| {
            let (live, finished) = state.numbers();
            live.contains(&number) || finished.contains(&number)
        })
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that is known of a job, but its past attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Which one.
    pub id: JobId,
    /// Where it waits or waited.
    pub queue: JobName,
    /// What does it.
    pub kind: JobName,
    /// What it is about.
    pub payload: Payload,
    /// Where it is in its life.
    pub state: JobState,
    /// How it stands against others.
    pub priority: Priority,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it is or was due.
    pub run_at: DateTime<Utc>,
    /// How often it was tried, the present time included.
    pub attempt: u16,
    /// How often it may be.
    pub max_attempts: u16,
    /// Its key, if it is unique.
    pub unique_key: Option<String>,
    /// Who has it, or had it last.
    pub worker: Option<String>,
    /// When that began.
    pub started_at: Option<DateTime<Utc>>,
    /// Until when it is his without another heartbeat. `None`: it does not run.
    pub lease_until: Option<DateTime<Utc>>,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// Whether somebody wants it cancelled while it runs.
    pub cancel_requested: bool,
    /// When it ended. `None`: it has not, or is dead and may be tried again.
    pub finished_at: Option<DateTime<Utc>>,
}

impl JobRecord {
    /// The last attempt of what a store has kept of this job's; what is known without that, if it has kept none.
    pub fn last_attempt(&self, kept: &str) -> Attempt {
        let started_at = self.started_at.unwrap_or(self.run_at);
        let unknown = || Attempt {
            attempt: self.attempt,
            worker: self.worker.clone().unwrap_or_default(),
            started_at,
            ended_at: started_at,
            error: String::new(),
        };
        Attempt::read(kept).pop().unwrap_or_else(unknown)
    }
}

/// An attempt that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which one, from 1. Dead letters that are tried again begin anew.
    pub attempt: u16,
    /// Who tried.
    pub worker: String,
    /// When that began.
    pub started_at: DateTime<Utc>,
    /// When it ended, or was given up.
    pub ended_at: DateTime<Utc>,
    /// Why it failed.
    pub error: String,
}

/// The most attempts that a job may have.
pub const MAX_ATTEMPTS: u16 = 1_000;

/// The most characters of the words about a job's progress that are kept.
pub const MAX_NOTE: usize = 200;

/// The most characters of an error that are kept.
pub const MAX_ERROR: usize = 1_000;

/// The most characters of a job's past attempts that are kept, the latest ones.
pub const MAX_HISTORY: usize = 65_536;

/// The last of a job's past attempts is not longer, as it is kept: each character of its error may be escaped.
pub const MAX_ATTEMPT: usize = 8_192;

/// The error of an attempt whose worker was heard of no more.
pub const LEASE_LOST: &str = "the worker was heard of no more";

/// An attempt as stores keep it: one JSON object a line, times in microseconds since 1970.
#[derive(Deserialize)]
struct KeptAttempt {
    attempt: u16,
    worker: Option<String>,
    started_at: Option<i64>,
    ended_at: i64,
    error: String,
}

impl Attempt {
    /// Reads what a store has kept, oldest first. A line whose beginning was cut off is left out.
    pub fn read(kept: &str) -> Vec<Self> {
        let attempt = |line: &str| {
            let KeptAttempt { attempt, worker, started_at, ended_at, error } =
                serde_json::from_str(line).ok()?;
            let ended_at = DateTime::from_timestamp_micros(ended_at)?;
            let started_at = started_at.and_then(DateTime::from_timestamp_micros).unwrap_or(ended_at);
            Some(Self { attempt, worker: worker.unwrap_or_default(), started_at, ended_at, error })
        };
        kept.lines().filter_map(attempt).collect()
    }
}

/// Which jobs to list, latest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobFilter {
    /// Of this queue.
    pub queue: Option<JobName>,
    /// Of this kind.
    pub kind: Option<JobName>,
    /// In this state.
    pub state: Option<JobState>,
    /// Older than this one: where the page before ended.
    pub before: Option<JobId>,
    /// How many at most.
    pub limit: u32,
}

/// How a queue is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueFigures {
    /// Which one.
    pub queue: JobName,
    /// Whether it is paused: nothing of it is begun.
    pub paused: bool,
    /// How many of its jobs are begun. `None`: as many as there are.
    pub rate: Option<Rate>,
    /// Jobs that wait, at most [`MAX_COUNTED`] are counted.
    pub queued: u64,
    /// Those of them that are due, likewise.
    pub due: u64,
    /// Jobs that run, likewise.
    pub running: u64,
    /// Dead letters, likewise.
    pub dead: u64,
    /// Jobs that were done in the last minute, likewise.
    pub done_last_minute: u64,
    /// For how long the job that is next has been due. `None`: none is.
    pub oldest_due: Option<Duration>,
    /// How long those of the last minute took, on average. `None`: there were none.
    pub mean_run: Option<Duration>,
    /// How long they had been due before they began, on average.
    pub mean_wait: Option<Duration>,
}

impl QueueFigures {
    /// A queue of which nothing was counted yet.
    pub fn of_none(queue: JobName) -> Self {
        Self {
            queue,
            paused: false,
            rate: None,
            queued: 0,
            due: 0,
            running: 0,
            dead: 0,
            done_last_minute: 0,
            oldest_due: None,
            mean_run: None,
            mean_wait: None,
        }
    }

    /// Counts jobs that are due, the oldest of them for so many seconds.
    pub fn add_due(&mut self, jobs: u64, seconds: Option<f64>) {
        self.due += jobs;
        self.queued += jobs;
        self.oldest_due = self.oldest_due.max(span(seconds));
    }

    /// Counts jobs that were done, with their mean times in seconds.
    pub fn set_done(&mut self, jobs: u64, run: Option<f64>, wait: Option<f64>) {
        self.done_last_minute = jobs;
        (self.mean_run, self.mean_wait) = (span(run), span(wait));
    }
}

/// Clocks of different machines may disagree a little: no span is negative.
fn span(seconds: Option<f64>) -> Option<Duration> {
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}

/// Figures of queues are counted so far, and no further.
pub const MAX_COUNTED: u64 = 100_000;

/// A worker that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Who.
    pub worker: JobName,
    /// What he works on.
    pub queues: Vec<String>,
    /// How many jobs he runs at a time.
    pub concurrency: u32,
    /// How many he has at present.
    pub running: u64,
    /// When he was first heard of.
    pub started_at: DateTime<Utc>,
    /// When he was last heard of.
    pub seen_at: DateTime<Utc>,
    /// Until when he counts as alive.
    pub alive_until: DateTime<Utc>,
}
