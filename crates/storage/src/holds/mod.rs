//! What a store must do about holds.

mod renew;
mod reserve;

use std::sync::Arc;

use async_trait::async_trait;
use cartwright_domain::{Clock, Hold, HoldError, HoldId, HoldStatus, OwnerId, ProductId, Quantity};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{IdempotencyClaim, KeyState, OrderBatch, StorageError, offers::add_turned};

pub use renew::{DecidedRelease, DecidedRenewal, StockForRenewal, decide_release, decide_renewal};
pub use reserve::{DecidedHolds, LoadedForHolds, decide_holds};

/// What holds are decided by.
#[derive(Debug, Clone)]
pub struct HoldPolicy {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long a hold lasts when nobody says.
    pub lasts: TimeDelta,
    /// How long it lasts with all its renewals.
    pub at_most: TimeDelta,
    /// Lines that one may have.
    pub lines: u32,
    /// Units that one may have, of all products together.
    pub units: u32,
    /// Holds that somebody may have at the same time.
    pub per_owner: u32,
}

/// Somebody wants units to be kept for him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The id that the hold gets, if it is made.
    pub id: HoldId,
    /// For whom.
    pub owner: OwnerId,
    /// Which products, each once.
    pub lines: Vec<(ProductId, Quantity)>,
    /// For how long. `None`: as long as the policy says.
    pub lasts: Option<TimeDelta>,
    /// With a claim, there is one hold however often this is sent.
    pub claim: Option<IdempotencyClaim>,
}

/// What became of a wish to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// There is a hold.
    Done(Hold),
    /// It was made before, under the same idempotency key. This is what it was then.
    Replayed(Hold),
    /// A rule forbids it.
    Refused(HoldError),
    /// The idempotency key was used for a different request.
    KeyReused,
    /// A request with the same idempotency key is being carried out right now.
    KeyInFlight,
}

impl From<KeyState<Hold>> for Reserved {
    fn from(state: KeyState<Hold>) -> Self {
        match state {
            KeyState::InFlight => Self::KeyInFlight,
            KeyState::Reused => Self::KeyReused,
            KeyState::Answered(hold) => Self::Replayed(hold),
        }
    }
}

/// Somebody wants to keep a hold for longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Which one.
    pub id: HoldId,
    /// Whose it must be. `None`: anybody's.
    pub owner: Option<OwnerId>,
    /// For how long, from now. `None`: as long as the policy says.
    pub lasts: Option<TimeDelta>,
    /// The source in the ledger under which units are taken again, should they have gone back. New for each renewal.
    pub source: HoldId,
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// It is kept for longer.
    Done(Hold),
    /// A rule forbids it; the hold is as it was.
    Refused(HoldError),
    /// There is no such hold, or it is somebody else's.
    Missing,
}

/// What became of a wish to give a hold back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// Its units are back in stock. It was released, or it had expired.
    Done(Hold),
    /// They were before.
    Already(Hold),
    /// It is an order. That can be cancelled.
    Claimed(Hold),
    /// There is no such hold, or it is somebody else's.
    Missing,
}

/// What became of something that may move stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stocked<T> {
    /// What became of it.
    pub outcome: T,
    /// Products of which there is none any more, or some again: shoppers see that.
    pub turned: Vec<ProductId>,
}

impl<T> Stocked<T> {
    /// No stock was moved.
    pub fn unmoved(outcome: T) -> Self {
        Self { outcome, turned: Vec::new() }
    }

    /// Of these products there was some again meanwhile.
    pub fn returned(&mut self, products: impl IntoIterator<Item = ProductId>) {
        add_turned(&mut self.turned, products);
    }
}

/// A hold as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHold {
    /// The hold. Its status is what was last written.
    pub hold: Hold,
    /// Of each line, whether its units have left it. Whoever lacks units of a product takes them from a hold that has
    /// expired, line by line.
    pub gone: Vec<bool>,
}

impl KeptHold {
    /// Whether all its units are still there.
    pub fn is_whole(&self) -> bool {
        !self.gone.contains(&true)
    }

