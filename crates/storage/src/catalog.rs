use async_trait::async_trait;
use cartwright_domain::Listing;

use crate::StorageError;

/// The little of a catalogue that carts need: names and prices.
#[async_trait]
pub trait CatalogStore: Send + Sync + 'static {
    /// Writes products, replacing those with the same id. One statement per thousand or so, not one per product.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be written.
    async fn put_listings(&self, listings: &[Listing]) -> Result<(), StorageError>;

    /// How many products there are, counting at most `up_to`.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be counted.
    async fn count_listings(&self, up_to: u32) -> Result<u32, StorageError>;
}
