//! Jobs for rules about the queue.

use std::time::Duration;

use cartwright_domain::Clock;
use cartwright_storage::{
    Claim, Claimed, Enqueued, Finished, Hold, JobId, JobName, JobOutcome, JobRecord, JobState, NewJob,
    Payload, UniqueKey,
};
use chrono::TimeDelta;

use crate::Kit;

/// A name of a queue, a kind, a worker or a schedule.
pub fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

/// A job of queue `q` and kind `k` that is about a text.
pub fn job(about: &str) -> NewJob {
    NewJob::new(name("q"), name("k"), Payload::of(about).unwrap())
}

/// One that is unique.
pub fn unique(about: &str, key: &str) -> NewJob {
    NewJob { unique_key: Some(UniqueKey::new(key).unwrap()), ..job(about) }
}

/// What it is about.
pub(crate) fn about(claimed: &Claimed) -> String {
    claimed.payload.read().unwrap()
}

pub(crate) const LEASE: Duration = Duration::from_secs(20);

impl Kit {
    pub(crate) async fn enqueue(&self, jobs: &[NewJob]) -> Vec<JobId> {
        let made = self.store.enqueue(jobs, self.clock.now()).await.unwrap();
        assert_eq!(made.len(), jobs.len(), "one answer for each");
        made.into_iter().map(Enqueued::id).collect()
    }

    pub(crate) async fn claim_of(&self, worker: &str, queues: &[&str], limit: u32) -> Vec<Claimed> {
        let queues: Vec<JobName> = queues.iter().map(|queue| name(queue)).collect();
        let claim = Claim { worker: &name(worker), queues: &queues, limit, lease: LEASE };
        self.store.claim(&claim, self.clock.now()).await.unwrap()
    }

    /// Claims of queue `q`.
    pub(crate) async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.claim_of("w", &["q"], limit).await
    }

    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    /// Ends an attempt; whether it was still held.
    pub(crate) async fn finish(&self, hold: Hold, outcome: JobOutcome) -> bool {
        let told = self.store.finish(&[Finished { hold, outcome }], self.clock.now()).await.unwrap();
        assert_eq!(told.len(), 1);
        told[0]
    }

    pub(crate) async fn record(&self, id: JobId) -> JobRecord {
        self.store.job(id).await.unwrap().expect("it is there").0
    }

    pub(crate) async fn state(&self, id: JobId) -> JobState {
        self.record(id).await.state
    }

    pub(crate) fn failed(&self, seconds: i64, error: &str) -> JobOutcome {
        JobOutcome::Retry { at: self.clock.now() + TimeDelta::seconds(seconds), error: error.to_owned() }
    }
}
