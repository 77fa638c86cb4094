//! Which keys are asked for most: a sketch of a sample, begun anew every few seconds.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use heavykeeper::TopK;

use crate::{CacheKey, memory::HotKeys};

/// One request in so many is looked at.
const SAMPLE: u64 = 16;
/// For so long; then what was hot before is forgotten.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);
/// How often a key has to be seen in the sample, within the window, to be hot.
const SEEN: u64 = 4;
/// The shape of the sketch: four rows of this many counters, which count down for others with this probability.
const WIDTH: usize = 2048;
const ROWS: usize = 4;
const DECAY: f64 = 0.9;

pub(crate) struct Hot<K: CacheKey> {
    most: usize,
    turn: AtomicU64,
    sketch: Mutex<TopK<K>>,
    keys: HotKeys<K>,
}

impl<K: CacheKey> Hot<K> {
    pub(crate) fn new(most: usize, keys: HotKeys<K>) -> Self {
        Self { most, turn: AtomicU64::new(0), sketch: Mutex::new(sketch(most)), keys }
    }

    /// Somebody asked for it.
    pub(crate) fn asked(&self, key: &K) {
        if self.most > 0 && self.turn.fetch_add(1, Relaxed).is_multiple_of(SAMPLE) {
            self.sketch.lock().unwrap_or_else(PoisonError::into_inner).add(key, 1);
        }
    }

    pub(crate) fn is_hot(&self, key: &K) -> bool {
        self.keys.load().contains(key)
    }

    /// The hot keys.
    pub(crate) fn keys(&self) -> Arc<HashSet<K>> {
        self.keys.load_full()
    }

    /// Ends a window: what it saw is hot now. Most asked for first.
    pub(crate) fn turn(&self) -> Vec<K> {
        let seen = std::mem::replace(
            &mut *self.sketch.lock().unwrap_or_else(PoisonError::into_inner),
            sketch(self.most),
        );
        let often = seen.list().into_iter().filter(|node| node.count >= SEEN);
        let keys: Vec<K> = often.map(|node| node.item).collect();
        self.keys.store(Arc::new(keys.iter().cloned().collect()));
        keys
    }
}

fn sketch<K: CacheKey>(most: usize) -> TopK<K> {
    TopK::new(most.max(1), WIDTH, ROWS, DECAY)
}
