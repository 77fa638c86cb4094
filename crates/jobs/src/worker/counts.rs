use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cartwright_storage::{AttemptEnd, Claimed, Counted, JobCount, JobName, JobOutcome, slot_of, span_step};
use chrono::{DateTime, Utc};

use super::run::Ended;

type Key = (DateTime<Utc>, JobName, Counted);

/// What this worker has counted and not told yet. A worker that is killed takes it along: these are figures for people,
/// and nothing is decided by them.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<HashMap<Key, u64>>);

impl Counts {
    fn locked(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long these had waited.
    pub(super) fn claimed(&self, jobs: &[Claimed], now: DateTime<Utc>) {
        let (slot, mut counts) = (slot_of(now), self.locked());
        for job in jobs {
            let waited = (now - job.run_at).to_std().unwrap_or_default();
            *counts.entry((slot, job.queue.clone(), Counted::Waited(span_step(waited)))).or_default() += 1;
        }
    }

    /// How this ended, and how long it took. What was given back was no attempt.
    pub(super) fn ended(&self, ended: &Ended, now: DateTime<Utc>) {
        let end = match ended.outcome {
            Some(JobOutcome::Done) => AttemptEnd::Done,
            Some(JobOutcome::Retry { .. }) => AttemptEnd::Failed,
            Some(JobOutcome::Dead { .. }) => AttemptEnd::Dead,
            Some(JobOutcome::Cancelled) => AttemptEnd::Cancelled,
            Some(JobOutcome::Returned { .. }) | None => return,
        };
        let (slot, mut counts) = (slot_of(now), self.locked());
        for what in [Counted::Ended(end), Counted::Took(span_step(ended.took))] {
            *counts.entry((slot, ended.queue.clone(), what)).or_default() += 1;
        }
    }

    /// What there is to tell.
    pub(super) fn take(&self) -> Vec<JobCount> {
        let counts = std::mem::take(&mut *self.locked());
        counts.into_iter().map(|((slot, queue, what), n)| JobCount { slot, queue, what, n }).collect()
    }

    /// What could not be told.
    pub(super) fn add(&self, untold: Vec<JobCount>) {
        let mut counts = self.locked();
        for JobCount { slot, queue, what, n } in untold {
            *counts.entry((slot, queue, what)).or_default() += n;
        }
    }
}
