use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use cartwright_domain::{Gate, OwnerId};
use cartwright_storage::{Fence, FenceError};
use tokio::sync::Notify;

/// A fence that keeps what it was told, and refuses when asked to.
#[derive(Debug, Default)]
pub struct RecordingFence {
    raised: Mutex<Vec<(Gate, Vec<OwnerId>)>>,
    refuse: AtomicBool,
}

impl RecordingFence {
    /// Makes every later call fail, or succeed again.
    pub fn refuse(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::SeqCst);
    }

    /// The calls since the last time this was asked.
    pub fn take(&self) -> Vec<(Gate, Vec<OwnerId>)> {
        std::mem::take(&mut *self.raised.lock().unwrap())
    }
}

#[async_trait]
impl Fence for RecordingFence {
    async fn raise(&self, gate: &Gate, changing: &[OwnerId]) -> Result<(), FenceError> {
        self.raised.lock().unwrap().push((gate.clone(), changing.to_vec()));
        if self.refuse.load(Ordering::SeqCst) {
            return Err(FenceError::Unreachable {
                epoch: gate.epoch,
                reason: "refused by the test".to_owned(),
            });
        }
        Ok(())
    }
}

/// A fence that holds the batch until it is released.
#[derive(Debug, Default)]
pub struct BlockingFence {
    reached: Notify,
    released: Notify,
}

impl BlockingFence {
    /// Waits until a batch has come to the fence.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the batch pass.
    pub fn release(&self) {
        self.released.notify_one();
    }
}

#[async_trait]
impl Fence for BlockingFence {
    async fn raise(&self, _: &Gate, _: &[OwnerId]) -> Result<(), FenceError> {
        self.reached.notify_one();
        self.released.notified().await;
        Ok(())
    }
}
