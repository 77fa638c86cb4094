use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_domain::{Category, Money, Product, ProductId, Stock};
use cartwright_layered::{CacheKey, CacheValue, Policy};
use serde::{Deserialize, Serialize};

use super::{HOUR, MINUTE, minutes};
use crate::document::{self, Unwritten};

/// A product, as it is cached: what a program needs of it, and its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedProduct {
    /// What a program needs of it.
    pub summary: Arc<Summary>,
    /// The JSON document.
    pub body: Bytes,
}

/// What a program needs to know of a product without reading its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its version.
    pub version: u64,
    /// What it is called.
    pub name: String,
    /// Price of one.
    pub price: Money,
    /// How many there are.
    pub stock: Stock,
    /// Where it belongs.
    pub category: Option<Category>,
    /// Whether it can be bought.
    pub active: bool,
}

impl CachedProduct {
    /// A product, as it is shown.
    ///
    /// # Errors
    /// When the document cannot be written, which does not happen for values of the domain.
    pub fn of(product: &Product) -> Result<Self, Unwritten> {
        let details = &product.details;
        let summary = Summary {
            version: product.version,
            name: details.name.to_string(),
            price: details.price,
            stock: details.stock,
            category: details.category.clone(),
            active: details.active,
        };
        Ok(Self { summary: Arc::new(summary), body: document::product(product)? })
    }
}

/// The summary in JSON, a line feed, the document.
impl CacheValue for CachedProduct {
    fn encode(&self) -> Bytes {
        let mut bytes = serde_json::to_vec(&*self.summary).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let summary = serde_json::from_slice(bytes.get(..end)?).ok()?;
        Some(Self { summary: Arc::new(summary), body: bytes.slice(end + 1..) })
    }

    fn weight(&self) -> usize {
        self.body.len() + self.summary.name.len() + size_of::<Summary>()
    }
}

/// One product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProductKey(pub(crate) ProductId);

impl CacheKey for ProductKey {
    type Value = CachedProduct;
    const KIND: &'static str = "product";
    const POLICY: Policy = Policy::ttl(minutes(24 * 60)).memory_ttl(minutes(5)).stale_on_error(HOUR);

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.as_str())
    }
}

/// What a cart is told of a product. It is made of the cached product, and much smaller, so that those of all carts fit
/// into memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OfferKey(pub(crate) ProductId);

/// What a cart is told of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Price of one.
    pub price: Money,
    /// How many there are.
    pub stock: Stock,
    /// Whether it can be bought.
    pub active: bool,
}

impl From<&Summary> for Offer {
    fn from(summary: &Summary) -> Self {
        let Summary { price, stock, active, .. } = *summary;
        Self { price, stock, active }
    }
}

impl CacheValue for Offer {
    fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        serde_json::from_slice(&bytes).ok()
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl CacheKey for OfferKey {
    type Value = Offer;
    /// The same, so that it is invalidated with the product. It is in memory only, where the two do not meet.
    const KIND: &'static str = ProductKey::KIND;
    const POLICY: Policy = ProductKey::POLICY;

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.as_str())
    }
}

/// How many there are of a product: a hint. Whoever buys asks the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InventoryKey(pub(crate) ProductId);

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inventory(pub Stock);

impl CacheValue for Inventory {
    fn encode(&self) -> Bytes {
        Bytes::from(self.0.get().to_string())
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        let number: i64 = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
        Stock::new(number).ok().map(Self)
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl CacheKey for InventoryKey {
    type Value = Inventory;
    const KIND: &'static str = "inventory";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(5))
        .stale_while_revalidate(Duration::from_secs(1))
        .stale_on_error(MINUTE);

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{ProductDetails, ProductName};
    use chrono::DateTime;

    use super::*;

    #[test]
    fn what_is_cached_is_read_again() {
        let price = Money::parse("9.90", "EUR".parse().unwrap()).unwrap();
        let details = ProductDetails::new(ProductName::new("Zeile \"zwei\" \\ käse").unwrap(), price);
        let product = Product::create(ProductId::new("p").unwrap(), details, DateTime::UNIX_EPOCH);
        let cached = CachedProduct::of(&product).unwrap();
        assert_eq!(CachedProduct::decode(cached.encode()), Some(cached));
        let inventory = Inventory(Stock::new(7).unwrap());
        assert_eq!(Inventory::decode(inventory.encode()), Some(inventory));
        assert_eq!(Inventory::decode(Bytes::from_static(b"-1")), None);
        assert_eq!(CachedProduct::decode(Bytes::from_static(b"{}\nx")), None);
    }
}
