use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use crate::{
    CacheKey, Figures, Kept, LoadError, Loader, Node, Policy, Put,
    breaker::Breaker,
    builder::CacheBuilder,
    fetch::{Flights, Job},
    figures::Counters,
    hot::{self, Hot},
    lanes::{Lane, Lanes},
    memory::{HotKeys, Memory, Resident},
    results::Admission,
};

/// Which layer answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The memory of this process.
    Memory,
    /// The cache that all nodes share.
    Shared,
    /// Results kept where the truth is.
    Results,
    /// None: it was loaded.
    Loader,
}

impl Layer {
    /// The name used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "l1",
            Self::Shared => "l2",
            Self::Results => "l3",
            Self::Loader => "miss",
        }
    }
}

/// What a cache says of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<V> {
    /// `None`: there is nothing under the key.
    pub value: Option<V>,
    /// Who says so.
    pub layer: Layer,
    /// How long ago it was loaded.
    pub age: Duration,
    /// Whether its time is up, and it is served because it is being loaded anew, or cannot be.
    pub stale: bool,
}

/// What a load brings, for all who wait for it.
pub(crate) type Landed<V> = Result<Answer<V>, LoadError>;

/// A cache of one kind of data, in layers. Clones are the same cache.
///
/// A read asks memory, then the shared layer, then kept results, then the loader, and what is found is put into the
/// layers before it. See the [crate](crate) for what is promised.
pub struct Layered<K: CacheKey> {
    pub(crate) inner: Arc<Inner<K>>,
}

impl<K: CacheKey> Clone for Layered<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: CacheKey> std::fmt::Debug for Layered<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layered").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

pub(crate) struct Inner<K: CacheKey> {
    pub(crate) node: Node,
    pub(crate) policy: Policy,
    pub(crate) memory: Option<Memory<K>>,
    pub(crate) shared: bool,
    pub(crate) leases: bool,
    /// Which results go to the third layer. `None`: this kind is not kept there.
    pub(crate) results: Option<Admission>,
    pub(crate) loader: Arc<dyn Loader<K>>,
    pub(crate) loads: Breaker,
    pub(crate) flights: Mutex<Flights<K>>,
    /// What the shared layer is asked for, and what the third one is.
    pub(crate) reads: Lanes<Job<K>>,
    pub(crate) asks: Lanes<Job<K>>,
    /// What is to be put into the shared layer, and into the third one. Nobody waits for it.
    pub(crate) fills: Lane<Put>,
    pub(crate) keeps: Lane<Kept>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hot: Hot<K>,
    /// For what nobody waits for.
    pub(crate) spare: Arc<Semaphore>,
    pub(crate) flown: AtomicU64,
}

/// How much may be loaded ahead at the same time.
const AHEAD: usize = 4;
/// How many values may wait to be put into a layer that is slow. Those beyond cost a load later.
const UNWRITTEN: usize = 1024;
/// How often it is looked whether hot keys want to be loaded anew.
const LOOK: Duration = Duration::from_secs(1);

impl<K: CacheKey> Inner<K> {
    pub(crate) fn start(builder: CacheBuilder<K>, loader: Arc<dyn Loader<K>>) -> Arc<Self> {
        let counters = Arc::new(Counters::default());
        let hot_keys = HotKeys::<K>::default();
        let memory = builder
            .room
            .map(|room| Memory::new(room, builder.hot_only, Arc::clone(&hot_keys), Arc::clone(&counters)));
        let inner = Arc::new(Self {
            policy: builder.policy,
            memory,
            shared: builder.shared && builder.node.inner.shared.is_some(),
            leases: builder.leases,
            results: (builder.results && builder.node.inner.results.is_some()).then(Admission::new),
            node: builder.node,
            loader,
            loads: Breaker::new(K::KIND),
            flights: Mutex::new(HashMap::new()),
            reads: Lanes::new(),
            asks: Lanes::new(),
            fills: Lane::new(UNWRITTEN),
            keeps: Lane::new(UNWRITTEN),
            counters,
            hot: Hot::new(builder.hot, hot_keys),
            spare: Arc::new(Semaphore::new(AHEAD)),
            flown: AtomicU64::new(0),
        });
        if builder.hot > 0 {
            tokio::spawn(keep_hot(Arc::downgrade(&inner)));
        }
        inner
    }
}

impl<K: CacheKey> Layered<K> {
    /// What is under a key.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no layer, cannot be loaded, and nothing old enough to be served instead is kept.
    pub async fn get(&self, key: &K) -> Result<Answer<K::Value>, LoadError> {
        if let Some(answer) = self.peek(key) {
            return Ok(answer);
        }
        let waiting = self.inner.fetch(std::slice::from_ref(key), false);
        match waiting.into_iter().next() {
            Some(landing) => landing.await,
            None => Err(LoadError::GivenUp),
        }
    }

