//! Writes: one transaction for all who wait, the cache fenced off inside it, the new value stored after it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use cartwright_cache::{CartEvent, Document, LeaseWanted, StoreValue};
use cartwright_coherence::{FencedWrite, Raised, Turn, Unwritten, Waiting};
use cartwright_domain::{MergeReport, OwnerId};
use cartwright_storage::{Answer, CartRequest, Fence, Outcome, StorageError};

use crate::{
    CartServiceError,
    document::encode,
    service::{Answered, Shared},
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

pub(crate) type WaitingWrite = Waiting<CartRequest, Answered<Reply>>;

/// Carries out a batch.
pub(crate) async fn run(shared: Arc<Shared>, mut turn: Turn<CartRequest, Answered<Reply>>) {
    // A request whose caller left before it was begun is not begun.
    let batch: Vec<WaitingWrite> = turn.batch().into_iter().filter(|waiting| !waiting.abandoned()).collect();
    if batch.is_empty() {
        return;
    }
    shared.figures.write_batch.record(batch.len() as f64);
    let requests: Vec<CartRequest> = batch.iter().map(|waiting| waiting.request.clone()).collect();
    let write = Write { shared: &shared, requests: &requests };
    match shared.fencing.around(&*shared.store, &write).await {
        Ok((outcomes, raised)) => {
            drop(turn); // the next batch may begin while this one is answered
            finish(&shared, batch, outcomes, raised);
        }
        Err(Unwritten::Fence) => refuse(batch, &CartServiceError::Fence),
        Err(Unwritten::Storage(error)) => refuse(batch, &CartServiceError::Storage(Arc::new(error))),
    }
}

/// The transaction of a batch.
struct Write<'a> {
    shared: &'a Shared,
    requests: &'a [CartRequest],
}

#[async_trait]
impl FencedWrite for Write<'_> {
    type Written = Vec<Outcome>;

    async fn write(&self, fence: &dyn Fence) -> Result<Vec<Outcome>, StorageError> {
        self.shared.store.execute_batch(self.requests, &self.shared.policy, fence).await
    }

    fn wants_lease(&self, carts: usize) -> LeaseWanted {
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
