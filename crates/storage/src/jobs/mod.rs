//! A queue of jobs in the database.
//!
//! A job waits, is claimed by a worker for the time of a lease, and ends as done, cancelled or dead. Whatever a worker
//! says of a job names the claim by which he has it ([`Hold`]); a worker that was thought dead, and whose job was given to
//! somebody else, changes nothing any more.

mod counts;
mod names;
mod records;
mod values;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use counts::{AttemptEnd, Counted, JobCount, SLOT_SECONDS, slot_of, span_quantile, span_step};
pub use names::{JobError, JobId, JobName, Payload, Priority, UniqueKey, kept_text};
pub use records::{
    Attempt, JobFilter, JobRecord, JobState, LEASE_LOST, MAX_ATTEMPT, MAX_ATTEMPTS, MAX_COUNTED, MAX_ERROR,
    MAX_HISTORY, MAX_NOTE, QueueFigures, WorkerRecord,
};
pub use values::{
    Beat, Cancelling, Claim, Claimed, Enqueued, Finished, Heartbeat, Hold, JobOutcome, NewJob, Progress,
    Rate, Retried, RetriedDead, TakenBack, Tick,
};

use crate::StorageError;

/// Keeps jobs. Each method is one transaction, with a number of statements that does not depend on how many jobs there
/// are.
///
/// `now` is the caller's time. Leases are compared by it: the clocks of all processes on one database must agree within a
/// small part of a lease.
#[async_trait]
pub trait JobStore: Send + Sync + std::fmt::Debug + 'static {
    /// Makes jobs, all or none: one answer for each, in order. Stores that make other things make jobs with them, in the
    /// same transaction.
    ///
    /// # Errors
    /// [`StorageError`]: then none was made, except that an error at the commit itself leaves it open.
    async fn enqueue(&self, jobs: &[NewJob], now: DateTime<Utc>) -> Result<Vec<Enqueued>, StorageError>;

    /// Gives due jobs to a worker, in the order of their ranks, and no job twice. Queues that are paused are left alone;
    /// of one with a rate no more are given than its bucket has tokens. A job that somebody else is about to get is passed
    /// over. A store under strain may for about a second not see jobs that came to wait in front of those that it has given
    /// out.
    ///
    /// # Errors
    /// [`StorageError`]: then none was given, or they come back when their leases end.
    async fn claim(&self, claim: &Claim<'_>, now: DateTime<Utc>) -> Result<Vec<Claimed>, StorageError>;

    /// Renews the leases of a worker's jobs, and keeps their progress. One answer for each, in order.
    ///
    /// # Errors
    /// [`StorageError`]: leases may have been renewed or not.
    async fn heartbeat(&self, beat: &Heartbeat<'_>, now: DateTime<Utc>) -> Result<Vec<Beat>, StorageError>;

    /// The jobs of a worker that somebody wants cancelled. Cheap: asked several times a second.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn to_cancel(&self, worker: &JobName) -> Result<Vec<Hold>, StorageError>;

    /// Ends attempts. One answer for each, in order: whether the job was still held. If it was not, nothing has changed.
    ///
    /// # Errors
    /// [`StorageError`]: then none was ended, except that an error at the commit itself leaves it open; trying again does
    /// no harm.
    async fn finish(&self, finished: &[Finished], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError>;

    /// Takes back jobs whose lease has ended, at most `limit`. That was an attempt: those that have more before them are
    /// due at once, the others are dead letters.
    ///
    /// # Errors
    /// [`StorageError`]: then none was taken back.
    async fn take_back(&self, now: DateTime<Utc>, limit: u32) -> Result<TakenBack, StorageError>;

    /// Cancels a job, or asks its worker to.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn cancel_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Cancelling, StorageError>;

    /// Has a dead letter tried again, as often as at first.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn retry_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Retried, StorageError>;

    /// Has dead letters tried again, of one queue or of all: those with a higher id than `after`, lowest first, at most
    /// `limit`. One whose key another unfinished job has stays what it is. To have all of them, go on from
    /// [`RetriedDead::last`].
    ///
    /// # Errors
    /// [`StorageError`]: then none is.
    async fn retry_dead(
        &self,
        queue: Option<&JobName>,
        after: JobId,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<RetriedDead, StorageError>;

    /// Removes dead letters, of one queue or of all, at most `limit`. Returns how many.
    ///
    /// # Errors
    /// [`StorageError`]: then none was removed.
    async fn purge_dead(&self, queue: Option<&JobName>, limit: u32) -> Result<u64, StorageError>;

    /// Lists jobs, latest first. What they are about is left out: their payload is `null`.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobRecord>, StorageError>;

    /// A job with its attempts that did not end well, oldest first. `None`: there is no such job (any more).
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn job(&self, id: JobId) -> Result<Option<(JobRecord, Vec<Attempt>)>, StorageError>;

    /// Jobs of one queue or of all that are not finished and whose last attempt failed, latest failure first: each with
    /// that attempt. They are dead letters, or wait for their next attempt, or are at it. What they are about is left out.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn failing_jobs(
        &self,
        queue: Option<&JobName>,
        limit: u32,
    ) -> Result<Vec<(JobRecord, Attempt)>, StorageError>;

    /// How all queues are doing that have jobs or settings, by name.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be counted.
    async fn queue_figures(&self, now: DateTime<Utc>) -> Result<Vec<QueueFigures>, StorageError>;

    /// Stops a queue from being worked on, or lets it go on. What runs is not touched.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn pause_queue(&self, queue: &JobName, paused: bool) -> Result<(), StorageError>;

    /// Limits how many jobs of a queue are begun; the bucket is full at first. `None`: no limit.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn limit_queue(
        &self,
        queue: &JobName,
        rate: Option<Rate>,
        now: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Adds to what was counted, and forgets what was counted in slots before a time.
    ///
    /// # Errors
    /// [`StorageError`]: then nothing was added, except that an error at the commit itself leaves it open.
    async fn add_counts(&self, counts: &[JobCount], forget_before: DateTime<Utc>)
    -> Result<(), StorageError>;

    /// What was counted in this slot and later, by all workers together: one answer for each slot, queue and thing, in no
    /// order.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn counts_since(&self, slot: DateTime<Utc>) -> Result<Vec<JobCount>, StorageError>;

    /// The workers that were heard of and have not said goodbye, by name.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, StorageError>;

    /// Forgets a worker that has stopped, and all that were not heard of since `before`.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn forget_workers(
        &self,
        stopped: Option<&JobName>,
        before: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Runs schedules: makes the job of each tick that is later than all before it of the same schedule, in the same
    /// transaction as remembering that. Each schedule is named once. One answer for each, in order: whether this call was
    /// the one.
    ///
    /// # Errors
    /// [`StorageError`]: then none was run, except that an error at the commit itself leaves it open.
    async fn run_ticks(&self, ticks: &[Tick], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError>;

    /// The last tick of each schedule, in order. `None`: it never ran.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn last_ticks(&self, schedules: &[&JobName]) -> Result<Vec<Option<DateTime<Utc>>>, StorageError>;

    /// Removes jobs that were done or cancelled before a time, at most `limit`. Returns how many.
    ///
    /// # Errors
    /// [`StorageError`]: then none was removed.
    async fn clean_finished(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError>;
}
