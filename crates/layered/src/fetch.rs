//! From the shared layer to the loader: what happens when memory does not know.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::Shared};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    Answer, CacheKey, Expect, Head, Kept, Layer, LoadError,
    breaker::BRIEF,
    cache::{Inner, Landed},
    entry::{Entry, What},
    key::name,
    memory::Resident,
    trust::Stamp,
    write::Place,
};

/// The shortest time for which something can be kept.
const BLINK: Duration = Duration::from_millis(1);

/// Loads under way, or answered a moment ago.
pub(crate) type Flights<K> = HashMap<K, Flight<<K as CacheKey>::Value>>;

pub(crate) struct Flight<V: Clone> {
    number: u64,
    stamp: Stamp,
    landing: Landing<V>,
}

/// What a flight will bring.
#[derive(Clone)]
pub(crate) struct Landing<V: Clone>(Shared<oneshot::Receiver<Landed<V>>>);

impl<V: Clone> IntoFuture for Landing<V> {
    type Output = Landed<V>;
    type IntoFuture = futures_util::future::Map<
        Shared<oneshot::Receiver<Landed<V>>>,
        fn(Result<Landed<V>, oneshot::error::RecvError>) -> Landed<V>,
    >;

    fn into_future(self) -> Self::IntoFuture {
        self.0.map(|landed| landed.unwrap_or(Err(LoadError::GivenUp)))
    }
}

/// A loader answered for other keys than it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the loader gave another number of values than it was asked for")]
struct Miscounted;

/// A key that is being fetched.
pub(crate) struct Job<K: CacheKey> {
    pub(crate) key: K,
    pub(crate) name: String,
    number: u64,
    stamp: Stamp,
    kind: Why,
    /// What may be served if nothing better comes, and who said it.
    old: Option<(Entry<K::Value>, Layer)>,
    /// What has to stand in the shared layer for the value to be put there. `None`: it may not be.
    pub(crate) fill: Option<Expect>,
    /// Those who wait, until they have been answered.
    waiting: Option<oneshot::Sender<Landed<K::Value>>>,
}

/// Why a key is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Somebody waits for it.
    Asked,
    /// Somebody may ask for it.
    Ahead,
    /// There is one, whose time is up, or will soon be.
    Renewal,
}

impl<K: CacheKey> Job<K> {
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Nobody waits for it.
    pub(crate) fn idle(&self) -> bool {
        self.renews() || self.waiting.is_none()
    }

    pub(crate) fn renews(&self) -> bool {
        self.kind == Why::Renewal
    }

    /// When what is known was made, to tell whether there is something newer.
    pub(crate) fn known(&self) -> Option<u64> {
        self.old.as_ref().map(|(entry, _)| entry.made)
    }

    /// The shared layer has this, which is past its time.
    pub(crate) fn remember(&mut self, entry: Entry<K::Value>) {
        if self.known().is_none_or(|made| made <= entry.made) {
            self.old = Some((entry, Layer::Shared));
        }
    }
}

impl<K: CacheKey> Inner<K> {
    /// Joins the flights of these keys, or starts those that are missing, together.
    pub(crate) fn fetch(self: &Arc<Self>, keys: &[K], ahead: bool) -> Vec<Landing<K::Value>> {
        self.depart(keys, if ahead { Why::Ahead } else { Why::Asked })
    }

    /// Loads a key anew, unless that is being done.
    pub(crate) fn refresh(self: &Arc<Self>, key: &K) {
        self.depart(std::slice::from_ref(key), Why::Renewal);
    }

    fn depart(self: &Arc<Self>, keys: &[K], kind: Why) -> Vec<Landing<K::Value>> {
        let trust = &self.node.inner.trust;
        let (mut landings, mut jobs) = (Vec::with_capacity(keys.len()), Vec::new());
        let mut flights = self.flights();
        let now = Instant::now();
        for key in keys {
            // Whoever asks after a change was declared done must not get what was loaded before.
            let joinable = |flight: &&Flight<K::Value>| {
                flight.landing.0.peek().is_none() && trust.holds(&flight.stamp, now)
            };
            if let Some(flight) = flights.get(key).filter(joinable) {
                if kind == Why::Asked {
                    self.counters.coalesced.one();
                }
                landings.push(flight.landing.clone());
                continue;
            }
            let name = name(key);
            let stamp = trust.stamp(&name);
            let number = self.flown.fetch_add(1, Relaxed);
            let (waiting, landed) = oneshot::channel();
            let landing = Landing(landed.shared());
            flights.insert(key.clone(), Flight { number, stamp, landing: landing.clone() });
            landings.push(landing);
            let known = self.memory.as_ref().and_then(|memory| memory.look(key));
            let old = known.filter(|resident| !trust.invalidated(&resident.stamp));
            let old = old.map(|resident| (resident.entry.clone(), Layer::Memory));
            let key = key.clone();
            jobs.push(Job { key, name, number, stamp, kind, old, fill: None, waiting: Some(waiting) });
        }
        drop(flights);
        // In tasks of their own: whoever asked may go away, others have joined.
        if jobs.is_empty() {
            return landings;
        }
        if !self.shared || self.node.inner.shared().is_none() {
            self.ask_truth(jobs);
        } else if let Some(lane) = self.reads.board(jobs) {
            tokio::spawn(Arc::clone(self).read_together(lane));
        }
        landings
    }

