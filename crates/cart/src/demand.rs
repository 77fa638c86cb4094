//! Whether carts are read often enough to be worth storing after each write.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;

/// Writes after which half of the past is forgotten.
const WINDOW: u64 = 4096;
/// Writes for one read from which on nobody is thought to be interested.
const TOO_MANY: u64 = 4;

/// Whether carts are stored in the shared cache as soon as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreWritten {
    /// While this node reads at least once in four writes.
    #[default]
    Auto,
    /// After each write: the first read is a hit.
    Always,
    /// By those who read them, only.
    Never,
}

/// Counts reads and writes of this node, recent ones more.
///
/// Sending a document to Redis and its replicas costs more than anything else in a write. That pays when somebody reads
/// it. When hardly anybody does (an import, a rush of clients who take the cart from the answers to their writes),
/// documents are only removed, and the next reader fills.
#[derive(Debug)]
pub(crate) struct Demand {
    policy: StoreWritten,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Demand {
    /// Supposes that carts will be read.
    pub(crate) fn new(policy: StoreWritten) -> Self {
        Self { policy, reads: AtomicU64::new(WINDOW / TOO_MANY), writes: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self, carts: usize) {
        self.reads.fetch_add(carts as u64, Relaxed);
    }

    /// Counts writes; says whether what they wrote is worth storing.
    pub(crate) fn written(&self, carts: usize) -> bool {
        let writes = self.writes.fetch_add(carts as u64, Relaxed) + carts as u64;
        let reads = self.reads.load(Relaxed);
        if writes > WINDOW {
            // What others count in between may be lost: this is an estimate.
            self.reads.store((reads / 2).min(WINDOW), Relaxed);
            self.writes.store(writes / 2, Relaxed);
        }
        match self.policy {
            StoreWritten::Auto => reads.saturating_mul(TOO_MANY) >= writes,
            StoreWritten::Always => true,
            StoreWritten::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_mix_of_reads_and_writes() {
        let demand = Demand::new(StoreWritten::Auto);
        let writes = |reads_each: usize| {
            let mut worth = true;
            for _ in 0..10 * WINDOW {
                demand.read(reads_each);
                worth = demand.written(1);
            }
            worth
        };
        assert!(demand.written(1), "a new node supposes that somebody reads");
        assert!(!writes(0), "nobody reads");
        assert!(writes(1), "somebody does again");
        demand.read(usize::MAX / 2);
        assert!(!writes(0), "however much was read before");
        assert!(Demand::new(StoreWritten::Always).written(1_000_000));
        assert!(!Demand::new(StoreWritten::Never).written(1));
    }
}
