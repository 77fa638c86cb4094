//! A node without a cache, on a database whose other nodes may have one.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{
    CacheRead, CacheStatus, CartCache, Document, DocumentCache, Lease, LeaseWanted, StoreValue, Survey,
    Unfenced,
};
use cartwright_domain::{Gate, OwnerId};
use cartwright_storage::{GateStore, StorageError};

/// How long after closing the gate some node may still serve carts from the cache: its lease is 2 s; with a margin.
const LEASES_RUN_OUT: Duration = Duration::from_millis(2_500);

/// Caches nothing, and never writes while others cache: a write that finds the gate open asks for it to be closed, and
/// waits until nobody reads through it any more. Else a node that was started without Redis would change carts behind
/// the back of those that have it, or of a Redis that comes back later.
#[derive(Debug, Default)]
pub(crate) struct ClosedCache {
    /// The epoch that was last seen closed, and since when.
    closed: Mutex<Option<(i64, Instant)>>,
}

impl ClosedCache {
    /// Closes the gate of a database that nobody else uses.
    pub(crate) async fn close(store: &dyn GateStore) -> Result<(), StorageError> {
        let gate = store.gate().await?;
        if gate.open().is_some() {
            store.close_gate(gate.epoch, Duration::ZERO).await?;
        }
        Ok(())
    }

    fn seen_closed(&self, epoch: i64, at: Instant) -> Instant {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        match *closed {
            Some((seen, since)) if seen == epoch => since,
            _ => {
                *closed = Some((epoch, at));
                at
            }
        }
    }

    fn wait(&self, gate: &Gate, now: Instant) -> Duration {
        if gate.epoch == 0 {
            return Duration::ZERO; // never opened, so nobody ever read through it
        }
        LEASES_RUN_OUT.saturating_sub(now.duration_since(self.seen_closed(gate.epoch, now)))
    }

    fn write_under(&self, gate: &Gate) -> Result<(), Unfenced> {
        if gate.open().is_some() {
            return Err(Unfenced::Unreachable("a node without Redis writes to this database".to_owned()));
        }
        let wait = self.wait(gate, Instant::now());
        if wait.is_zero() { Ok(()) } else { Err(Unfenced::Closing { wait }) }
    }
}

#[async_trait]
impl CartCache for ClosedCache {
    fn peek(&self, _: &OwnerId) -> Option<Document> {
        None
    }

    async fn look(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        CartCache::claim(self, owners).await
    }

    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        owners.iter().map(|_| CacheRead::Bypass).collect()
    }

    async fn fence(&self, gate: &Gate, _: &[OwnerId], _: LeaseWanted) -> Result<Option<Lease>, Unfenced> {
        self.write_under(gate).map(|()| None)
    }

    async fn store(&self, _: Vec<StoreValue>) {}

    fn gated(&self) -> bool {
        true
    }

    fn observe(&self, gate: &Gate, _: Instant) {
        if gate.open().is_none() {
            // Not since the question was asked: the gate may have been closed between that and the answer.
            self.seen_closed(gate.epoch, Instant::now());
        }
    }

    fn closed_wait(&self, gate: &Gate) -> Option<Duration> {
        gate.open().is_none().then(|| self.wait(gate, Instant::now()))
    }

    async fn survey(&self) -> Survey {
        Survey::Unreachable
    }

    fn status(&self) -> CacheStatus {
        CacheStatus { kind: "none", reachable: true, in_use: false, nodes: Vec::new() }
    }
}

#[async_trait]
impl DocumentCache for ClosedCache {
    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        owners.iter().map(|_| CacheRead::Bypass).collect()
    }

    async fn store(&self, _: Vec<StoreValue>) {}

    /// It may be opened by others at any time.
    fn opening(&self) -> Option<Gate> {
        None
    }

    async fn forget(&self, gate: &Gate, _: &[OwnerId]) -> Result<(), Unfenced> {
        self.write_under(gate)
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{GateState, OpenGate, ReadSet};

    use super::*;

    fn closed(epoch: i64) -> Gate {
        Gate { epoch, state: GateState::Closed { may_open: true } }
    }

    #[tokio::test]
    async fn it_writes_only_when_nobody_can_read_from_a_cache() {
        let cache = ClosedCache::default();
        assert!(matches!(cache.fence(&Gate::initial(), &[], LeaseWanted::Yes).await, Ok(None)));
        let open = OpenGate {
            namespace: "n".to_owned(),
            primary: "p".to_owned(),
            replicas: ReadSet::default(),
            previous: None,
        };
        let open = Gate { epoch: 1, state: GateState::Open(open) };
        assert!(matches!(cache.fence(&open, &[], LeaseWanted::Yes).await, Err(Unfenced::Unreachable(_))));
        assert!(matches!(
            cache.fence(&closed(2), &[], LeaseWanted::Yes).await,
            Err(Unfenced::Closing { .. })
        ));
        let later = Instant::now() + LEASES_RUN_OUT;
        assert_eq!(cache.wait(&closed(2), later), Duration::ZERO);
        // closed anew: the wait begins anew
        assert!(cache.wait(&closed(4), later) > Duration::ZERO);
        assert!(matches!(cache.forget(&open, &[]).await, Err(Unfenced::Unreachable(_))));
        assert!(matches!(cache.forget(&closed(4), &[]).await, Err(Unfenced::Closing { .. })));
        assert!(cache.forget(&Gate::initial(), &[]).await.is_ok() && cache.opening().is_none());
    }
}
