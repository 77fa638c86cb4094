use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{JobId, JobName, MAX_NOTE, Payload, Priority, UniqueKey, kept_text};

/// A job to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Where it waits.
    pub queue: JobName,
    /// What does it.
    pub kind: JobName,
    /// What it is about.
    pub payload: Payload,
    /// How it stands against others in its queue.
    pub priority: Priority,
    /// Not before. `None`: at once.
    pub run_at: Option<DateTime<Utc>>,
    /// How often it is tried; at least once.
    pub max_attempts: u16,
    /// While a job with this key is unfinished (it waits or runs), another one is not made.
    pub unique_key: Option<UniqueKey>,
}

impl NewJob {
    /// A job of normal priority that is due at once and tried five times.
    pub fn new(queue: JobName, kind: JobName, payload: Payload) -> Self {
        Self {
            queue,
            kind,
            payload,
            priority: Priority::NORMAL,
            run_at: None,
            max_attempts: 5,
            unique_key: None,
        }
    }
}

/// What became of a job that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was made.
    New(JobId),
    /// This one has the same key and is unfinished: none was made.
    Existing(JobId),
}

impl Enqueued {
    /// The job that there is now.
    pub fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// What a worker wants.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who.
    pub worker: &'a JobName,
    /// Of which queues. One that is not named is left alone.
    pub queues: &'a [JobName],
    /// How many at most.
    pub limit: u32,
    /// How long they are his without a heartbeat.
    pub lease: Duration,
}

/// A claim of one job by one worker. Each claim of a job has a higher fence than those before; what comes with an older
/// one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The job.
    pub id: JobId,
    /// Which claim of it.
    pub fence: i32,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// To be named in whatever is told of it.
    pub hold: Hold,
    /// Where it waited.
    pub queue: JobName,
    /// What does it.
    pub kind: JobName,
    /// What it is about.
    pub payload: Payload,
    /// How it stood.
    pub priority: Priority,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// When it became due.
    pub run_at: DateTime<Utc>,
}

/// How far a running job has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Progress {
    /// Of a hundred.
    pub percent: u8,
    /// In words; at most 200 characters are kept.
    pub note: String,
}

impl Progress {
    /// As it is kept.
    pub fn kept(&self) -> Self {
        Self { percent: self.percent.min(100), note: kept_text(&self.note, MAX_NOTE) }
    }
}

/// A sign of life.
#[derive(Debug, Clone)]
pub struct Heartbeat<'a> {
    /// Whose.
    pub worker: &'a JobName,
    /// What he works on.
    pub queues: &'a [JobName],
    /// How many jobs he runs at a time.
    pub concurrency: u32,
    /// How long his jobs are his from now on.
    pub lease: Duration,
    /// The jobs, with their progress where there is any to tell.
    pub jobs: &'a [(Hold, Option<Progress>)],
}

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The job is still his.
    Held,
    /// It is, and somebody wants it cancelled.
    Cancel,
    /// It is not: what he does for it is in vain.
    Lost,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// It is done.
    Done,
    /// It failed, and is tried again.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// Why it failed; at most [`MAX_ERROR`](super::MAX_ERROR) characters are kept.
        error: String,
    },
    /// It failed, and is not tried again: a dead letter.
    Dead {
        /// Why, likewise.
        error: String,
    },
    /// It was stopped because somebody wanted that.
    Cancelled,
    /// It was given back: this was no attempt.
    Returned {
        /// Not before.
        at: DateTime<Utc>,
    },
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Of which claim.
    pub hold: Hold,
    /// How it ended.
    pub outcome: JobOutcome,
}

/// What became of jobs whose workers were heard of no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenBack {
    /// So many run again.
    pub again: u64,
    /// So many had no attempt left.
    pub dead: u64,
    /// So many were to be cancelled.
    pub cancelled: u64,
}

impl TakenBack {
    /// All of them.
    pub fn total(self) -> u64 {
        self.again + self.dead + self.cancelled
    }
}

/// What became of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelling {
    /// It had not begun, and never will.
    Cancelled,
    /// It runs; its worker is told.
    Requested,
    /// It had ended already, or is a dead letter.
    Ended,
    /// There is no such job.
    Unknown,
}

/// What became of a wish to have a dead letter tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It waits, with all of its attempts before it.
    Queued,
    /// It is no dead letter.
    NotDead,
    /// Another job with its key is unfinished.
    Duplicate(JobId),
    /// There is no such job.
    Unknown,
}

/// What became of a wish to have dead letters tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetriedDead {
    /// So many wait.
    pub retried: u64,
    /// So many are dead letters still: another job with their key is unfinished.
    pub duplicates: u64,
    /// The highest id that was looked at. `None`: there are no more.
    pub last: Option<JobId>,
}

/// How many jobs of a queue are begun, by all workers together: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// On average.
    pub per_second: f64,
    /// At once after a pause; at least 1.
    pub burst: u32,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Which schedule.
    pub schedule: JobName,
    /// Which run.
    pub at: DateTime<Utc>,
    /// What is to be done. `None`: only remember that the schedule has come so far.
    pub job: Option<NewJob>,
}
