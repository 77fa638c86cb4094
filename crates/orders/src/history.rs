//! What somebody is shown first of his orders, by way of the cache.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_cache::{CacheRead, Document, Layer, Lease, StoreValue};
use cartwright_coherence::{Combiner, Limits, NotTaken, Run, Turn, Waiting};
use cartwright_domain::{Order, OrderQuery, OwnerId};
use cartwright_storage::ListedOrders;
use futures_util::{StreamExt, stream};
use metrics::Counter;
use tokio::runtime::Handle;

use crate::{OrderService, OrdersError, service::Shared};

/// Histories that one command asks the cache for.
const TOGETHER: usize = 128;
/// Histories that a batch of reads loads at the same time.
const LOADS: usize = 8;
/// A longer document is not cached: a few of them would push many others out.
const LONGEST: usize = 128 * 1024;

/// What somebody is shown of his orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The document.
    pub body: Bytes,
    /// The part of the cache that had it. `None`: it comes from the database.
    pub layer: Option<Layer>,
}

/// What was found for one of those who asked.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Cached(Bytes, Layer),
    /// The cache had nothing, or was not asked. With the right to store what becomes of it, for one of those who get it.
    Loaded(Arc<ListedOrders>, Option<Lease>),
}

type Answer = Result<Found, OrdersError>;
/// Reads that wait for the question before theirs.
pub(crate) type Reads = Combiner<OwnerId, Answer>;

/// Metrics, looked up once.
pub(crate) struct HistoryFigures {
    hits: Counter,
    misses: Counter,
    bypasses: Counter,
    stored: Counter,
    too_long: Counter,
    forgotten: Counter,
}

impl HistoryFigures {
    pub(crate) fn register() -> Self {
        let reads = |answered: &'static str| metrics::counter!("cartwright_order_history_reads_total", "answered_by" => answered);
        let changes =
            |change: &'static str| metrics::counter!("cartwright_order_histories_total", "change" => change);
        Self {
            hits: reads("cache"),
            misses: reads("database_miss"),
            bypasses: reads("database_bypass"),
            stored: changes("stored"),
            too_long: changes("too_long"),
            forgotten: changes("forgotten"),
        }
    }
}

/// Reads that wait together are one question to the cache: on the thread that asks, as for carts.
pub(crate) fn reads(shared: &Arc<Shared>) -> Reads {
    let run: Run<OwnerId, Answer> = {
        let shared = Arc::clone(shared);
        Arc::new(move |turn| Box::pin(read_together(Arc::clone(&shared), turn)))
    };
    let waiting = shared.settings.waiting;
    let limits = Limits {
        batch: TOGETHER,
        waiting,
        at_once: 1,
        slow: Duration::ZERO, // of one at a time none is passed by
        as_many_follow: false,
        gathering: None,
    };
    let lanes = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64));
    Combiner::new(lanes, limits, &shared.tasks, &run)
}

