use std::sync::Arc;

use cartwright_storage::{Claimed, Hold, JobId, Progress};

use crate::worker::HeldJob;

/// What a handler knows of its job, and may say of it. A clone is of the same attempt.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub(crate) hold: Hold,
    pub(crate) attempt: u16,
    pub(crate) max_attempts: u16,
    pub(crate) held: Arc<HeldJob>,
}

impl JobContext {
    pub(crate) fn new(claimed: &Claimed, held: Arc<HeldJob>) -> Self {
        let Claimed { hold, attempt, max_attempts, .. } = *claimed;
        Self { hold, attempt, max_attempts, held }
    }

    /// The job.
    pub fn id(&self) -> JobId {
        self.hold.id
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u16 {
        self.attempt
    }

    /// Whether it becomes a dead letter when this attempt fails.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    /// Returns when the job should stop: it was cancelled, its worker ends, or somebody else has it now. 0.3 s later
    /// the handler's future is dropped.
    pub async fn stopped(&self) {
        self.held.stop.cancelled().await;
    }

    /// Whether the job should stop.
    pub fn is_stopped(&self) -> bool {
        self.held.stop.is_cancelled()
    }

    /// Says how far it has come, in per cent and in words. Told to the store about once a second.
    pub fn progress(&self, percent: u8, note: impl Into<String>) {
        self.held.set_progress(Progress { percent, note: note.into() });
    }
}
