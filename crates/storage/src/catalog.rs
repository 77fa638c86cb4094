use async_trait::async_trait;
use cartwright_domain::{
    Category, Cursor, ListQuery, Money, NewProduct, Page, PageSize, Product, ProductChange, ProductId,
    ProductSort, SearchQuery,
};
use chrono::{DateTime, Utc};

use crate::{IdempotencyClaim, Imported, ImportedProduct, KeyState, ReadFrom, StorageError};

/// What became of a product that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    Created(Product),
    /// It had been made before, under the same idempotency key; this is what it was then.
    Replayed(Product),
    /// The id belongs to another product; be it a deleted one that orders name.
    Exists,
    /// The idempotency key was used for a different request.
    KeyReused,
    /// A request with the same idempotency key is being carried out right now.
    KeyInFlight,
}

impl From<KeyState<Product>> for Created {
    fn from(state: KeyState<Product>) -> Self {
        match state {
            KeyState::InFlight => Self::KeyInFlight,
            KeyState::Reused => Self::KeyReused,
            KeyState::Answered(product) => Self::Replayed(product),
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It was carried out.
    Changed {
        /// The product before.
        before: Product,
        /// The product after.
        after: Product,
    },
    /// Everything was already as wanted.
    Unchanged(Product),
    /// There is no such product.
    Missing,
    /// The product is not at the version that the caller expected; this is it.
    VersionMismatch(Product),
}

/// What became of a product that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// Its row is gone.
    Removed(Product),
    /// Orders name it: its row is kept, but nobody finds or buys it any more.
    Retired(Product),
    /// There is no such product.
    Missing,
    /// The product is not at the version that the caller expected; this is it.
    VersionMismatch(Product),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The products, in the order that was asked for.
    pub items: Vec<Product>,
    /// How many there are in all parts. `None` after a cursor.
    pub total: Option<u64>,
    /// After this one comes the next part. `None`: this is the last one.
    pub next: Option<Cursor>,
}

impl Listed {
    /// The part that begins after a cursor. `items` has one more than `size` when it is not the last.
    pub fn after(mut items: Vec<Product>, size: PageSize, sort: ProductSort) -> Self {
        let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| Cursor::after(last, sort));
        Self { items, total: None, next }
    }

    /// A numbered page.
    pub fn page(items: Vec<Product>, total: u64, page: Page, sort: ProductSort) -> Self {
        let shown = u64::from(page.offset()) + u64::try_from(items.len()).unwrap_or(u64::MAX);
        let next = items.last().filter(|_| shown < total).map(|last| Cursor::after(last, sort));
        Self { items, total: Some(total), next }
    }
}

/// A category and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryCount {
    /// Which one. `None`: the products without one.
    pub category: Option<Category>,
    /// How many of its products can be bought, or were found.
    pub products: u64,
}

/// Prices from one to below another, and how many were found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceCount {
    /// The lowest.
    pub from: Money,
    /// Above the highest. `None`: there is no end.
    pub below: Option<Money>,
    /// How many products.
    pub products: u64,
}

/// What can be said of all that was found, whatever the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Categories, the fullest first.
    pub categories: Vec<CategoryCount>,
    /// Ranges of prices in which there is something, the lowest first, currency by currency.
    pub prices: Vec<PriceCount>,
    /// How many are in stock.
    pub in_stock: u64,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The products of the page, in the order that was asked for.
    pub items: Vec<Product>,
    /// How many were found.
    pub total: u64,
    /// Whether there may be more: the search ended at [`MAX_FOUND`]. Then `total` and facets are those of the ones that
    /// were found, and the order is among them.
    pub bounded: bool,
    /// Whether words are like those that were looked for, and not the same.
    pub fuzzy: bool,
    /// What can be said of all of them.
    pub facets: Facets,
}

/// At how many matches a search ends. All that is found is ranked and counted, so this bounds what a search costs.
pub const MAX_FOUND: u32 = 200;
/// How many categories the facets name.
pub const MAX_FACETS: u32 = 20;

/// The truth about products.
///
/// A product that was deleted is absent from everything, be it removed or retired; only carts see a retired one, as a
/// listing that cannot be bought.
#[async_trait]
pub trait CatalogStore: Send + Sync + 'static {
    /// Makes a product. Without an id it gets the next integer that no product had: above all that the store gave out,
    /// and above the integers of at most nine digits that clients chose (longer ones are barcodes and the like).
    ///
    /// With a claim, one product is made in 24 hours however often this is called: the claim is kept in the transaction
    /// that makes it. One whose id is taken is not kept.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be written, or it is not known whether it was: a claim tells.
    async fn create_product(
        &self,
        new: &NewProduct,
        claim: Option<&IdempotencyClaim>,
        now: DateTime<Utc>,
    ) -> Result<Created, StorageError>;

    /// Reads products: one for each id, in order; `None` for those that are not there.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn products(&self, ids: &[ProductId], from: ReadFrom)
    -> Result<Vec<Option<Product>>, StorageError>;

    /// Changes a product, with [`Product::apply`]; [`ProductChange::replace`] makes a change of a whole product.
    ///
    /// `expected`: the versions that the caller is prepared to change. Empty: any.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be written.
    async fn change_product(
        &self,
        id: &ProductId,
        change: &ProductChange,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Changed, StorageError>;

    /// Deletes a product: retires it when an order line names it or a hold keeps some of it, removes it otherwise.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be written.
    async fn delete_product(
        &self,
        id: &ProductId,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Deleted, StorageError>;

    /// Makes products, and changes those that are there by what is said of them; deleted ones are made anew, under a
    /// version that was never used. Several with the same id are taken one after the other. Each thousand or so is a
    /// statement and a transaction of its own.
    ///
    /// # Errors
    /// [`StorageError`]: then a part may have been written. Writing all again does no harm.
    async fn import_products(
        &self,
        products: &[ImportedProduct],
        now: DateTime<Utc>,
    ) -> Result<Imported, StorageError>;

    /// A part of the catalogue, by an index for each order. The caller has asked [`ListQuery::check`].
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn list_products(&self, query: &ListQuery, from: ReadFrom) -> Result<Listed, StorageError>;

    /// Every category that has products which can be bought, by name; those without one first.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn categories(&self, from: ReadFrom) -> Result<Vec<CategoryCount>, StorageError>;

    /// Looks for products that can be bought. What a word may be completed to, and how matches are ranked, is the store's
    /// own; the order is total, and the same as long as nothing changes.
    ///
    /// # Errors
    /// [`StorageError`] when the database failed; never for what somebody looks for.
    async fn search(&self, query: &SearchQuery, from: ReadFrom) -> Result<Found, StorageError>;

    /// Whether a search finds words that are only like those that were looked for.
    fn tolerates_typos(&self) -> bool;
}
