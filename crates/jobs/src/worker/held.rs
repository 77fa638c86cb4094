use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use cartwright_storage::{Hold, Progress};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a job should stop. The first reason stays, but for a lost job, of which nothing may be told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stop {
    /// The worker ends: somebody else does it.
    Ending = 1,
    /// Somebody wants it cancelled.
    Cancelled = 2,
    /// It is not ours any more.
    Lost = 3,
}

/// A job that this worker has, whether it runs already or not.
#[derive(Debug)]
pub(crate) struct HeldJob {
    /// Cancelled when it should stop.
    pub(crate) stop: CancellationToken,
    why: AtomicU8,
    progress: Mutex<Option<Progress>>,
    /// When its lease was last known to be ours.
    confirmed: Mutex<Instant>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HeldJob {
    fn new(confirmed: Instant) -> Self {
        Self {
            stop: CancellationToken::new(),
            why: AtomicU8::new(0),
            progress: Mutex::default(),
            confirmed: Mutex::new(confirmed),
        }
    }

    pub(crate) fn set_progress(&self, progress: Progress) {
        *locked(&self.progress) = Some(progress);
    }

    fn stop(&self, why: Stop) {
        self.why.fetch_max(why as u8, Ordering::AcqRel);
        self.stop.cancel();
    }

    /// Why it should stop. `None`: it should not.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        match self.why.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Stop::Ending),
            2 => Some(Stop::Cancelled),
            _ => Some(Stop::Lost),
        }
    }
}

/// The jobs that a worker has: it claimed them, and has not told yet how they ended.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<Hold, Arc<HeldJob>>>);

impl Held {
    /// A claimed job. `asked`: when the claim was sent.
    pub(crate) fn add(&self, hold: Hold, asked: Instant) -> Arc<HeldJob> {
        let job = Arc::new(HeldJob::new(asked));
        locked(&self.0).insert(hold, Arc::clone(&job));
        job
    }

    pub(crate) fn get(&self, hold: Hold) -> Option<Arc<HeldJob>> {
        locked(&self.0).get(&hold).cloned()
    }

    pub(crate) fn remove(&self, holds: impl IntoIterator<Item = Hold>) {
        let mut held = locked(&self.0);
        for hold in holds {
            held.remove(&hold);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }

    /// What is to be told of them: all, or only those that have come further.
    pub(crate) fn news(&self, all: bool) -> Vec<(Hold, Option<Progress>)> {
        let held = locked(&self.0);
        let news = held.iter().map(|(hold, job)| (*hold, locked(&job.progress).take()));
        news.filter(|(_, progress)| all || progress.is_some()).collect()
    }

    /// What could not be told is told later, unless there is something newer.
    pub(crate) fn untold(&self, news: &[(Hold, Option<Progress>)]) {
        for (hold, progress) in news {
            if let (Some(progress), Some(job)) = (progress, self.get(*hold)) {
                locked(&job.progress).get_or_insert_with(|| progress.clone());
            }
        }
    }

    /// Their leases are ours from when this was asked.
    pub(crate) fn confirm(&self, hold: Hold, asked: Instant) {
        if let Some(job) = self.get(hold) {
            let mut confirmed = locked(&job.confirmed);
            *confirmed = asked.max(*confirmed);
        }
    }

    pub(crate) fn stop(&self, hold: Hold, why: Stop) {
        if let Some(job) = self.get(hold) {
            job.stop(why);
        }
    }

    pub(crate) fn stop_all(&self, why: Stop) {
        locked(&self.0).values().for_each(|job| job.stop(why));
    }

    /// Stops those whose lease was not renewed for so long that somebody else may have them soon.
    pub(crate) fn stop_unconfirmed(&self, now: Instant, lease: Duration) {
        let margin = lease / 10;
        for job in locked(&self.0).values() {
            if now.duration_since(*locked(&job.confirmed)) + margin >= lease {
                job.stop(Stop::Lost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cartwright_storage::JobId;

    use super::*;

    #[test]
    fn a_lost_job_stays_lost_and_an_unconfirmed_one_is() {
        let held = Held::default();
        let (now, lease) = (Instant::now(), Duration::from_secs(10));
        let [a, b] = [1, 2].map(|id| Hold { id: JobId(id), fence: 1 });
        let (first, second) = (held.add(a, now), held.add(b, now));
        held.stop(a, Stop::Cancelled);
        held.stop(a, Stop::Ending);
        assert_eq!((first.stopped(), second.stopped()), (Some(Stop::Cancelled), None));
        held.stop_unconfirmed(now + Duration::from_secs(8), lease);
        assert_eq!(second.stopped(), None);
        held.confirm(b, now + Duration::from_secs(5));
        held.stop_unconfirmed(now + Duration::from_secs(9), lease);
        assert_eq!((first.stopped(), second.stopped()), (Some(Stop::Lost), None));
        held.stop(a, Stop::Ending);
        assert_eq!(first.stopped(), Some(Stop::Lost));
    }

    #[test]
    fn progress_is_told_once() {
        let held = Held::default();
        let hold = Hold { id: JobId(1), fence: 1 };
        let job = held.add(hold, Instant::now());
        assert!(held.news(false).is_empty());
        job.set_progress(Progress { percent: 5, note: String::new() });
        assert_eq!(held.news(false).len(), 1);
        assert!(held.news(false).is_empty());
        assert_eq!(held.news(true), [(hold, None)]);
        held.remove([hold]);
        assert!(held.is_empty());
    }
}
