use async_trait::async_trait;
use cartwright_domain::{Cart, Hold, IdError, Order, OwnerId, Profile, Session, Transition};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Fence, Progress, Stocked, StorageError};

/// Somebody is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Who.
    pub owner: OwnerId,
    /// Whose orders his become.
    pub pseudonym: OwnerId,
}

impl Erasure {
    /// Forgets this owner, under a pseudonym of `erased-` and 32 hexadecimal digits. One for each erasure, so that statistics
    /// still see which orders are of one person; nothing leads from it to who that was. Who comes back and is erased again gets
    /// another one. `random`: bits that have nothing to do with him.
    ///
    /// # Errors
    /// None: the pseudonym is always an id.
    pub fn new(owner: OwnerId, random: [u8; 16]) -> Result<Self, IdError> {
        let pseudonym = OwnerId::new(&format!("erased-{:032x}", u128::from_be_bytes(random)))?;
        Ok(Self { owner, pseudonym })
    }
}

/// How much there was of somebody who is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Erased {
    /// Whether he had a cart that was ever written to.
    pub cart: bool,
    /// Whether he had a profile.
    pub profile: bool,
    /// His sessions. A store counts those that it keeps.
    pub sessions: u64,
    /// His holds, also those that had ended.
    pub holds: u64,
    /// His orders, which are somebody's without a name now.
    pub orders: u64,
    /// Answers that were kept under his idempotency keys.
    pub answers: u64,
}

/// An order, and what is kept with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptOrder {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Every step it has taken, the oldest first.
    pub steps: Vec<Transition>,
    /// What whoever works on it said last. `None`: nothing.
    pub noted: Option<Progress>,
}

/// What is kept of somebody, as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptOfPerson {
    /// Of whom.
    pub owner: OwnerId,
    /// His cart.
    pub cart: Cart,
    /// His profile.
    pub profile: Profile,
    /// His sessions in the database, without their ids.
    pub sessions: Vec<Session>,
    /// His holds, also those that have ended and are not yet removed; the oldest first.
    pub holds: Vec<Hold>,
    /// His orders, the oldest first: all of them, about a kilobyte each.
    pub orders: Vec<KeptOrder>,
}

/// What a store knows of people, all tables together.
#[async_trait]
pub trait PersonStore: Send + Sync + 'static {
    /// Forgets somebody, in one transaction.
    ///
    /// 1. Lock his cart, as [`CartStore::execute_batch`](crate::CartStore::execute_batch) does, and whoever makes holds for him;
    ///    then the products of his holds, and those. Read the gate and whether there is a cart, in later statements.
    /// 2. Units that he holds go back into the stock, once.
    /// 3. [`Fence::raise`] for his cart, if there is one. Remove the cart, his profile, sessions, holds, and what was answered to
    ///    his idempotency keys. Give his orders to the pseudonym, and remove what people wrote about them: reasons of their steps
    ///    and notes. Where a walk along carts stands at him, it stands at the one before. Commit.
    ///
    /// What others begin meanwhile comes before or after it as a whole, and what comes after it is there: so forget him when he
    /// can begin nothing more. Again, there is nothing to do. A cart that he has later begins at version 1.
    ///
    /// # Errors
    /// [`StorageError`]: then nothing was done, except that an error at the commit itself leaves it open whether all was or
    /// nothing.
    async fn erase_owner(
        &self,
        erasure: &Erasure,
        fence: &dyn Fence,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Erased>, StorageError>;

    /// What is kept of somebody, as of one moment.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn kept_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<KeptOfPerson, StorageError>;
}
