//! What a store must do about orders and stock.

mod decide;
mod events;
mod follow_up;
mod kept;
mod steps;

use std::sync::Arc;

use async_trait::async_trait;
use cartwright_domain::{
    Cart, Clock, Money, Order, OrderError, OrderId, OrderQuery, OrderStatus, OwnerId, ProductId, Purchase,
    Transition,
};
use chrono::{DateTime, Utc};

use crate::{Fence, IdempotencyClaim, KeyState, Progress, StorageError, offers::add_turned};

pub use decide::{ClaimedHold, DecidedOrders, LoadedForOrders, Moved, decide_orders};
pub use follow_up::FollowUp;
pub use kept::{read_order_lines, write_order_lines};
pub use steps::{DecidedSteps, TakenStep, decide_steps};

/// Somebody wants to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// The id that the order gets, if it is made.
    pub id: OrderId,
    /// Who buys.
    pub owner: OwnerId,
    /// What.
    pub purchase: Purchase,
    /// The total that the buyer agrees to. `None`: whatever it is, as long as nothing is dearer than in the cart.
    pub expected_total: Option<Money>,
    /// With a claim, there is one order however often this is sent.
    pub claim: Option<IdempotencyClaim>,
}

impl OrderRequest {
    /// The cart that is emptied. `None`: none is.
    pub fn cart(&self) -> Option<&OwnerId> {
        matches!(self.purchase, Purchase::Cart { .. }).then_some(&self.owner)
    }
}

/// What became of a request to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// There is an order.
    Done(Order),
    /// The order was made before, under the same idempotency key, or of the same version of the cart, or of the same hold.
    /// This is what it was under the key then, and what the order of the cart or the hold is now.
    Replayed(Order),
    /// A rule forbids it.
    Refused {
        /// Which one.
        error: OrderError,
        /// The cart as it is. `None`: it was not about a cart.
        cart: Option<Arc<Cart>>,
    },
    /// The idempotency key was used for a different request.
    KeyReused,
    /// A request with the same idempotency key is being carried out right now.
    KeyInFlight,
}

impl Placed {
    /// The order that the buyer is told of. `None`: he is not told of any.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Done(order) | Self::Replayed(order) => Some(order),
            Self::Refused { .. } | Self::KeyReused | Self::KeyInFlight => None,
        }
    }
}

impl From<KeyState<Order>> for Placed {
    fn from(state: KeyState<Order>) -> Self {
        match state {
            KeyState::InFlight => Self::KeyInFlight,
            KeyState::Reused => Self::KeyReused,
            KeyState::Answered(order) => Self::Replayed(order),
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBatch<T> {
    /// One for each request, in order.
    pub outcomes: Vec<T>,
    /// Products of which there is none any more, or some again: shoppers see that.
    pub turned: Vec<ProductId>,
}

impl<T> OrderBatch<T> {
    /// Of these products there was some again meanwhile.
    pub fn returned(&mut self, products: impl IntoIterator<Item = ProductId>) {
        add_turned(&mut self.turned, products);
    }
}

impl<T> Default for OrderBatch<T> {
    fn default() -> Self {
        Self { outcomes: Vec::new(), turned: Vec::new() }
    }
}

/// How a store keeps two buyers from the same unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StockLocking {
    /// Where there is plenty, as [`Conditional`](Self::Conditional): nobody has to wait until another's order is written.
    /// Where there is not, as [`Locked`](Self::Locked), so that who asked first is served first. A store that remembers what it
    /// sold last may try once without a lock as long as that is enough.
    #[default]
    Adaptive,
    /// Products are locked, in the order of their ids, before their stock is read.
    Locked,
    /// Stock is read as it is, and taken on the condition that there is enough, last of all that is written. Where somebody
    /// else was quicker, all is begun anew.
    Conditional,
}

/// There is plenty of a product when there is so many times what a batch wants.
const PLENTY: u32 = 4;

/// What orders are decided by.
#[derive(Debug, Clone)]
pub struct OrderPolicy {
    /// Tells the time of the orders.
    pub clock: Arc<dyn Clock>,
    /// Whether lines of a cart that the catalogue does not know may be bought, at the price in the cart. They have no
    /// stock.
    pub allow_unlisted: bool,
    /// How stock is taken.
    pub locking: StockLocking,
    /// What is to be done about the orders.
    pub follow_up: FollowUp,
}

/// A step that an order is to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderStep {
    /// Which order.
    pub id: OrderId,
    /// Whose it must be. `None`: anybody's.
    pub owner: Option<OwnerId>,
    /// Where it is to go.
    pub to: OrderStatus,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stepped {
    /// It was taken. What a status returns to stock is back.
    Done {
        /// The order after it.
        order: Order,
        /// Where it was before.
        from: OrderStatus,
    },
    /// It is there already.
    Already(Order),
    /// From where it is, it cannot go there.
    Forbidden(Order),
    /// There is no such order, or it is somebody else's.
    Missing,
}

impl Stepped {
    /// The order as it is, which whoever asked is told. `None`: there is none.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Done { order, .. } | Self::Already(order) | Self::Forbidden(order) => Some(order),
            Self::Missing => None,
        }
    }
}

