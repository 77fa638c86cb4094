use std::time::Duration;

use async_trait::async_trait;
use cartwright_domain::{Gate, OpenGate, ReadSet};

use crate::StorageError;

/// The one row that says whether carts may be served from the shared cache.
#[async_trait]
pub trait GateStore: Send + Sync + 'static {
    /// The gate as it is now, from the primary database. A new database has [`Gate::initial`].
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be read.
    async fn gate(&self) -> Result<Gate, StorageError>;

    /// Closes the gate of `epoch`: the epoch grows by one. Returns whether this call did it.
    ///
    /// The store keeps when the gate may be opened again: `pause` from now, doubled for each closing that came within
    /// a minute of the opening before it, and at most 15 s.
    ///
    /// # Errors
    /// [`StorageError`] when the database did not answer; it may be closed nevertheless.
    async fn close_gate(&self, epoch: i64, pause: Duration) -> Result<bool, StorageError>;

    /// Opens the gate that is closed in `epoch`: the epoch grows by one. Returns whether this call did it.
    /// `previous` of what is opened is not kept.
    ///
    /// The caller has seen it closed for as long as any lease lasts.
    ///
    /// # Errors
    /// [`StorageError`] when the database did not answer.
    async fn open_gate(&self, epoch: i64, open: &OpenGate) -> Result<bool, StorageError>;

    /// Changes the replicas that are read from, without closing: the epoch stays, what was the set becomes `previous`
    /// (`None` removes `previous` once every lease has run out; then `replicas` is the set as it is).
    /// Does nothing unless the gate is open in `epoch` and holds exactly `from`.
    /// Returns whether this call did it.
    ///
    /// # Errors
    /// [`StorageError`] when the database did not answer.
    async fn change_replicas(
        &self,
        epoch: i64,
        from: &OpenGate,
        to: &ReadSet,
        previous: Option<&ReadSet>,
    ) -> Result<bool, StorageError>;
}
