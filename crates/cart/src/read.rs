//! Reads: cache, else database, and put it in the cache.

use std::sync::Arc;

use cartwright_cache::{CacheRead, Document, Layer, Lease, StoreValue};
use cartwright_domain::{Cart, OwnerId};

use crate::{
    CartServiceError,
    combiner::{Combiner, Turn, Waiting},
    document::{counts, encode},
    service::Shared,
};

/// Who answered a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The cache.
    Cache(Layer),
    /// The database.
    Database,
}

impl Source {
    /// The name used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache(layer) => layer.name(),
            Self::Database => "database",
        }
    }
}

/// A cart that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The cart.
    pub document: Document,
    /// Who answered.
    pub source: Source,
}

impl Read {
    /// Lines, and units over all lines.
    ///
    /// # Errors
    /// [`DocumentError`](crate::DocumentError) when the document is broken.
    pub fn counts(&self) -> Result<(u64, u64), crate::DocumentError> {
        counts(&self.document.body)
    }
}

pub(crate) type WaitingRead = Waiting<OwnerId, Read>;

/// A cart that the cache did not have.
pub(crate) struct Miss {
    owner: OwnerId,
    /// The right to store it. `None`: the cache is not in use.
    lease: Option<Lease>,
    callers: Vec<WaitingRead>,
}

/// Misses wait for each other as writes do: a cold cache asks the database for many carts at once, not for each alone,
/// and leaves connections to the writes.
pub(crate) type Misses = Combiner<Miss, ()>;

/// Answers a batch of reads. Those the cache knows are answered at once; the rest goes to the database, and holds up
/// nobody's hits.
///
/// All callers of one cart get the same answer. They all came before it was asked for: a caller who comes later must
/// not be given an answer that is older than his question.
pub(crate) async fn run(shared: Arc<Shared>, misses: Arc<Misses>, mut turn: Turn<OwnerId, Read>) {
    let mut batch = turn.batch();
    shared.demand.read(batch.len());
    shared.figures.read_batch.record(batch.len() as f64);
    batch.sort_unstable_by(|a, b| a.request.cmp(&b.request));
    let mut owners: Vec<OwnerId> = batch.iter().map(|waiting| waiting.request.clone()).collect();
    owners.dedup();
    let found = match &shared.cache {
        Some(cache) => cache.read(&owners).await,
        None => owners.iter().map(|_| CacheRead::Bypass).collect(),
    };
    let mut waiting = batch.into_iter().peekable();
    for (owner, read) in owners.into_iter().zip(found) {
        let callers = std::iter::from_fn(|| waiting.next_if(|waiting| waiting.request == owner));
        let lease = match read {
            CacheRead::Hit(document, layer) => {
                let read = Read { document, source: Source::Cache(layer) };
                let answered = callers.map(|caller| caller.answer(Ok(read.clone()))).count();
                shared.figures.hits(layer).increment(answered as u64);
                continue;
            }
            CacheRead::Absent(lease) => {
                shared.figures.misses.increment(1);
                Some(lease)
            }
            CacheRead::Bypass => {
                shared.figures.bypasses.increment(1);
                None
            }
        };
        let callers = callers.collect();
        if let Err(refused) = misses.hand_in(Miss { owner, lease, callers }, &shared.runtime) {
            for caller in refused.callers {
                caller.answer(Err(CartServiceError::Overloaded));
            }
        }
    }
}

/// Answers a batch of misses from the database.
pub(crate) async fn run_misses(shared: Arc<Shared>, mut turn: Turn<Miss, ()>) {
    let batch = turn.batch().into_iter().map(|waiting| waiting.request);
    let (to_fill, to_load): (Vec<Miss>, Vec<Miss>) = batch.partition(|miss| miss.lease.is_some());
    let (values, ()) = futures_util::join!(fill(&shared, to_fill), load(&shared, to_load));
    drop(turn);
    if let Some(cache) = &shared.cache
        && !values.is_empty()
    {
        cache.store(values).await;
    }
}

/// Returns what may be stored.
async fn fill(shared: &Shared, wanted: Vec<Miss>) -> Vec<StoreValue> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let owners: Vec<OwnerId> = wanted.iter().map(|miss| miss.owner.clone()).collect();
    let reads = match shared.store.load_for_fill(&owners).await {
        Ok(reads) => reads,
        Err(error) => {
            refuse(wanted, error);
            return Vec::new();
        }
    };
    let mut values = Vec::with_capacity(reads.len());
    for (read, Miss { owner, lease, callers }) in reads.into_iter().zip(wanted) {
        if let Some(document) = answer_with(callers, &read.cart)
            && let Some(lease) = lease
            && read.locked
        {
            values.push(StoreValue { owner, lease, document });
        }
    }
    values
}

async fn load(shared: &Shared, wanted: Vec<Miss>) {
    if wanted.is_empty() {
        return;
    }
    let owners: Vec<OwnerId> = wanted.iter().map(|miss| miss.owner.clone()).collect();
    match shared.store.load(&owners).await {
        Ok(carts) => {
            for (cart, miss) in carts.iter().zip(wanted) {
                answer_with(miss.callers, cart);
            }
        }
        Err(error) => refuse(wanted, error),
    }
}

fn answer_with(waiting: Vec<WaitingRead>, cart: &Cart) -> Option<Document> {
    match encode(cart) {
        Ok(document) => {
            let read = Read { document: document.clone(), source: Source::Database };
            for one in waiting {
                one.answer(Ok(read.clone()));
            }
            Some(document)
        }
        Err(error) => {
            tracing::error!(%error, owner = %cart.owner(), "a cart could not be written as JSON");
            None // dropping the callers tells them that their answer is lost
        }
    }
}

fn refuse(misses: Vec<Miss>, error: cartwright_storage::StorageError) {
    let error = Arc::new(error);
    for caller in misses.into_iter().flat_map(|miss| miss.callers) {
        caller.answer(Err(CartServiceError::Storage(Arc::clone(&error))));
    }
}
