//! The store in SQLite, with a hand on it.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cartwright_domain::{Cart, Clock, Gate, Listing, OpenGate, OwnerId, ReadSet};
use cartwright_storage::{
    BatchPolicy, CartRequest, CartStore, Fence, FillRead, GateStore, ListingStore, Outcome, StorageError,
};
use cartwright_storage_sqlite::SqliteStore;
use std::{sync::Mutex as StdMutex, time::Duration};
use tokio::sync::Mutex;

/// What the store does with batches and reads instead of carrying them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing else.
    Well,
    /// It cannot be reached.
    Down,
    /// It commits, and the answer is lost.
    AnswerLost,
    /// It panics.
    Panics,
}

/// Around the real store.
#[derive(Debug)]
pub(crate) struct HeldStore {
    inner: SqliteStore,
    mood: StdMutex<Mood>,
    /// Batches wait here before they are begun, as long as a test holds it.
    pub(crate) batches: Mutex<()>,
    /// Batches that came.
    pub(crate) batches_begun: AtomicUsize,
    /// Carts that were read.
    pub(crate) carts_read: AtomicUsize,
}

impl HeldStore {
    pub(crate) fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            mood: StdMutex::new(Mood::Well),
            batches: Mutex::new(()),
            batches_begun: AtomicUsize::new(0),
            carts_read: AtomicUsize::new(0),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn begun(&self) -> usize {
        self.batches_begun.load(Ordering::SeqCst)
    }

    pub(crate) fn read(&self) -> usize {
        self.carts_read.load(Ordering::SeqCst)
    }

    /// What the database holds, whatever the mood.
    pub(crate) async fn truth(&self, owner: &OwnerId) -> Cart {
        self.inner.load(std::slice::from_ref(owner)).await.unwrap().remove(0)
    }

    fn feel(&self) -> Result<Mood, StorageError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Down => Err(StorageError::Unavailable("the test took it down".into())),
            Mood::Panics => panic!("the test asked for it"),
            Mood::Well | Mood::AnswerLost => Ok(mood),
        }
    }
}

#[async_trait]
impl CartStore for HeldStore {
    async fn execute_batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        self.batches_begun.fetch_add(1, Ordering::SeqCst);
        drop(self.batches.lock().await);
        let mood = self.feel()?;
        let outcomes = self.inner.execute_batch(requests, policy, fence).await?;
        if mood == Mood::AnswerLost {
            return Err(StorageError::Unavailable("the connection broke at the commit".into()));
        }
        Ok(outcomes)
    }

    async fn load(&self, owners: &[OwnerId]) -> Result<Vec<Cart>, StorageError> {
        self.carts_read.fetch_add(owners.len(), Ordering::SeqCst);
        self.feel()?;
        self.inner.load(owners).await
    }

    async fn load_for_fill(&self, owners: &[OwnerId]) -> Result<Vec<FillRead>, StorageError> {
        self.carts_read.fetch_add(owners.len(), Ordering::SeqCst);
        self.feel()?;
        self.inner.load_for_fill(owners).await
    }

    async fn forget_old_keys(&self, clock: &dyn Clock, limit: u32) -> Result<u64, StorageError> {
        self.inner.forget_old_keys(clock, limit).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.feel()?;
        self.inner.ping().await
    }
}

#[async_trait]
impl GateStore for HeldStore {
    async fn gate(&self) -> Result<Gate, StorageError> {
        self.inner.gate().await
    }

    async fn close_gate(&self, epoch: i64, pause: Duration) -> Result<bool, StorageError> {
        self.inner.close_gate(epoch, pause).await
    }

    async fn open_gate(&self, epoch: i64, open: &OpenGate) -> Result<bool, StorageError> {
        self.inner.open_gate(epoch, open).await
    }

    async fn change_replicas(
        &self,
        epoch: i64,
        from: &OpenGate,
        to: &ReadSet,
        previous: Option<&ReadSet>,
    ) -> Result<bool, StorageError> {
        self.inner.change_replicas(epoch, from, to, previous).await
    }
}

#[async_trait]
impl ListingStore for HeldStore {
    async fn put_listings(&self, listings: &[Listing]) -> Result<(), StorageError> {
        self.inner.put_listings(listings).await
    }

    async fn count_listings(&self, up_to: u32) -> Result<u32, StorageError> {
        self.inner.count_listings(up_to).await
    }
}
