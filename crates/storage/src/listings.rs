use async_trait::async_trait;
use cartwright_domain::Listing;

use crate::StorageError;

/// The little of a catalogue that carts need: names and prices.
#[async_trait]
pub trait ListingStore: Send + Sync + 'static {
    /// Writes names, prices and whether they can be bought; what else is known of products with the same id stays.
    /// One statement per thousand or so, not one per product.
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
