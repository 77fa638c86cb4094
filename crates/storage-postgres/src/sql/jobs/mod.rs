//! Statements of the queue.
//!
//! Rows of `jobs` change under those who read them: a lease is renewed while the job is finished. So rows that are to be
//! changed are found by the very statement that changes them, which looks again at a row that it had to wait for; or they
//! are passed over when somebody else has them. Written as `(state = 2) IS TRUE`, a condition is compared and never looked
//! up: the row is found by its id.

mod admin;
mod work;

pub(crate) use admin::{
    AddCounts, CancelJob, CleanFinished, CountQueues, CountRow, CountsSince, ForgetWorkers, LimitQueue,
    ListWorkers, LockJob, PauseQueue, PurgeDead, QueueRow, RecordColumns, RecordRow, RetryJob, StateOfJob,
    finished_columns, live_columns, retry_dead,
};
pub(crate) use work::{
    ClaimJobs, ClaimedRow, DeadVersions, FailJobs, HeartbeatJobs, HeldBack, InsertJobs, JobRows, LastTicks,
    LoadUnfinished, LockLimits, MoveFinished, PromoteJobs, RunTicks, TakeBackJobs, ToCancel, new_jobs,
};

/// What `finished_jobs` takes over from `jobs`.
macro_rules! moved_columns {
    () => {
        "id, queue, kind, priority, attempt, max_attempts, progress, run_at, created_at, started_at, worker, note, \
         unique_key, payload, failures"
    };
}
use moved_columns;

/// A line about an attempt that has failed, behind those that there are.
macro_rules! failures_with {
    ($now:literal, $error:literal) => {
        concat!(
            "right(j.failures || json_build_object('attempt', j.attempt, 'worker', j.worker, \
                 'started_at', (extract(epoch FROM j.started_at) * 1000000)::bigint, \
                 'ended_at', (extract(epoch FROM ",
            $now,
            "::timestamptz) * 1000000)::bigint, 'error', ",
            $error,
            "::text)::text || chr(10), 65536)"
        )
    };
}
use failures_with;
