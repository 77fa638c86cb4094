//! Reads of documents by way of their cache.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_cache::{CacheRead, Document, DocumentCache, Layer, Lease, StoreValue};
use cartwright_domain::OwnerId;
use futures_util::{StreamExt, stream};
use metrics::Counter;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::{Combiner, Limits, NotTaken, Run, Turn, Waiting};

/// Documents that one command asks the cache for.
const TOGETHER: usize = 128;
/// Documents that a batch of reads loads at the same time.
const LOADS: usize = 8;
/// A longer document is not cached: a few of them would push many others out.
const LONGEST: usize = 128 * 1024;

/// Asks the database.
#[async_trait]
pub trait Load: Send + Sync + 'static {
    /// What the database says, of which the document is made. All who ask at the same time get a clone.
    type Loaded: Clone + Send + Sync + 'static;
    /// Why it said nothing. All who ask at the same time get a clone.
    type Error: From<NotTaken> + Clone + Send + Sync + 'static;

    /// What is there now.
    ///
    /// # Errors
    /// Those of the database.
    async fn load(&self, owner: &OwnerId) -> Result<Self::Loaded, Self::Error>;
}

/// What was found for one of those who asked.
#[derive(Debug, Clone)]
pub enum Found<T> {
    /// The cache had it, in this part of it.
    Cached(Document, Layer),
    /// The cache had nothing, or was not asked. With the right to store what becomes of it, for one of those who get it.
    Loaded(T, Option<Lease>),
}

/// Metrics of one kind of documents.
#[derive(Debug, Clone)]
pub struct DocumentFigures {
    hits: Counter,
    misses: Counter,
    bypasses: Counter,
    stored: Counter,
    too_long: Counter,
    /// Documents that were taken out of the cache.
    pub forgotten: Counter,
}

impl DocumentFigures {
    /// `reads` counts by `answered_by`, `changes` by `change`.
    pub fn register(reads: &'static str, changes: &'static str) -> Self {
        let read = |answered: &'static str| metrics::counter!(reads, "answered_by" => answered);
        let change = |change: &'static str| metrics::counter!(changes, "change" => change);
        Self {
            hits: read("cache"),
            misses: read("database_miss"),
            bypasses: read("database_bypass"),
            stored: change("stored"),
            too_long: change("too_long"),
            forgotten: change("forgotten"),
        }
    }
}

type Answer<L> = Result<Found<<L as Load>::Loaded>, <L as Load>::Error>;
type Callers<L> = Vec<Waiting<OwnerId, Answer<L>>>;

struct Shared<L> {
    cache: Option<Arc<dyn DocumentCache>>,
    load: L,
    figures: DocumentFigures,
    runtime: Handle,
    tasks: TaskTracker,
}

/// Reads of one kind of documents: those that wait together are one question to the cache, and one to the database for each
/// owner.
pub struct DocumentReads<L: Load> {
    shared: Arc<Shared<L>>,
    combiner: Combiner<OwnerId, Answer<L>>,
}

impl<L: Load> DocumentReads<L> {
    /// Reads by way of `cache` (`None`: there is none), with at most `waiting` that wait on a thread. Lives on the current tokio
    /// runtime; the tracker knows what is under way.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        cache: Option<Arc<dyn DocumentCache>>,
        load: L,
        figures: DocumentFigures,
        waiting: usize,
        tasks: &TaskTracker,
    ) -> Self {
        let (runtime, tasks) = (Handle::current(), tasks.clone());
        let shared = Arc::new(Shared { cache, load, figures, runtime, tasks });
        let run: Run<OwnerId, Answer<L>> = {
            let shared = Arc::clone(&shared);
            Arc::new(move |turn| Box::pin(read_together(Arc::clone(&shared), turn)))
        };
        let limits = Limits {
            batch: TOGETHER,
            waiting,
            at_once: 1,
            slow: Duration::ZERO, // of one at a time none is passed by
            as_many_follow: false,
            gathering: None,
        };
        let lanes = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64));
        let combiner = Combiner::new(lanes, limits, &shared.tasks, &run);
        Self { shared, combiner }
    }

    /// What there is: whatever anybody was told of before the call.
    ///
    /// # Errors
    /// Those of the database, and when too many wait.
    pub async fn find(&self, owner: &OwnerId) -> Result<Found<L::Loaded>, L::Error> {
        // On the caller's own runtime: where that is a single thread, no other has to be woken.
        let near = Handle::try_current();
        let runtime = &self.shared.runtime;
        match self.combiner.submit(owner.clone(), near.as_ref().unwrap_or(runtime)).await {
            // The runtime of another caller may have ended under it.
            Err(NotTaken::Lost) => self.combiner.submit(owner.clone(), runtime).await?,
            answer => answer?,
        }
    }

    /// Stores what was made of what was found, in the background.
    pub fn keep(&self, owner: &OwnerId, lease: Lease, document: Document) {
        let shared = &self.shared;
        let Some(cache) = shared.cache.clone() else { return };
        if document.body.len() > LONGEST {
            shared.figures.too_long.increment(1);
            return; // the token runs out
        }
        shared.figures.stored.increment(1);
        let value = StoreValue { owner: owner.clone(), lease, document };
        shared.tasks.spawn_on(async move { cache.store(vec![value]).await }, &shared.runtime);
    }
}

/// All who ask for one document get the same answer. They all came before it was asked for, so that it has whatever they were
/// told of before.
async fn read_together<L: Load>(shared: Arc<Shared<L>>, mut turn: Turn<OwnerId, Answer<L>>) {
    let mut asked: BTreeMap<OwnerId, Callers<L>> = BTreeMap::new();
    for waiting in turn.batch().into_iter().filter(|waiting| !waiting.abandoned()) {
        asked.entry(waiting.request.clone()).or_default().push(waiting);
    }
    let owners: Vec<OwnerId> = asked.keys().cloned().collect();
    let claimed = match &shared.cache {
        Some(cache) => cache.claim(&owners).await,
        None => owners.iter().map(|_| CacheRead::Bypass).collect(),
    };
    drop(turn); // nobody's hit waits for the database
    let figures = &shared.figures;
    let mut to_load = Vec::new();
    for ((owner, callers), read) in asked.into_iter().zip(claimed) {
        let (counter, lease) = match read {
            CacheRead::Hit(document, layer) => {
                figures.hits.increment(callers.len() as u64);
                answer::<L>(callers, || Ok(Found::Cached(document.clone(), layer)));
                continue;
            }
            CacheRead::Absent(lease) => (&figures.misses, Some(lease)),
            CacheRead::Missing | CacheRead::Bypass => (&figures.bypasses, None),
        };
        counter.increment(callers.len() as u64);
        to_load.push((owner, callers, lease));
    }
    let load = |(owner, callers, lease)| load(&shared, owner, callers, lease);
    stream::iter(to_load).for_each_concurrent(LOADS, load).await;
}

async fn load<L: Load>(shared: &Shared<L>, owner: OwnerId, callers: Callers<L>, mut lease: Option<Lease>) {
    let loaded = shared.load.load(&owner).await;
    answer::<L>(callers, || Ok(Found::Loaded(loaded.clone()?, lease.take())));
}

fn answer<L: Load>(callers: Callers<L>, mut with: impl FnMut() -> Answer<L>) {
    for caller in callers {
        caller.answer(with());
    }
}