/// All who ask for one history get the same answer. They all came before it was asked for, so that it has whatever they were
/// told of before.
async fn read_together(shared: Arc<Shared>, mut turn: Turn<OwnerId, Answer>) {
    let mut asked: BTreeMap<OwnerId, Callers> = BTreeMap::new();
    for waiting in turn.batch().into_iter().filter(|waiting| !waiting.abandoned()) {
        asked.entry(waiting.request.clone()).or_default().push(waiting);
    }
    let owners: Vec<OwnerId> = asked.keys().cloned().collect();
    let claimed = match &shared.forgetting.cache {
        Some(cache) => cache.claim(&owners).await,
        None => owners.iter().map(|_| CacheRead::Bypass).collect(),
    };
    drop(turn); // nobody's hit waits for the database
    let figures = &shared.figures.histories;
    let mut to_load = Vec::new();
    for ((owner, callers), read) in asked.into_iter().zip(claimed) {
        let (counter, lease) = match read {
            CacheRead::Hit(document, layer) => {
                figures.hits.increment(callers.len() as u64);
                answer(callers, || Ok(Found::Cached(document.body.clone(), layer)));
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

type Callers = Vec<Waiting<OwnerId, Answer>>;

async fn load(shared: &Shared, owner: OwnerId, callers: Callers, mut lease: Option<Lease>) {
    let query = OrderQuery { owner: Some(owner), ..OrderQuery::default() };
    let listed = shared.store.list_orders(&query).await.map(Arc::new).map_err(OrdersError::from);
    answer(callers, || Ok(Found::Loaded(listed.clone()?, lease.take())));
}

fn answer(callers: Callers, mut with: impl FnMut() -> Answer) {
    for caller in callers {
        caller.answer(with());
    }
}

impl Shared {
    /// Before anybody is told of orders that are committed: nobody is shown a history without them. Also of those that were
    /// there before: whoever made them may have died before he came to this.
    pub(crate) async fn forget_histories<T>(
        &self,
        told: Vec<T>,
        order: impl Fn(&T) -> Option<&Order>,
    ) -> Result<Vec<T>, OrdersError> {
        self.forget(told.iter().filter_map(order).map(|order| &order.owner)).await?;
        Ok(told)
    }

    pub(crate) async fn forget(&self, owners: impl Iterator<Item = &OwnerId>) -> Result<(), OrdersError> {
        let owners = self.to_forget(owners);
        self.forgetting.forget(&*self.store, &owners).await?;
        self.figures.histories.forgotten.increment(owners.len() as u64);
        Ok(())
    }

    /// What was asked for may have been done, or not: whoever looks into his history to find out is not misled by what is cached,
    /// unless the cache is out of reach as well.
    pub(crate) async fn doubt(&self, owners: impl Iterator<Item = &OwnerId>) {
        let owners = self.to_forget(owners);
        self.forgetting.try_to_forget(&owners).await;
    }

    fn to_forget<'a>(&self, owners: impl Iterator<Item = &'a OwnerId>) -> Vec<OwnerId> {
        if self.forgetting.cache.is_none() {
            return Vec::new();
        }
        let mut owners: Vec<&OwnerId> = owners.collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().cloned().collect()
    }
}

impl OrderService {
    /// What somebody is shown first of his orders: the first numbered page of the usual size, as `render` writes it. It has
    /// every order and every step that anybody was told of before the call, on whichever node.
    ///
    /// What is cached is what `render` wrote, for all processes that share the cache: they must write the same.
    ///
    /// # Errors
    /// Those of the store, [`OrdersError::Overloaded`], [`OrdersError::ShuttingDown`], and those of `render`.
    pub async fn history<E: From<OrdersError>>(
        &self,
        owner: &OwnerId,
        render: impl FnOnce(&ListedOrders) -> Result<Bytes, E>,
    ) -> Result<History, E> {
        match self.find_history(owner).await? {
            Found::Cached(body, layer) => Ok(History { body, layer: Some(layer) }),
            Found::Loaded(listed, lease) => {
                let body = render(&listed)?;
                if let Some(lease) = lease {
                    self.keep(owner, lease, &body);
                }
                Ok(History { body, layer: None })
            }
        }
    }

    /// Takes histories out of the cache, for whoever has changed orders by other ways than this service. To be called after the
    /// change is committed; when it returns, nobody is shown what was there before.
    ///
    /// # Errors
    /// [`OrdersError::Storage`] when neither the cache nor the database could be reached.
    pub async fn forget_histories(&self, owners: &[OwnerId]) -> Result<(), OrdersError> {
        self.shared.forget(owners.iter()).await
    }

    async fn find_history(&self, owner: &OwnerId) -> Answer {
        let accepted = self.shared.accept()?;
        // On the caller's own runtime: where that is a single thread, no other has to be woken.
        let near = Handle::try_current();
        let runtime = &self.shared.runtime;
        let answer = self.reads.submit(owner.clone(), near.as_ref().unwrap_or(runtime));
        drop(accepted);
        match answer.await {
            // The runtime of another caller may have ended under it.
            Err(NotTaken::Lost) => self.reads.submit(owner.clone(), runtime).await?,
            answer => answer?,
        }
    }

    /// In the background.
    fn keep(&self, owner: &OwnerId, lease: Lease, body: &Bytes) {
        let Some(cache) = self.shared.forgetting.cache.clone() else { return };
        let figures = &self.shared.figures.histories;
        if body.len() > LONGEST {
            figures.too_long.increment(1);
            return; // the token runs out
        }
        figures.stored.increment(1);
        let document = Document { version: 0, body: body.clone() };
        let value = StoreValue { owner: owner.clone(), lease, document };
        self.shared.tasks.spawn_on(async move { cache.store(vec![value]).await }, &self.shared.runtime);
    }
}