    /// What the shared layer does not know: from kept results, or from the loader.
    pub(crate) fn ask_truth(self: &Arc<Self>, jobs: Vec<Job<K>>) {
        if jobs.is_empty() {
            return;
        }
        if self.results.is_none() {
            self.load_apart(jobs);
        } else if let Some(lane) = self.asks.board(jobs) {
            tokio::spawn(Arc::clone(self).ask_together(lane));
        }
    }

    /// Looks for kept results for those who wait in a lane, until nobody does.
    async fn ask_together(self: Arc<Self>, lane: usize) {
        let Some(lane) = self.asks.lane(lane) else { return };
        let mut drive = lane.drive();
        while let Some(jobs) = drive.next() {
            let inner = Arc::clone(&self);
            let asked = tokio::spawn(async move {
                let left = inner.ask_results(jobs).await;
                inner.load_apart(left);
            });
            // Those who come next wait for this, and so go together, but not for a database that does not answer.
            let _ = tokio::time::timeout(BRIEF, asked).await; // it goes on by itself
        }
    }

    /// Loads these, while the caller goes on.
    pub(crate) fn load_apart(self: &Arc<Self>, jobs: Vec<Job<K>>) {
        let alone = jobs.len() > 1 && self.loader.one_by_one();
        let size = if alone { 1 } else { jobs.len().max(1) };
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let (inner, together) = (Arc::clone(self), jobs.by_ref().take(size).collect());
            tokio::spawn(async move { inner.ask_loader(together).await });
        }
    }

    async fn ask_results(self: &Arc<Self>, jobs: Vec<Job<K>>) -> Vec<Job<K>> {
        let Some(results) = &self.node.inner.results else { return jobs };
        let names: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
        let found = results.breaker.call_within(self.policy.load_timeout, results.layer.get(&names)).await;
        let Some(Ok(found)) = found else { return jobs };
        let now = self.node.inner.millis(Instant::now());
        let (mut left, mut fills) = (Vec::new(), Vec::new());
        for (job, found) in jobs.into_iter().zip(found) {
            let read = found.and_then(|bytes| Some((Entry::decode(&bytes)?, bytes)));
            match read.filter(|(entry, _)| !job.renews() && fresh(entry, now)) {
                Some((entry, bytes)) => {
                    let place = self.land(job, &entry, Layer::Results, false);
                    fills.extend(place.map(|place| place.put(bytes)));
                }
                None => left.push(job),
            }
        }
        self.fill(fills);
        left
    }

    async fn ask_loader(self: &Arc<Self>, jobs: Vec<Job<K>>) {
        let keys: Vec<K> = jobs.iter().map(|job| job.key.clone()).collect();
        let from = self.node.inner.trust.load_from();
        let (asked, began) = (keys.len(), Instant::now());
        let load = async {
            match tokio::time::timeout(self.policy.load_timeout, self.loader.load(keys, from)).await {
                Ok(Ok(values)) if values.len() == asked => Ok(values),
                Ok(Ok(_)) => Err(LoadError::Failed(Arc::new(Miscounted))),
                Ok(Err(cause)) => Err(LoadError::Failed(Arc::from(cause))),
                Err(_) => Err(LoadError::TimedOut),
            }
        };
        let made = self.node.inner.millis(began);
        match self.loads.call(load).await.unwrap_or(Err(LoadError::Paused)) {
            Ok(values) => {
                let (mut fills, mut results) = (Vec::new(), Vec::new());
                for (job, value) in jobs.into_iter().zip(values) {
                    let fresh = self.policy.fresh(value.is_none());
                    let head = Head::new(What::Document);
                    let entry = Entry { head, value, made, fresh, cost: began.elapsed() };
                    if job.renews() {
                        self.counters.refreshes.one();
                    }
                    let keep = self.worth_keeping(&job.name, &entry, true).map(|ttl| (job.name.clone(), ttl));
                    let place = self.land(job, &entry, Layer::Loader, false);
                    if keep.is_none() && place.is_none() {
                        continue;
                    }
                    let value = entry.encode();
                    fills.extend(place.map(|place| place.put(value.clone())));
                    results.extend(keep.map(|(key, ttl)| Kept { key, value, ttl }));
                }
                self.fill(fills);
                self.keep_results(results);
            }
            Err(error) => {
                self.counters.load_errors.one();
                for job in self.recall(jobs).await {
                    self.fail(job, &error);
                }
            }
        }
    }

    /// What the shared layer had when it was last in use, where nothing else is known.
    async fn recall(&self, mut jobs: Vec<Job<K>>) -> Vec<Job<K>> {
        let out_of_use = self.shared && self.node.inner.shared().is_none();
        let Some(shared) = self.node.inner.shared.as_ref().filter(|_| out_of_use) else { return jobs };
        let mut wanting: Vec<_> = jobs.iter_mut().filter(|job| job.old.is_none()).collect();
        if wanting.is_empty() || self.policy.stale_on_error.is_zero() {
            return jobs;
        }
        let names: Vec<String> = wanting.iter().map(|job| job.name.clone()).collect();
        if let Some(Ok(found)) = shared.breaker.call_briefly(shared.layer.recall(&names)).await {
            for (job, found) in wanting.iter_mut().zip(found) {
                if let Some(entry) = found.as_ref().and_then(Entry::decode) {
                    job.remember(entry);
                }
            }
        }
        jobs
    }

    /// Keeps an entry, answers those who wait, and says where in the shared layer it belongs.
    pub(crate) fn land(
        &self,
        mut job: Job<K>,
        entry: &Entry<K::Value>,
        layer: Layer,
        stale: bool,
    ) -> Option<Place> {
        self.answer(&mut job, entry, layer, stale);
        let expect = job.fill?;
        // What is not to be kept still takes the place of our lease, for those who wait for it.
        let ttl = if entry.fresh.is_zero() { BLINK } else { self.policy.kept(entry.fresh) };
        Some(Place { key: job.name, expect, ttl })
    }

    /// The same, for an entry that is to be replaced by a newer one: the flight goes on.
    pub(crate) fn answer(&self, job: &mut Job<K>, entry: &Entry<K::Value>, layer: Layer, stale: bool) {
        self.keep(job, entry, layer);
        let now = self.node.inner.millis(Instant::now());
        let age = Duration::from_millis(now.saturating_sub(entry.made));
        self.tell(job, Ok(Answer { value: entry.value.clone(), layer, age, stale }));
    }

    fn keep(&self, job: &Job<K>, entry: &Entry<K::Value>, layer: Layer) {
        let Some(memory) = &self.memory else { return };
        let wanted = !memory.hot_only || self.hot.is_hot(&job.key);
        // As of when the load began: nothing that was loaded before an invalidation survives it.
        if !wanted || entry.fresh.is_zero() || !self.node.inner.trust.may_keep(&job.stamp) {
            return;
        }
        let now = Instant::now();
        let age = match layer {
            Layer::Loader => now - job.stamp.begun(),
            _ => Duration::from_millis(self.node.inner.millis(now).saturating_sub(entry.made)),
        };
        let left = self.policy.kept(entry.fresh).saturating_sub(age);
        let jitter = 1.0 - self.policy.jitter.clamp(0.0, 0.9) * rand::random::<f64>();
        let keep = self.policy.memory_ttl.mul_f64(jitter).min(left);
        let ahead = job.kind == Why::Ahead;
        if ahead {
            self.counters.prefetched.one();
        }
        memory.put(job.key.clone(), Resident::new(entry.clone(), job.stamp, now, age, keep, ahead));
    }

    fn tell(&self, job: &mut Job<K>, landed: Landed<K::Value>) {
        let Some(waiting) = job.waiting.take() else { return };
        if let (Why::Asked, Ok(answer)) = (job.kind, &landed) {
            self.count(answer);
        }
        let mut flights = self.flights();
        if flights.get(&job.key).is_some_and(|flight| flight.number == job.number) {
            flights.remove(&job.key);
        }
        drop(flights);
        let _ = waiting.send(landed); // they may all have gone
    }

    /// It cannot be loaded: what is known is served, if it is not too old.
    fn fail(&self, mut job: Job<K>, error: &LoadError) {
        let now = self.node.inner.millis(Instant::now());
        let bound = self.policy.stale_on_error;
        let old = job.old.take().filter(|(old, _)| now < old.made + millis(old.fresh + bound));
        let landed = match old {
            Some((old, layer)) => {
                let age = Duration::from_millis(now.saturating_sub(old.made));
                Ok(Answer { value: old.value, layer, age, stale: true })
            }
            None => Err(error.clone()),
        };
        self.tell(&mut job, landed);
    }

    /// Somebody else is renewing it: what is known will do.
    pub(crate) fn leave(&self, job: Job<K>) {
        self.fail(job, &LoadError::GivenUp);
    }

    fn flights(&self) -> MutexGuard<'_, Flights<K>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn fresh<V>(entry: &Entry<V>, now: u64) -> bool {
    now < entry.made + millis(entry.fresh)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What stands under a shared key, as far as a reader is concerned.
pub(crate) enum Found<V> {
    Nothing,
    Document(Entry<V>),
    Lease(Head),
    Mark,
    Changed(Head),
}

impl<V: crate::CacheValue> Found<V> {
    pub(crate) fn read(bytes: Option<&Bytes>) -> Self {
        let Some(bytes) = bytes else { return Self::Nothing };
        let head = Head::of(bytes);
        match (head, head.and_then(|head| head.kind())) {
            (Some(head), Some(What::Lease)) => Self::Lease(head),
            (Some(head), Some(What::Changed)) => Self::Changed(head),
            // A document that cannot be read, as after a change of the format, may be replaced.
            (Some(head), Some(What::Document)) => {
                Entry::decode(bytes).map_or(Self::Changed(head), Self::Document)
            }
            _ => Self::Mark,
        }
    }
}