    /// Whether it is kept at this moment. One that has lost a line is not, whatever its expiry: it had expired by the clock
    /// of whoever took it.
    pub fn is_kept(&self, now: DateTime<Utc>) -> bool {
        self.hold.is_kept(now) && self.is_whole()
    }

    /// Its lines that have not left it: product and units.
    pub fn there(&self) -> impl Iterator<Item = (&ProductId, u32)> {
        let lines = self.hold.lines.iter().zip(&self.gone).filter(|(_, gone)| !**gone);
        lines.map(|(line, _)| (&line.product_id, u32::from(line.quantity.get())))
    }

    /// What others see of it. One that has lost a line has expired.
    pub fn shown(self) -> Hold {
        let lost = self.hold.status == HoldStatus::Active && !self.is_whole();
        if lost { Hold { status: HoldStatus::Expired, ..self.hold } } else { self.hold }
    }
}

/// The truth about holds.
///
/// A hold takes units out of the stock, under its id as their source in the ledger; each leaves it once: back into the stock,
/// or into an order ([`Purchase::Hold`](cartwright_domain::Purchase::Hold) of
/// [`place_orders`](crate::OrderStore::place_orders)), which does not touch the stock again. So stock, what is held and what
/// is sold always come to the same.
///
/// A hold expires by the clock, not by being cleaned up: whoever lacks units of a product, be it to buy or to hold them,
/// first gives back what holds of it have expired, in the same transaction and under the product's lock.
///
/// Locks are taken in one order: owners, idempotency keys, products by their ids, holds by theirs.
#[async_trait]
pub trait HoldStore: Send + Sync + 'static {
    /// Keeps units for whoever asks, in their order, in one transaction, with a number of statements that does not depend
    /// on how many there are: decided by [`decide_holds`], under the locks of the products. What does not fit is refused
    /// alone.
    ///
    /// A hold is kept for 24 hours under the request's idempotency key; refusals are not kept.
    ///
    /// # Errors
    /// [`StorageError`]: then nothing is held, except that an error at the commit itself leaves it open whether all is or
    /// nothing.
    async fn reserve_holds(
        &self,
        requests: &[HoldRequest],
        policy: &HoldPolicy,
    ) -> Result<OrderBatch<Reserved>, StorageError>;

    /// Keeps a hold for longer: decided by [`decide_renewal`]. One that has expired takes its units again, as far as they
    /// have left it; are they not there, it stays as it is.
    ///
    /// # Errors
    /// As [`reserve_holds`](Self::reserve_holds).
    async fn renew_hold(
        &self,
        renewal: &Renewal,
        policy: &HoldPolicy,
    ) -> Result<Stocked<Renewed>, StorageError>;

    /// Gives a hold back. `owner`: whose it must be; `None`: anybody's. However often this is called, its units come back
    /// once.
    ///
    /// # Errors
    /// As [`reserve_holds`](Self::reserve_holds).
    async fn release_hold(
        &self,
        id: HoldId,
        owner: Option<&OwnerId>,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Released>, StorageError>;

    /// Reads holds: one for each id, in order; `None` for those that are not there. One that has expired may be said to be
    /// active: see [`Hold::at`].
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn holds(&self, ids: &[HoldId]) -> Result<Vec<Option<Hold>>, StorageError>;

    /// Gives back what holds keep that have expired, of so many at most, those that expired first: how many there were. It
    /// only cleans; whoever lacks units does not wait for it.
    ///
    /// # Errors
    /// As [`reserve_holds`](Self::reserve_holds).
    async fn expire_holds(&self, now: DateTime<Utc>, limit: u32) -> Result<Stocked<u64>, StorageError>;

    /// Holds that are still kept and expire at this moment or before it, those that expire first, so many at most; and notes
    /// in the same transaction that they were returned: each is returned once, and once more after a renewal. That is when
    /// they are told of as [`HoldExpiring`](crate::EventType::HoldExpiring).
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read or noted.
    async fn holds_expiring(
        &self,
        now: DateTime<Utc>,
        by: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Hold>, StorageError>;

    /// Removes holds that ended before a moment, so many at most: how many. The ledger keeps what they moved.
    ///
    /// # Errors
    /// [`StorageError`] when nothing could be removed.
    async fn forget_holds(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError>;
}
