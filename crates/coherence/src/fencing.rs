//! Writes to carts, with the cache fenced off around them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{CartCache, Lease, LeaseWanted, Unfenced};
use cartwright_domain::{Gate, OwnerId};
use cartwright_storage::{Fence, FenceError, GateStore, StorageError};

/// How long a write may keep trying to get past the fence.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why nothing was written, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The cache could not be fenced off in time. Nothing was done; trying again will help.
    #[error("the cache could not be fenced off in time")]
    Fence,
    /// The store failed.
    #[error("the store failed")]
    Storage(#[source] StorageError),
}

/// A fence that was up when the write was committed.
#[derive(Debug)]
pub struct Raised {
    /// With what the new documents may be stored. `None`: there is nothing to store, or nowhere.
    pub lease: Option<Lease>,
    /// The carts that changed.
    pub changing: Vec<OwnerId>,
}

/// Fences the cache off.
#[derive(Debug, Clone)]
pub struct Fencing {
    /// `None`: there is none.
    pub cache: Option<Arc<dyn CartCache>>,
    /// For how long the gate stays closed when it has to be closed.
    pub pause: Duration,
}

/// A write to carts.
#[async_trait]
pub trait FencedWrite: Send + Sync {
    /// What it answers.
    type Written: Send;

    /// Carries it out, in a transaction that commits when the fence is up.
    ///
    /// # Errors
    /// [`StorageError`]; of the fence when that could not be raised.
    async fn write(&self, fence: &dyn Fence) -> Result<Self::Written, StorageError>;

    /// Whether a lease is wanted for what so many carts become.
    fn wants_lease(&self, carts: usize) -> LeaseWanted;
}

impl Fencing {
    /// Carries out a write; again while the gate is being closed: nothing has been written then. The second of the results
    /// is `None` when no cart was changed.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub async fn around<W: FencedWrite>(
        &self,
        gate: &dyn GateStore,
        write: &W,
    ) -> Result<(W::Written, Option<Raised>), Unwritten> {
        let began = Instant::now();
        loop {
            let fence = CacheFence { cache: self.cache.as_deref(), write, raised: Mutex::new(None) };
            let wait = match write.write(&fence).await {
                Ok(written) => {
                    return Ok((written, fence.raised.into_inner().unwrap_or_else(PoisonError::into_inner)));
                }
                Err(StorageError::Fence(FenceError::Closing { wait })) => wait,
                Err(StorageError::Fence(FenceError::Unreachable { epoch, reason })) => {
                    tracing::debug!(epoch, reason, "closing the gate");
                    if let Err(error) = close_gate(gate, epoch, self.pause, &reason).await {
                        tracing::debug!(%error, "the gate could not be closed");
                    }
                    Duration::ZERO
                }
                Err(error) => return Err(Unwritten::Storage(error)),
            };
            if began.elapsed() + wait > PATIENCE {
                return Err(Unwritten::Fence);
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// Closes the gate, and says so once.
///
/// # Errors
/// [`StorageError`] when it is not known whether it is closed.
pub async fn close_gate(
    store: &dyn GateStore,
    epoch: i64,
    pause: Duration,
    reason: &str,
) -> Result<(), StorageError> {
    if store.close_gate(epoch, pause).await? {
        metrics::counter!("cartwright_gate_closings_total").increment(1);
        tracing::warn!(epoch, reason, "carts are served from the database: the cache is closed");
    }
    Ok(())
}

/// Carries the fence of the store to the cache, and the lease back.
struct CacheFence<'a, W> {
    cache: Option<&'a dyn CartCache>,
    write: &'a W,
    raised: Mutex<Option<Raised>>,
}

#[async_trait]
impl<W: FencedWrite> Fence for CacheFence<'_, W> {
    async fn raise(&self, gate: &Gate, changing: &[OwnerId]) -> Result<(), FenceError> {
        let lease = match self.cache {
            Some(cache) => {
                let fenced = cache.fence(gate, changing, self.write.wants_lease(changing.len())).await;
                fenced.map_err(|error| match error {
                    Unfenced::Closing { wait } => FenceError::Closing { wait },
                    Unfenced::Unreachable(reason) => FenceError::Unreachable { epoch: gate.epoch, reason },
                })?
            }
            None => None,
        };
        let raised = Raised { lease, changing: changing.to_vec() };
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(raised);
        Ok(())
    }
}
