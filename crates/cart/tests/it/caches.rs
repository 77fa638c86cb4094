//! The cache in memory, guarded by a gate as a shared one is, and breakable.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{
    CacheRead, CacheStatus, CartCache, Document, Lease, LeaseWanted, MemoryCartCache, StoreValue, Survey,
    Unfenced,
};
use cartwright_domain::{Gate, OwnerId, ReadSet};

/// Around the real cache: in use while the gate is open, as last observed.
#[derive(Debug)]
pub(crate) struct GatedCache {
    inner: MemoryCartCache,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    reachable: bool,
    closing: Vec<Duration>,
}

impl GatedCache {
    pub(crate) fn new(inner: MemoryCartCache) -> Self {
        Self { inner, state: Mutex::new(State { reachable: true, ..State::default() }) }
    }

    pub(crate) fn cut_off(&self) {
        self.state.lock().unwrap().reachable = false;
    }

    pub(crate) fn restore(&self) {
        self.state.lock().unwrap().reachable = true;
    }

    /// The next fences find the gate closing, for so long each.
    pub(crate) fn closing(&self, waits: Vec<Duration>) {
        self.state.lock().unwrap().closing = waits;
    }

    pub(crate) fn in_use(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.open && state.reachable
    }
}

#[async_trait]
impl CartCache for GatedCache {
    fn peek(&self, owner: &OwnerId) -> Option<Document> {
        if self.in_use() { self.inner.peek(owner) } else { None }
    }

    async fn look(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        if self.in_use() {
            return self.inner.look(owners).await;
        }
        owners.iter().map(|_| CacheRead::Bypass).collect()
    }

    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        if self.in_use() {
            return self.inner.claim(owners).await;
        }
        owners.iter().map(|_| CacheRead::Bypass).collect()
    }

    async fn fence(
        &self,
        gate: &Gate,
        owners: &[OwnerId],
        wanted: LeaseWanted,
    ) -> Result<Option<Lease>, Unfenced> {
        {
            let mut state = self.state.lock().unwrap();
            if !state.closing.is_empty() {
                return Err(Unfenced::Closing { wait: state.closing.remove(0) });
            }
            if gate.open().is_none() {
                return Ok(None);
            }
            if !state.reachable {
                return Err(Unfenced::Unreachable("the test cut it off".to_owned()));
            }
        }
        self.inner.fence(gate, owners, wanted).await
    }

    async fn store(&self, values: Vec<StoreValue>) {
        if self.in_use() {
            self.inner.store(values).await;
        }
    }

    fn gated(&self) -> bool {
        true
    }

    fn observe(&self, gate: &Gate, _asked: Instant) {
        self.state.lock().unwrap().open = gate.open().is_some();
    }

    fn closed_wait(&self, gate: &Gate) -> Option<Duration> {
        gate.open().is_none().then_some(Duration::ZERO)
    }

    async fn survey(&self) -> Survey {
        if !self.state.lock().unwrap().reachable {
            return Survey::Unreachable;
        }
        Survey::Found { primary: "the only one".to_owned(), replicas: ReadSet::default() }
    }

    fn status(&self) -> CacheStatus {
        CacheStatus { kind: "gated", in_use: self.in_use(), ..self.inner.status() }
    }
}
