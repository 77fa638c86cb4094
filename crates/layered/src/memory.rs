//! The first layer.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};
use tokio::time::Instant;

use crate::{CacheKey, CacheValue, entry::Entry, figures::Counters, trust::Stamp};

/// How much is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Entries(usize),
    Bytes(u64),
}

/// A value in memory.
#[derive(Debug)]
pub(crate) struct Resident<V> {
    pub(crate) entry: Entry<V>,
    pub(crate) stamp: Stamp,
    /// Until when it is fresh; it may be before now.
    pub(crate) fresh_until: Instant,
    /// Until when the shared layer need not be asked.
    pub(crate) until: Instant,
    /// Nobody has asked for it yet: it was loaded ahead.
    pub(crate) ahead: AtomicBool,
}

#[derive(Clone)]
struct Weigh(Room);

impl<K: CacheKey> Weighter<K, Arc<Resident<K::Value>>> for Weigh {
    fn weight(&self, key: &K, resident: &Arc<Resident<K::Value>>) -> u64 {
        match self.0 {
            Room::Entries(_) => 1,
            Room::Bytes(_) => {
                let value = resident.entry.value.as_ref().map_or(0, CacheValue::weight);
                (OVERHEAD + key.text().len() + value) as u64
            }
        }
    }
}

/// What a resident takes beside key and value, about.
const OVERHEAD: usize = 200;
/// To guess from bytes how many entries there will be.
const TYPICAL: u64 = 1024;

/// The keys that are asked for most.
pub(crate) type HotKeys<K> = Arc<ArcSwap<HashSet<K>>>;

#[derive(Clone)]
struct Hooks<K> {
    hot: HotKeys<K>,
    counters: Arc<Counters>,
}

impl<K: CacheKey> Lifecycle<K, Arc<Resident<K::Value>>> for Hooks<K> {
    type RequestState = ();

    fn is_pinned(&self, key: &K, _resident: &Arc<Resident<K::Value>>) -> bool {
        self.hot.load().contains(key)
    }

    // Not `on_evict`, which is told of replacements as well.
    fn before_evict(&self, (): &mut (), _key: &K, _resident: &mut Arc<Resident<K::Value>>) {
        self.counters.evictions.one();
    }
}

type Residents<K> = Cache<K, Arc<Resident<<K as CacheKey>::Value>>, Weigh, DefaultHashBuilder, Hooks<K>>;

pub(crate) struct Memory<K: CacheKey> {
    cache: Residents<K>,
    /// Whether only keys that are asked for often are kept.
    pub(crate) hot_only: bool,
}

impl<K: CacheKey> Memory<K> {
    pub(crate) fn new(room: Room, hot_only: bool, hot: HotKeys<K>, counters: Arc<Counters>) -> Self {
        let (entries, weight) = match room {
            Room::Entries(entries) => (entries.max(1), entries.max(1) as u64),
            Room::Bytes(bytes) => {
                (usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX).max(16), bytes.max(1))
            }
        };
        let hooks = Hooks { hot, counters };
        let (weigh, hashing) = (Weigh(room), DefaultHashBuilder::default());
        let options = OptionsBuilder::new().estimated_items_capacity(entries).weight_capacity(weight).build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, weigh, hashing, hooks),
            // Only said of options that were left out, and none is.
            Err(_) => Cache::with(entries, weight, weigh, hashing, hooks),
        };
        Self { cache, hot_only }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<Resident<K::Value>>> {
        self.cache.get(key)
    }

    /// Without counting as a use.
    pub(crate) fn look(&self, key: &K) -> Option<Arc<Resident<K::Value>>> {
        self.cache.peek(key)
    }

    pub(crate) fn put(&self, key: K, resident: Resident<K::Value>) {
        self.cache.insert(key, Arc::new(resident));
    }

    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.cache.weight()
    }
}

impl<V> Resident<V> {
    /// `age`: how old it is already. `keep`: for how long the shared layer need not be asked.
    pub(crate) fn new(
        entry: Entry<V>,
        stamp: Stamp,
        now: Instant,
        age: Duration,
        keep: Duration,
        ahead: bool,
    ) -> Self {
        let fresh_until = match entry.fresh.checked_sub(age) {
            Some(left) => now + left,
            None => now.checked_sub(age.saturating_sub(entry.fresh)).unwrap_or(now),
        };
        Self { entry, stamp, fresh_until, until: now + keep, ahead: AtomicBool::new(ahead) }
    }

    /// How old it is now.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        (now + self.entry.fresh).saturating_duration_since(self.fresh_until)
    }
}