    /// What is under these keys: one answer for each, in order. As many round trips as for one.
    pub async fn get_many(&self, keys: &[K]) -> Vec<Result<Answer<K::Value>, LoadError>> {
        let mut answers: Vec<_> = keys.iter().map(|key| self.peek(key).map(Ok)).collect();
        let missing = keys.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let missing: Vec<K> = missing.map(|(key, _)| key.clone()).collect();
        let mut landings = self.inner.fetch(&missing, false).into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
            if let Some(landing) = landings.next() {
                *answer = Some(landing.await);
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(LoadError::GivenUp))).collect()
    }

    /// What memory has, without waiting. `None`: ask [`get`](Self::get).
    pub fn peek(&self, key: &K) -> Option<Answer<K::Value>> {
        let inner = &self.inner;
        inner.hot.asked(key);
        let resident = inner.memory.as_ref()?.get(key)?;
        let now = Instant::now();
        if now >= resident.until || !inner.node.inner.trust.holds(&resident.stamp, now) {
            return None;
        }
        let stale = now >= resident.fresh_until;
        if stale && now >= resident.fresh_until + inner.policy.stale_while_revalidate {
            return None;
        }
        if stale || inner.renews_early(&resident, now) {
            inner.refresh(key);
        }
        if resident.ahead.load(Relaxed) && resident.ahead.swap(false, Relaxed) {
            inner.counters.prefetched_used.one();
        }
        let answer = Answer {
            value: resident.entry.value.clone(),
            layer: Layer::Memory,
            age: resident.age(now),
            stale,
        };
        inner.count(&answer);
        Some(answer)
    }

    /// Loads what will probably be asked for, in the background, unless it is in memory or there is much to do already.
    pub fn prefetch(&self, keys: impl IntoIterator<Item = K>) {
        let Some(memory) = &self.inner.memory else { return };
        let (now, trust) = (Instant::now(), &self.inner.node.inner.trust);
        let there = |key: &K| {
            memory.look(key).is_some_and(|resident| now < resident.until && trust.holds(&resident.stamp, now))
        };
        let keys: Vec<K> = keys.into_iter().filter(|key| !there(key)).collect();
        let Ok(permit) = Arc::clone(&self.inner.spare).try_acquire_owned() else { return };
        if keys.is_empty() {
            return;
        }
        let landings = self.inner.fetch(&keys, true);
        tokio::spawn(async move {
            for landing in landings {
                let _ = landing.await; // whoever asks for it will be told
            }
            drop(permit);
        });
    }

    /// Loads keys so that they are in memory, at most so many a second, and waits for it: at the start, with what
    /// [`hot_keys`](Self::hot_keys) said before. Returns how many could be loaded.
    pub async fn warm(&self, keys: &[K], per_second: usize) -> usize {
        let (together, mut loaded) = (per_second.div_ceil(10).max(1), 0);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for keys in keys.chunks(together) {
            ticks.tick().await;
            for landing in self.inner.fetch(keys, true) {
                loaded += usize::from(landing.await.is_ok());
            }
        }
        loaded
    }

    /// The keys that are asked for most at present.
    pub fn hot_keys(&self) -> Vec<K> {
        self.inner.hot.keys().iter().cloned().collect()
    }

    /// What happened since the cache was made.
    pub fn figures(&self) -> Figures {
        self.inner.counters.read()
    }

    /// How many values are in memory, and how much room they take: bytes, or their number.
    pub fn resident(&self) -> (usize, u64) {
        self.inner.memory.as_ref().map_or((0, 0), |memory| (memory.len(), memory.weight()))
    }
}

impl<K: CacheKey> Inner<K> {
    /// Whether it is time to load a value anew although it could still be served: the sooner its time is up, and the
    /// longer a load takes, the likelier. So one of many callers does, before all of them have to wait.
    fn renews_early(&self, resident: &Resident<K::Value>, now: Instant) -> bool {
        let left = resident.fresh_until.min(resident.until).saturating_duration_since(now).as_secs_f64();
        let eager = resident.entry.cost.as_secs_f64().max(0.001) * self.policy.early_refresh;
        // -ln(x) is above 20 once in 500 million times.
        left < eager * 20.0 && left < -eager * rand::random::<f64>().max(f64::MIN_POSITIVE).ln()
    }

    pub(crate) fn count(&self, answer: &Answer<K::Value>) {
        match answer.layer {
            Layer::Memory => self.counters.l1_hits.one(),
            Layer::Shared => self.counters.l2_hits.one(),
            Layer::Results => self.counters.l3_hits.one(),
            Layer::Loader => self.counters.loads.one(),
        }
        if answer.stale {
            self.counters.stale_served.one();
        }
        if answer.value.is_none() && answer.layer != Layer::Loader {
            self.counters.negative_hits.one();
        }
    }
}

/// Finds the hot keys, and loads them anew before their time is up.
async fn keep_hot<K: CacheKey>(cache: Weak<Inner<K>>) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut turned = Instant::now();
    loop {
        ticks.tick().await;
        let Some(cache) = cache.upgrade() else { return };
        if turned.elapsed() >= hot::WINDOW {
            cache.hot.turn();
            turned = Instant::now();
        }
        let Some(memory) = &cache.memory else { continue };
        let soon = Instant::now() + 2 * LOOK;
        for key in cache.hot.keys().iter() {
            if memory.look(key).is_some_and(|resident| resident.fresh_until.min(resident.until) < soon) {
                cache.refresh(key);
            }
        }
    }
}
