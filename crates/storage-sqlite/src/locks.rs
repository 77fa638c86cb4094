use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cartwright_domain::OwnerId;
use tokio::sync::Notify;

/// Which carts are in a running batch, and which are being read to fill the cache.
///
/// A batch waits for the fills of its carts that had begun before it; a fill never waits: it is told that it was not
/// alone. Batches do not wait for each other here; the writing connection sees to that.
#[derive(Debug, Default)]
pub(crate) struct CartLocks {
    held: Mutex<Held>,
    /// A fill has ended. One permit is enough: of the batches, only the one whose turn it is waits.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Held {
    writing: HashMap<OwnerId, u32>,
    filling: HashMap<OwnerId, u32>,
}

impl CartLocks {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change under the mutex is whole, so a panic elsewhere spoils nothing.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks carts exclusively. From the first poll on, no fill gets a lock of them.
    pub(crate) async fn write(self: &Arc<Self>, owners: Vec<OwnerId>) -> WriteLocks {
        for owner in &owners {
            *self.held().writing.entry(owner.clone()).or_default() += 1;
        }
        let locks = WriteLocks { of: Arc::clone(self), owners };
        while locks.are_being_filled() {
            self.filled.notified().await;
        }
        locks
    }

    /// Tries to lock each cart, shared.
    pub(crate) fn try_fill(self: &Arc<Self>, owners: &[OwnerId]) -> FillLocks {
        let mut held = self.held();
        let got = owners.iter().map(|owner| {
            let free = !held.writing.contains_key(owner);
            if free {
                *held.filling.entry(owner.clone()).or_default() += 1;
            }
            free
        });
        let got: Vec<bool> = got.collect();
        drop(held);
        let locked =
            owners.iter().zip(&got).filter(|(_, got)| **got).map(|(owner, _)| owner.clone()).collect();
        FillLocks { of: Arc::clone(self), locked, got }
    }
}

fn give_back(counts: &mut HashMap<OwnerId, u32>, owner: &OwnerId) {
    if let Some(count) = counts.get_mut(owner) {
        *count -= 1;
        if *count == 0 {
            counts.remove(owner);
        }
    }
}

/// The carts of a batch. Given back when dropped.
#[derive(Debug)]
pub(crate) struct WriteLocks {
    of: Arc<CartLocks>,
    owners: Vec<OwnerId>,
}

impl WriteLocks {
    fn are_being_filled(&self) -> bool {
        let held = self.of.held();
        self.owners.iter().any(|owner| held.filling.contains_key(owner))
    }
}

impl Drop for WriteLocks {
    fn drop(&mut self) {
        let mut held = self.of.held();
        for owner in &self.owners {
            give_back(&mut held.writing, owner);
        }
    }
}

/// The carts of a fill that no batch was changing. Given back when dropped.
#[derive(Debug)]
pub(crate) struct FillLocks {
    of: Arc<CartLocks>,
    locked: Vec<OwnerId>,
    /// For each owner asked for, whether its lock was got.
    pub(crate) got: Vec<bool>,
}

impl Drop for FillLocks {
    fn drop(&mut self) {
        let mut held = self.of.held();
        for owner in &self.locked {
            give_back(&mut held.filling, owner);
        }
        drop(held);
        self.of.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn owners(names: &[&str]) -> Vec<OwnerId> {
        names.iter().map(|name| OwnerId::new(name).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_fill_is_told_of_a_batch_and_a_batch_waits_for_a_fill() {
        let locks = Arc::new(CartLocks::default());
        let first = locks.try_fill(&owners(&["a", "b", "a"]));
        assert_eq!(first.got, [true, true, true]);
        let mut batch = Box::pin(locks.write(owners(&["b", "c"])));
        assert!(batch.as_mut().now_or_never().is_none(), "b is being filled");
        let second = locks.try_fill(&owners(&["a", "b", "c"]));
        assert_eq!(second.got, [true, false, false], "a waiting batch goes first");
        drop(second);
        assert!(batch.as_mut().now_or_never().is_none());
        drop(first);
        let batch = batch.await;
        assert_eq!(locks.try_fill(&owners(&["c"])).got, [false]);
        drop(batch);
        assert_eq!(locks.try_fill(&owners(&["b", "c"])).got, [true, true]);
        let held = locks.held();
        assert!(held.writing.is_empty() && held.filling.is_empty(), "{held:?}");
    }

    #[tokio::test]
    async fn a_batch_that_stops_waiting_holds_nothing() {
        let locks = Arc::new(CartLocks::default());
        let fill = locks.try_fill(&owners(&["a"]));
        assert!(locks.write(owners(&["a"])).now_or_never().is_none());
        assert_eq!(locks.try_fill(&owners(&["a"])).got, [true]);
        drop(fill);
        assert!(locks.write(owners(&["a"])).now_or_never().is_some());
        // Two batches on one cart, the first of which was given up while its task still runs.
        let running = locks.write(owners(&["a"])).await;
        let next = locks.write(owners(&["a"])).await;
        drop(running);
        assert_eq!(locks.try_fill(&owners(&["a"])).got, [false]);
        drop(next);
        assert_eq!(locks.try_fill(&owners(&["a"])).got, [true]);
    }
}
