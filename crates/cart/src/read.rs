//! Reads: cache, else database, and put it in the cache.

use std::sync::Arc;

use cartwright_cache::{CacheRead, Document, Layer, Lease, StoreValue};
use cartwright_coherence::{Combiner, Turn, Waiting};
use cartwright_domain::{Cart, OwnerId};
use cartwright_storage::StorageError;

use crate::{
    CartServiceError,
    document::{counts, encode},
    service::{Answered, Shared},
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

pub(crate) type WaitingRead = Waiting<OwnerId, Answered<Read>>;

/// A cart that was asked for.
pub(crate) struct Wanted {
    owner: OwnerId,
    callers: Vec<WaitingRead>,
    /// What the cache says of it.
    read: CacheRead,
}

impl Wanted {
    /// Answers a hit. Anything else is given back.
    fn hit(self, shared: &Shared) -> Option<Self> {
        let CacheRead::Hit(document, layer) = self.read else { return Some(self) };
        shared.figures.hits(layer).increment(self.callers.len() as u64);
        answer(self.callers, &Ok(Read { document, source: Source::Cache(layer) }));
        None
    }
}

/// Misses wait for each other as writes do: a cold cache asks its primary and the database for many carts at once, not
/// for each alone, and leaves connections to the writes.
pub(crate) type Misses = Combiner<Wanted, ()>;

/// Answers a batch of reads. Those the cache knows are answered at once; the rest goes to the database, and holds up
/// nobody's hits.
///
/// All callers of one cart get the same answer. They all came before it was asked for: a caller who comes later must
/// not be given an answer that is older than his question.
pub(crate) async fn run(shared: Arc<Shared>, misses: Arc<Misses>, mut turn: Turn<OwnerId, Answered<Read>>) {
    let mut batch = turn.batch();
    shared.demand.read(batch.len());
    shared.figures.read_batch.record(batch.len() as f64);
    batch.sort_unstable_by(|a, b| a.request.cmp(&b.request));
    let mut owners: Vec<OwnerId> = batch.iter().map(|waiting| waiting.request.clone()).collect();
    owners.dedup();
    let found = match &shared.cache {
        Some(cache) => cache.look(&owners).await,
        None => owners.iter().map(|_| CacheRead::Bypass).collect(),
    };
    let mut waiting = batch.into_iter().peekable();
    for (owner, read) in owners.into_iter().zip(found) {
        let callers = std::iter::from_fn(|| waiting.next_if(|waiting| waiting.request == owner)).collect();
        if let Some(miss) = (Wanted { owner, callers, read }).hit(&shared)
            && let Err(refused) = misses.hand_in(miss, &shared.runtime)
        {
            answer(refused.callers, &Err(CartServiceError::Overloaded));
        }
    }
}

/// Answers a batch of misses: from the cache's primary, or from the database.
pub(crate) async fn run_misses(shared: Arc<Shared>, mut turn: Turn<Wanted, ()>) {
    let mut batch: Vec<Wanted> = turn.batch().into_iter().map(|waiting| waiting.request).collect();
    claim(&shared, &mut batch).await;
    let (mut to_fill, mut to_load) = (Vec::new(), Vec::new());
    for miss in batch.into_iter().filter_map(|wanted| wanted.hit(&shared)) {
        match miss.read {
            CacheRead::Absent(lease) => to_fill.push((miss.owner, miss.callers, lease)),
            _ => to_load.push((miss.owner, miss.callers)),
        }
    }
    shared.figures.misses.increment(to_fill.len() as u64);
    shared.figures.bypasses.increment(to_load.len() as u64);
    let (values, ()) = futures_util::join!(fill(&shared, to_fill), load(&shared, to_load));
    drop(turn);
    if let Some(cache) = &shared.cache
        && !values.is_empty()
    {
        cache.store(values).await;
    }
}

/// Asks for what is missing where it was looked for.
async fn claim(shared: &Shared, batch: &mut [Wanted]) {
    let Some(cache) = &shared.cache else { return };
    let mut missing: Vec<&mut Wanted> =
        batch.iter_mut().filter(|wanted| wanted.read == CacheRead::Missing).collect();
    if missing.is_empty() {
        return;
    }
    let owners: Vec<OwnerId> = missing.iter().map(|wanted| wanted.owner.clone()).collect();
    for (wanted, read) in missing.iter_mut().zip(cache.claim(&owners).await) {
        wanted.read = read;
    }
}

/// Returns what may be stored.
async fn fill(shared: &Shared, wanted: Vec<(OwnerId, Vec<WaitingRead>, Lease)>) -> Vec<StoreValue> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let owners: Vec<OwnerId> = wanted.iter().map(|(owner, ..)| owner.clone()).collect();
    let reads = match shared.store.load_for_fill(&owners).await {
        Ok(reads) => reads,
        Err(error) => {
            refuse(wanted.into_iter().map(|(_, callers, _)| callers), error);
            return Vec::new();
        }
    };
    let mut values = Vec::with_capacity(reads.len());
    for (read, (owner, callers, lease)) in reads.into_iter().zip(wanted) {
        if let Some(document) = answer_with(callers, &read.cart)
            && read.locked
        {
            values.push(StoreValue { owner, lease, document });
        }
    }
    values
}

async fn load(shared: &Shared, wanted: Vec<(OwnerId, Vec<WaitingRead>)>) {
    if wanted.is_empty() {
        return;
    }
    let owners: Vec<OwnerId> = wanted.iter().map(|(owner, _)| owner.clone()).collect();
    match shared.store.load(&owners).await {
        Ok(carts) => {
            for (cart, (_, callers)) in carts.iter().zip(wanted) {
                answer_with(callers, cart);
            }
        }
        Err(error) => refuse(wanted.into_iter().map(|(_, callers)| callers), error),
    }
}

fn answer_with(callers: Vec<WaitingRead>, cart: &Cart) -> Option<Document> {
    match encode(cart) {
        Ok(document) => {
            answer(callers, &Ok(Read { document: document.clone(), source: Source::Database }));
            Some(document)
        }
        Err(error) => {
            refuse([callers], StorageError::unexpected(format!("a cart that cannot be written: {error}")));
            None
        }
    }
}

fn refuse(callers: impl IntoIterator<Item = Vec<WaitingRead>>, error: StorageError) {
    let error = CartServiceError::Storage(Arc::new(error));
    for callers in callers {
        answer(callers, &Err(error.clone()));
    }
}

fn answer(callers: Vec<WaitingRead>, read: &Result<Read, CartServiceError>) {
    for caller in callers {
        caller.answer(read.clone());
    }
}
