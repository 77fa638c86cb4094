//! One attempt.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use cartwright_domain::Clock;
use cartwright_storage::{Claimed, Hold, JobName, JobOutcome};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::held::{HeldJob, Stop};
use crate::{JobContext, JobFailure, Policy, registry::Handler};

/// How long a handler that was told to stop may take to do so.
pub(super) const GRACE: Duration = Duration::from_millis(300);

/// How long a job that nobody here knows how to do is left to others: during a deployment there are new kinds that old
/// workers do not know.
const UNKNOWN: TimeDelta = TimeDelta::seconds(15);

/// What became of an attempt.
pub(super) struct Ended {
    pub(super) hold: Hold,
    /// `None`: the job is not ours any more.
    pub(super) outcome: Option<JobOutcome>,
    pub(super) queue: JobName,
    pub(super) kind: &'static str,
    pub(super) took: Duration,
}

/// A job of a kind that nobody here knows goes back.
pub(super) fn unknown(claimed: &Claimed, now: DateTime<Utc>) -> JobOutcome {
    tracing::warn!(kind = %claimed.kind, job = %claimed.hold.id, "no handler for this kind of job: given back");
    JobOutcome::Returned { at: now + UNKNOWN }
}

/// Runs a job to its end, or until it has to stop.
pub(super) async fn run(
    claimed: Claimed,
    handler: Handler,
    held: Arc<HeldJob>,
    clock: Arc<dyn Clock>,
) -> Ended {
    let started = Instant::now();
    let (hold, attempt, max_attempts) = (claimed.hold, claimed.attempt, claimed.max_attempts);
    let context = JobContext::new(&claimed, Arc::clone(&held));
    let Handler { kind, policy, run } = handler;
    let (run_at, queue) = (claimed.run_at, claimed.queue);
    // The call is inside: it may panic as well.
    let attempted = async move { run(claimed.payload, context).await };
    let attempted = timeout(policy.timeout, AssertUnwindSafe(attempted).catch_unwind());
    let stopped = async {
        held.stop.cancelled().await;
        if held.stopped() != Some(Stop::Lost) {
            tokio::time::sleep(GRACE).await;
        }
    };
    let ended = tokio::select! {
        biased;
        ended = attempted => Some(ended),
        () = stopped => None,
    };
    let failed = |failure: &JobFailure| {
        tracing::warn!(job = %hold.id, kind, attempt, error = %failure, "a job failed");
        failed(failure, &policy, attempt, max_attempts, clock.now())
    };
    let outcome = match (ended, held.stopped()) {
        (_, Some(Stop::Lost)) => None,
        (Some(Ok(Ok(Ok(())))), _) => Some(JobOutcome::Done),
        (_, Some(Stop::Cancelled)) => Some(JobOutcome::Cancelled),
        (_, Some(Stop::Ending)) | (None, None) => Some(JobOutcome::Returned { at: run_at }),
        (Some(Ok(Ok(Err(failure)))), None) => Some(failed(&failure)),
        (Some(Ok(Err(panic))), None) => Some(failed(&panic_message(&*panic).into())),
        (Some(Err(_elapsed)), None) => {
            Some(failed(&format!("it took longer than {:?}", policy.timeout).into()))
        }
    };
    Ended { hold, outcome, queue, kind, took: started.elapsed() }
}

fn failed(
    failure: &JobFailure,
    policy: &Policy,
    attempt: u16,
    max_attempts: u16,
    now: DateTime<Utc>,
) -> JobOutcome {
    let error = failure.to_string();
    if failure.is_fatal() || attempt >= max_attempts {
        return JobOutcome::Dead { error };
    }
    let pause = failure.after().unwrap_or_else(|| policy.pause(attempt, rand::random()));
    let at = TimeDelta::from_std(pause).ok().and_then(|pause| now.checked_add_signed(pause));
    JobOutcome::Retry { at: at.unwrap_or(now), error }
}

/// What a panic said, in words.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a message"))
}
