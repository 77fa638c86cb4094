//! Changes, and the documents of them that are cached.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{DocumentCache, Unfenced};
use cartwright_domain::OwnerId;
use cartwright_storage::{GateStore, StorageError};

use crate::close_gate;

/// How long to try, before the answer is that nobody knows.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a database that has just committed, and does not answer now, is left alone.
const AGAIN: Duration = Duration::from_millis(50);

/// Somebody may still be served what was there before the change.
#[derive(Debug, thiserror::Error)]
#[error("the cache of documents could not be reached, and not be closed in time")]
struct NotForgotten;

/// Has documents of one kind forgotten.
#[derive(Debug, Clone)]
pub struct Forgetting {
    /// Where they are. `None`: nowhere.
    pub cache: Option<Arc<dyn DocumentCache>>,
    /// For how long the gate stays closed when it has to be closed.
    pub pause: Duration,
}

impl Forgetting {
    /// Makes sure that nobody is shown the documents of these owners as they were before a change that is committed. To be
    /// called after the commit and before anybody is told.
    ///
    /// One command to the cache. When that cannot be given, the gate is closed, and it is waited until nobody reads through it.
    ///
    /// # Errors
    /// [`StorageError`], when neither the cache nor the gate could be reached: as after a commit whose answer was lost, nobody
    /// may be told that it is done.
    pub async fn forget(&self, store: &dyn GateStore, owners: &[OwnerId]) -> Result<(), StorageError> {
        let Some(cache) = self.cache.as_deref().filter(|_| !owners.is_empty()) else { return Ok(()) };
        let began = Instant::now();
        let mut known = cache.opening();
        loop {
            let gate = match known.take() {
                Some(gate) => Ok(gate),
                None => store.gate().await,
            };
            let (wait, error) = match gate {
                Ok(gate) => match cache.forget(&gate, owners).await {
                    Ok(()) => return Ok(()),
                    Err(Unfenced::Closing { wait }) => {
                        known = Some(gate); // what is opened after it is opened after the commit
                        (wait, StorageError::Unavailable(Box::new(NotForgotten)))
                    }
                    Err(Unfenced::Unreachable(reason)) => {
                        match close_gate(store, gate.epoch, self.pause, &reason).await {
                            Ok(()) => (Duration::ZERO, StorageError::Unavailable(Box::new(NotForgotten))),
                            Err(error) => (AGAIN, error),
                        }
                    }
                },
                Err(error) => (AGAIN, error),
            };
            if began.elapsed() + wait > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// As [`forget`](Self::forget), as far as that is done at once: after a commit of which nobody knows whether it was one.
    pub async fn try_to_forget(&self, owners: &[OwnerId]) {
        if let Some(cache) = self.cache.as_deref().filter(|_| !owners.is_empty())
            && let Some(gate) = cache.opening()
            && let Err(error) = cache.forget(&gate, owners).await
        {
            tracing::debug!(%error, "cached documents may be old until they run out");
        }
    }
}
