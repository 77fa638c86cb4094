use std::sync::Arc;

use async_trait::async_trait;
use cartwright_domain::{Cart, CartError, Clock, Command, Gate, MergeReport, OwnerId};
use serde::{Deserialize, Serialize};

use crate::{IdempotencyClaim, KeyState, StorageError};

/// One command for one cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartRequest {
    /// Whose cart.
    pub owner: OwnerId,
    /// What to do with it.
    pub command: Command,
    /// The versions that the caller is prepared to change. Empty: any.
    pub expected: Vec<u64>,
    /// With a claim, the command takes effect once however often it is sent.
    pub claim: Option<IdempotencyClaim>,
}

impl CartRequest {
    /// A request without conditions.
    pub fn new(owner: OwnerId, command: Command) -> Self {
        Self { owner, command, expected: Vec::new(), claim: None }
    }

    /// Every cart that the request may change.
    pub fn carts(&self) -> impl Iterator<Item = &OwnerId> {
        std::iter::once(&self.owner).chain(self.command.other_cart())
    }
}

/// What a command that was carried out answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The cart right after the command.
    pub cart: Arc<Cart>,
    /// What a merge did. `None` for other commands.
    pub merge: Option<MergeReport>,
}

/// What became of one request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out. Unchanged carts are answered too.
    Done(Answer),
    /// It had been carried out before, under the same idempotency key; this was the answer.
    Replayed(Answer),
    /// A rule forbids it.
    Refused {
        /// Which one.
        error: CartError,
        /// The cart as it is, after the requests of the batch that came before.
        cart: Arc<Cart>,
    },
    /// The idempotency key was used for a different request.
    KeyReused,
    /// A request with the same idempotency key is being carried out right now.
    KeyInFlight,
}

impl From<KeyState<Answer>> for Outcome {
    fn from(state: KeyState<Answer>) -> Self {
        match state {
            KeyState::InFlight => Self::KeyInFlight,
            KeyState::Reused => Self::KeyReused,
            KeyState::Answered(answer) => Self::Replayed(answer),
        }
    }
}

/// What a batch is decided by.
#[derive(Debug)]
pub struct BatchPolicy {
    /// Tells the time of the changes.
    pub clock: Arc<dyn Clock>,
    /// Whether products outside the catalogue may be added with the client's data.
    pub allow_unlisted: bool,
}

/// Keeps readers of the cache away from carts that are about to change.
///
/// The store calls [`raise`](Fence::raise) once per batch, while it holds the locks of its carts and before it
/// commits. It may write rows meanwhile; it commits only when the fence is up.
#[async_trait]
pub trait Fence: Send + Sync {
    /// `gate` is the gate as read under the locks; `changing` are the carts whose version will grow, each once.
    ///
    /// # Errors
    /// [`FenceError`] when readers could not be kept away. The store rolls back and reports
    /// [`StorageError::Fence`].
    async fn raise(&self, gate: &Gate, changing: &[OwnerId]) -> Result<(), FenceError>;
}

/// The cache could not be told.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The cache is out of reach: the gate of this epoch has to be closed before the write is tried again.
    #[error("the cache of epoch {epoch} did not take the invalidation: {reason}")]
    Unreachable {
        /// The open epoch that was to be used.
        epoch: i64,
        /// What the cache said.
        reason: String,
    },
    /// The gate is closed, but not yet for as long as a lease lasts. Trying again after `wait` will do.
    #[error("the gate closed a moment ago")]
    Closing {
        /// How long to wait.
        wait: std::time::Duration,
    },
}

/// A cart that was read to be put in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillRead {
    /// The cart, [`Cart::empty`] when it has no row.
    pub cart: Cart,
    /// Whether it was read under its shared lock: only then may it be stored in the cache.
    pub locked: bool,
}

/// The truth about carts.
#[async_trait]
pub trait CartStore: Send + Sync + 'static {
    /// Carries out requests in their order, in one transaction, with a number of statements that does not depend on
    /// how many there are.
    ///
    /// 1. Lock, exclusively and in an order that all nodes share, every cart that a request names; and try to lock
    ///    every idempotency key (a key that is taken: [`Outcome::KeyInFlight`]; also the second of two equal keys in
    ///    one batch).
    /// 2. In a later statement, so that it sees what was committed by the lock's previous holder: read the gate, the
    ///    carts, the listings, and the answers of idempotency keys that were used in the last 24 hours.
    /// 3. Decide each request in order, with [`Cart::apply`] or [`merge`](cartwright_domain::merge()); a request that
    ///    fails its rule fails alone. The caller's expected versions are checked against the cart as the requests
    ///    before it left it.
    /// 4. [`Fence::raise`] for the carts that change, if any; write what changed; commit.
    ///
    /// The result has one outcome for each request, in order. An answer that changed something is kept for 24 hours
    /// under the request's idempotency key, if it has one; refusals are not kept.
    ///
    /// # Errors
    /// [`StorageError`]: then no request was carried out, except that an error at the commit itself leaves it open
    /// whether all were or none.
    async fn execute_batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError>;

    /// Reads carts as they are now: one for each owner, in order, [`Cart::empty`] for those without a row.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn load(&self, owners: &[OwnerId]) -> Result<Vec<Cart>, StorageError>;

    /// Reads carts to be put in the cache: in one transaction, tries each cart's lock, shared, without waiting; then,
    /// in a later statement, reads them all.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn load_for_fill(&self, owners: &[OwnerId]) -> Result<Vec<FillRead>, StorageError>;

    /// Forgets idempotency keys older than 24 hours, at most `limit` of them. Returns how many.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be deleted.
    async fn forget_old_keys(&self, clock: &dyn Clock, limit: u32) -> Result<u64, StorageError>;

    /// Whether the database answers and has the schema this program needs.
    ///
    /// # Errors
    /// [`StorageError`] says what is wrong.
    async fn ping(&self) -> Result<(), StorageError>;
}