/// A part of a list of orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedOrders {
    /// The orders, the newest first.
    pub items: Vec<Order>,
    /// How many there are in all parts. `None` after a cursor.
    pub total: Option<u64>,
    /// After this one comes the next part. `None`: this is the last one.
    pub next: Option<OrderId>,
}

impl ListedOrders {
    /// The part that begins after a cursor. `items` has one more than `size` when it is not the last.
    pub fn after(mut items: Vec<Order>, size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|order| order.id);
        Self { items, total: None, next }
    }
}

/// The truth about orders, and about stock.
///
/// Every movement of stock is in a row of a ledger with its source, and each source moves a product's stock once: what an
/// order takes, alone or with others of its batch, what comes back from one, and what an editor or an import sets. A
/// product's stock is the sum of its rows. No stock is ever below zero, whatever the concurrency: the database has the last word.
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Carries out requests in their order, in one transaction, with a number of statements that does not depend on how
    /// many there are.
    ///
    /// 1. Lock the carts that are to be emptied, and the idempotency keys, as
    ///    [`CartStore::execute_batch`](crate::CartStore::execute_batch) does; then the products, in the order of their
    ///    ids.
    /// 2. In later statements, so that they see what the locks' previous holders committed: read the gate, the carts, the
    ///    products, the answers of used keys, and the orders that were made of the same versions of carts.
    /// 3. Where units of a product are lacking, give back those of it that are in holds that have expired, under the
    ///    product's lock. Decide each request in order, with [`decide_orders`]: what fits is admitted, and what does not is
    ///    refused alone; a later, smaller one may still fit.
    /// 4. [`Fence::raise`] for the carts that are emptied, if any; write stock, orders, lines, ledger, carts, answers and
    ///    [jobs](OrderPolicy::follow_up); commit.
    ///
    /// The result has one outcome for each request, in order. An order is kept for 24 hours under the request's idempotency
    /// key; refusals are not kept.
    ///
    /// # Errors
    /// [`StorageError`]: then no order was made, except that an error at the commit itself leaves it open whether all were
    /// or none.
    async fn place_orders(
        &self,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
        fence: &dyn Fence,
    ) -> Result<OrderBatch<Placed>, StorageError>;

    /// Takes orders to another status, in one transaction: one outcome for each step, in order. Each step is recorded; what
    /// a status [returns](OrderStatus::returns_stock) is back in stock, exactly once.
    ///
    /// # Errors
    /// [`StorageError`]: then no step was taken, or, after an error at the commit, all or none.
    async fn step_orders(
        &self,
        steps: &[OrderStep],
        now: DateTime<Utc>,
    ) -> Result<OrderBatch<Stepped>, StorageError>;

    /// Reads orders as they are now: one for each id, in order; `None` for those that are not there.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, StorageError>;

    /// Every step of an order, the oldest first. Empty: there is no such order.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn order_transitions(&self, id: OrderId) -> Result<Vec<Transition>, StorageError>;

    /// Notes how far an order is that is being processed. `false`: it is not.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be written.
    async fn note_order(
        &self,
        id: OrderId,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// What was noted last. `None`: nothing.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn order_note(&self, id: OrderId) -> Result<Option<Progress>, StorageError>;

    /// A part of the orders, the newest first.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn list_orders(&self, query: &OrderQuery) -> Result<ListedOrders, StorageError>;

    /// How many products have another stock than their ledger says. Must be 0. Reads both as a whole, which may take
    /// minutes.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn stock_drift(&self) -> Result<u64, StorageError>;
}
