//! Reads: cache, else database, and put it in the cache.

use std::sync::Arc;

use cartwright_cache::{CacheRead, Document, Layer, StoreValue};
use cartwright_domain::{Cart, OwnerId};

use crate::{
    CartServiceError,
    combiner::{Turn, Waiting},
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

/// Answers a batch of reads. Those the cache knows are answered at once; the rest goes to the database in a task of
/// its own, so that it holds up nobody's hits.
///
/// All callers of one cart get the same answer. They all came before it was asked for: a caller who comes later must
/// not be given an answer that is older than his question.
pub(crate) async fn run(shared: Arc<Shared>, mut turn: Turn<OwnerId, Read>) {
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
    let (mut to_fill, mut to_load) = (Vec::new(), Vec::new());
    let mut waiting = batch.into_iter().peekable();
    for (owner, read) in owners.into_iter().zip(found) {
        let callers = std::iter::from_fn(|| waiting.next_if(|waiting| waiting.request == owner));
        match read {
            CacheRead::Hit(document, layer) => {
                let read = Read { document, source: Source::Cache(layer) };
                let answered = callers.map(|caller| caller.answer(Ok(read.clone()))).count();
                shared.figures.hits(layer).increment(answered as u64);
            }
            CacheRead::Absent(lease) => {
                let callers = callers.collect();
                to_fill.push((owner, lease, callers));
            }
            CacheRead::Bypass => {
                let callers = callers.collect();
                to_load.push((owner, callers));
            }
        }
    }
    if !to_fill.is_empty() {
        shared.figures.misses.increment(to_fill.len() as u64);
        shared.spawn(fill(Arc::clone(&shared), to_fill));
    }
    if !to_load.is_empty() {
        shared.figures.bypasses.increment(to_load.len() as u64);
        shared.spawn(load(Arc::clone(&shared), to_load));
    }
}

async fn fill(shared: Arc<Shared>, wanted: Vec<(OwnerId, cartwright_cache::Lease, Vec<WaitingRead>)>) {
    let owners: Vec<OwnerId> = wanted.iter().map(|(owner, ..)| owner.clone()).collect();
    let reads = match shared.store.load_for_fill(&owners).await {
        Ok(reads) => reads,
        Err(error) => return refuse(wanted.into_iter().flat_map(|(.., waiting)| waiting), error),
    };
    let mut values = Vec::with_capacity(reads.len());
    for (read, (owner, lease, waiting)) in reads.into_iter().zip(wanted) {
        if let Some(document) = answer_with(waiting, &read.cart)
            && read.locked
        {
            values.push(StoreValue { owner, lease, document });
        }
    }
    if let Some(cache) = &shared.cache
        && !values.is_empty()
    {
        cache.store(values).await;
    }
}

async fn load(shared: Arc<Shared>, wanted: Vec<(OwnerId, Vec<WaitingRead>)>) {
    let owners: Vec<OwnerId> = wanted.iter().map(|(owner, _)| owner.clone()).collect();
    match shared.store.load(&owners).await {
        Ok(carts) => {
            for (cart, (_, waiting)) in carts.iter().zip(wanted) {
                answer_with(waiting, cart);
            }
        }
        Err(error) => refuse(wanted.into_iter().flat_map(|(_, waiting)| waiting), error),
    }
}

fn answer_with(waiting: Vec<WaitingRead>, cart: &Cart) -> Option<Document> {
    match encode(cart) {
        Ok(document) => {
            answer(waiting, &Read { document: document.clone(), source: Source::Database });
            Some(document)
        }
        Err(error) => {
            tracing::error!(%error, owner = %cart.owner(), "a cart could not be written as JSON");
            None // dropping the callers tells them that their answer is lost
        }
    }
}

fn answer(waiting: Vec<WaitingRead>, read: &Read) {
    for one in waiting {
        one.answer(Ok(read.clone()));
    }
}

fn refuse(waiting: impl Iterator<Item = WaitingRead>, error: cartwright_storage::StorageError) {
    let error = Arc::new(error);
    for one in waiting {
        one.answer(Err(CartServiceError::Storage(Arc::clone(&error))));
    }
}
