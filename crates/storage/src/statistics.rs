use async_trait::async_trait;
use cartwright_domain::{Currency, OrderId, OrderLine, OwnerId, Product, ProductId, TopWindow};
use chrono::{DateTime, Utc};

use crate::{ReadFrom, StorageError};

/// An order that was made elsewhere or long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOrder {
    /// Its id. Lists are by ids: one that is made for an order of before is made with the time of the order.
    pub id: OrderId,
    /// Who bought.
    pub owner: OwnerId,
    /// `pending`, `processing`, `completed`, `failed`, `cancelled` or `expired`.
    pub status: String,
    /// The currency of its lines.
    pub currency: Currency,
    /// What was bought.
    pub lines: Vec<OrderLine>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl PastOrder {
    /// The sum of its lines, in minor units.
    pub fn total_minor(&self) -> i64 {
        self.lines.iter().map(OrderLine::subtotal_minor).sum()
    }
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// How many orders were counted.
    pub orders: u64,
    /// Whether there may be more.
    pub more: bool,
}

/// A product and a number that it is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// Which one.
    pub product: Product,
    /// Units that were sold, or orders in which it was bought together with the others.
    pub count: u64,
}

/// Orders of more products than this say little about which go together: the first so many, by id, are paired.
pub const MAX_PAIRED: u32 = 20;

/// What is bought, and what is bought together.
///
/// All counts are kept, and added to by [`refresh_statistics`](Self::refresh_statistics); what is read is what was
/// refreshed. Only products that can be bought and are in stock are answered, in the order of their counts; equal ones
/// in the order of their ids.
#[async_trait]
pub trait StatisticsStore: Send + Sync + 'static {
    /// Writes orders as they are, without touching any stock: history, and test data. An order that is there already
    /// stays as it is. Returns how many were not.
    ///
    /// # Errors
    /// [`StorageError`]: then none was written.
    async fn put_orders(&self, orders: &[PastOrder]) -> Result<u64, StorageError>;

    /// Counts orders that were not counted yet, and moves the windows to the day of `now`. At most `limit` of them; but what was
    /// written together may be counted together. Orders that failed, expired or were cancelled by then do not count.
    ///
    /// Every order is counted once, by whichever process and however many refresh at the same time.
    ///
    /// # Errors
    /// [`StorageError`]: then nothing was counted.
    async fn refresh_statistics(&self, now: DateTime<Utc>, limit: u32) -> Result<Refreshed, StorageError>;

    /// The products of which most units were sold.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn top_products(
        &self,
        window: TopWindow,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError>;

    /// The products that were bought together with one.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn related_products(
        &self,
        id: &ProductId,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError>;

    /// The products that were bought together with what somebody bought lately or has in the cart, without those.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn recommended_products(
        &self,
        owner: &OwnerId,
        limit: u32,
        from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError>;
}
