//! Writes: one transaction for all who wait, the cache fenced off inside it, the new value stored after it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{CartEvent, Document, Lease, LeaseWanted, StoreValue, Unfenced};
use cartwright_domain::{Gate, MergeReport, OwnerId};
use cartwright_storage::{Answer, CartRequest, Fence, FenceError, Outcome, StorageError};

use crate::{
    CartServiceError,
    combiner::{Turn, Waiting},
    document::encode,
    service::Shared,
};

/// What a carried out command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The cart right after the command.
    pub document: Document,
    /// Whether this is the answer that was given before, to the same idempotency key.
    pub replayed: bool,
    /// What a merge did. `None` for other commands.
    pub merge: Option<MergeReport>,
}

/// What a merge would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePreview {
    /// The cart as it would be.
    pub document: Document,
    /// Line by line.
    pub report: MergeReport,
}

pub(crate) type WaitingWrite = Waiting<CartRequest, Reply>;

/// How long a batch may keep trying to get past the fence.
const FENCE_PATIENCE: Duration = Duration::from_secs(8);

/// Carries the fence of the store to the cache, and the lease back.
struct CacheFence<'a> {
    shared: &'a Shared,
    raised: Mutex<Option<Raised>>,
}

/// A fence that is up.
struct Raised {
    /// `None`: there is nothing to store, or nowhere.
    lease: Option<Lease>,
    changing: Vec<OwnerId>,
}

impl CacheFence<'_> {
    fn wanted(&self, carts: usize) -> LeaseWanted {
        let figures = &self.shared.figures;
        let (wanted, counted) = if self.shared.demand.written(carts) {
            (LeaseWanted::Yes, &figures.stored)
        } else {
            (LeaseWanted::No, &figures.left)
        };
        counted.increment(carts as u64);
        wanted
    }
}

#[async_trait]
impl Fence for CacheFence<'_> {
    async fn raise(&self, gate: &Gate, changing: &[OwnerId]) -> Result<(), FenceError> {
        let lease = match &self.shared.cache {
            Some(cache) => cache.fence(gate, changing, self.wanted(changing.len())).await.map_err(
                |error| match error {
                    Unfenced::Closing { wait } => FenceError::Closing { wait },
                    Unfenced::Unreachable(reason) => FenceError::Unreachable { epoch: gate.epoch, reason },
                },
            )?,
            None => None,
        };
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Raised { lease, changing: changing.to_vec() });
        Ok(())
    }
}

/// Carries out a batch, trying again while the gate is being closed: nothing has been written then.
pub(crate) async fn run(shared: Arc<Shared>, mut turn: Turn<CartRequest, Reply>) {
    // A request whose caller left before it was begun is not begun.
    let batch: Vec<WaitingWrite> = turn.batch().into_iter().filter(|waiting| !waiting.abandoned()).collect();
    if batch.is_empty() {
        return;
    }
    shared.figures.write_batch.record(batch.len() as f64);
    let requests: Vec<CartRequest> = batch.iter().map(|waiting| waiting.request.clone()).collect();
    let began = Instant::now();
    loop {
        let fence = CacheFence { shared: &shared, raised: Mutex::new(None) };
        let wait = match shared.store.execute_batch(&requests, &shared.policy, &fence).await {
            Ok(outcomes) => {
                let raised = fence.raised.into_inner().unwrap_or_else(PoisonError::into_inner);
                drop(turn); // the next batch may begin while this one is answered
                return finish(&shared, batch, outcomes, raised);
            }
            Err(StorageError::Fence(FenceError::Closing { wait })) => wait,
            Err(StorageError::Fence(FenceError::Unreachable { epoch, reason })) => {
                tracing::debug!(epoch, reason, "closing the gate");
                shared.close_gate(epoch, &reason).await;
                Duration::ZERO
            }
            Err(error) => return refuse(batch, &CartServiceError::Storage(Arc::new(error))),
        };
        if began.elapsed() + wait > FENCE_PATIENCE {
            return refuse(batch, &CartServiceError::Fence);
        }
        tokio::time::sleep(wait).await;
    }
}

fn refuse(batch: Vec<WaitingWrite>, error: &CartServiceError) {
    for waiting in batch {
        waiting.answer(Err(error.clone()));
    }
}

/// Answers everyone; then, in the background, stores the newest documents and tells the listeners.
fn finish(shared: &Arc<Shared>, batch: Vec<WaitingWrite>, outcomes: Vec<Outcome>, raised: Option<Raised>) {
    // What a merge emptied may have changed after the last answer that shows it.
    let emptied: HashSet<OwnerId> =
        batch.iter().filter_map(|waiting| waiting.request.command.other_cart().cloned()).collect();
    let mut newest: HashMap<OwnerId, Document> = HashMap::new();
    for (waiting, outcome) in batch.into_iter().zip(outcomes) {
        let answer = settle(outcome);
        if let Ok(reply) = &answer
            && !reply.replayed
        {
            // in the order of the batch: the last one stands
            newest.insert(waiting.request.owner.clone(), reply.document.clone());
        }
        waiting.answer(answer);
    }
    let Some(Raised { lease, changing }) = raised else { return }; // nothing changed
    let mut events = Vec::with_capacity(changing.len());
    let mut values = Vec::with_capacity(changing.len());
    for owner in changing {
        // A cart that was emptied by a merge is filled by a reader, when the fence's token has run out; listeners look
        // at it.
        let document = newest.remove(&owner).filter(|_| !emptied.contains(&owner));
        let version = document.as_ref().map_or(u64::MAX, |document| document.version);
        events.push(CartEvent { owner: owner.clone(), version });
        if let (Some(document), Some(lease)) = (document, &lease) {
            values.push(StoreValue { owner, lease: lease.clone(), document });
        }
    }
    shared.spawn_finish(values, events);
}

fn settle(outcome: Outcome) -> Result<Reply, CartServiceError> {
    let reply = |answer: &Answer, replayed| {
        encode(&answer.cart)
            .map(|document| Reply { document, replayed, merge: answer.merge.clone() })
            .map_err(|error| broken(&error))
    };
    match outcome {
        Outcome::Done(answer) => reply(&answer, false),
        Outcome::Replayed(answer) => reply(&answer, true),
        Outcome::Refused { error, cart } => Err(match encode(&cart) {
            Ok(current) => CartServiceError::Refused { error, current },
            Err(error) => broken(&error),
        }),
        Outcome::KeyReused => Err(CartServiceError::KeyReused),
        Outcome::KeyInFlight => Err(CartServiceError::KeyInFlight),
    }
}

fn broken(error: &crate::DocumentError) -> CartServiceError {
    CartServiceError::Storage(Arc::new(StorageError::unexpected(format!(
        "a cart that cannot be written: {error}"
    ))))
}
