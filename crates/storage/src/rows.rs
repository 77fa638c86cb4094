//! Products and facets as the stores keep or count them, and what they become.

use std::{cmp::Reverse, collections::HashMap};

use cartwright_domain::{
    Attributes, Category, Currency, Description, Money, Product, ProductDetails, ProductId, ProductName,
    Stock,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{CategoryCount, Facets, MAX_FACETS, PriceCount, StorageError};

/// Where the ranges of prices in facets begin and end, in minor units: 10, 25, 50, 100, … of a currency with cents.
pub const PRICE_STEPS: [i64; 8] = [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000];

/// The columns of a [`KeptProduct`] in its order, in SQL about the products `p`.
#[macro_export]
macro_rules! product_columns {
    () => {
        "p.id, p.name, p.description, p.price_minor, p.currency, CAST(p.stock AS bigint), p.category, p.attributes, \
         p.active, p.version, p.created_at, p.updated_at"
    };
}

/// A row of [`product_columns!`](crate::product_columns). `T` is what a time is in it.
pub type ProductRow<T> = (String, String, String, i64, String, i64, Option<String>, String, bool, i64, T, T);

/// A product as the stores keep it. In JSON, the values in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptProduct {
    /// [`Product::id`].
    pub id: String,
    /// [`ProductDetails::name`].
    pub name: String,
    /// [`ProductDetails::description`].
    pub description: String,
    /// [`ProductDetails::price`], in minor units.
    pub price_minor: i64,
    /// The currency of the price.
    pub currency: String,
    /// [`ProductDetails::stock`].
    pub stock: i64,
    /// [`ProductDetails::category`].
    pub category: Option<String>,
    /// [`ProductDetails::attributes`], as JSON.
    pub attributes: String,
    /// [`ProductDetails::active`].
    pub active: bool,
    /// [`Product::version`].
    pub version: i64,
    /// [`Product::created_at`]. In JSON, microseconds since 1970.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub created_at: DateTime<Utc>,
    /// [`Product::updated_at`], likewise.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub updated_at: DateTime<Utc>,
}

/// An error for a value that cannot be.
fn bad<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> StorageError {
    move |error| StorageError::Unexpected(what.into(), Some(Box::new(error)))
}

impl KeptProduct {
    /// What stands in a row; `time` tells what a time in it is.
    ///
    /// # Errors
    /// Those of `time`.
    pub fn of_row<T>(
        row: ProductRow<T>,
        time: impl Fn(T) -> Result<DateTime<Utc>, StorageError>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.0,
            name: row.1,
            description: row.2,
            price_minor: row.3,
            currency: row.4,
            stock: row.5,
            category: row.6,
            attributes: row.7,
            active: row.8,
            version: row.9,
            created_at: time(row.10)?,
            updated_at: time(row.11)?,
        })
    }

    /// The product.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] for what breaks a rule of the domain.
    pub fn read(self) -> Result<Product, StorageError> {
        let currency = Currency::new(&self.currency).map_err(bad("a price in an unknown currency"))?;
        let details = ProductDetails {
            name: ProductName::kept(self.name),
            description: Description::kept(self.description),
            price: Money::from_minor(self.price_minor, currency).map_err(bad("a price out of range"))?,
            stock: Stock::new(self.stock).map_err(bad("a stock out of range"))?,
            category: self.category.map(Category::kept),
            attributes: Attributes::kept(&self.attributes).map_err(bad("attributes that are none"))?,
            active: self.active,
        };
        Ok(Product {
            id: ProductId::new(&self.id).map_err(bad("a product with a bad id"))?,
            details,
            version: u64::try_from(self.version).map_err(bad("a product with a negative version"))?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// What a store counted of all that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptFacets {
    /// How many were found.
    pub total: u64,
    /// How many are in stock.
    pub in_stock: u64,
    /// Categories and how many were found there, the fullest first.
    pub categories: Vec<(Option<String>, u64)>,
    /// Currency, how many of [`PRICE_STEPS`] are not above the price, how many were found there.
    pub prices: Vec<(String, usize, u64)>,
}

impl KeptFacets {
    /// Counts what was found: category, currency, price in minor units and whether it is in stock, of each.
    pub fn count<'a>(found: impl IntoIterator<Item = (Option<&'a str>, &'a str, i64, bool)>) -> Self {
        let (mut categories, mut prices) = (HashMap::new(), HashMap::new());
        let (mut total, mut in_stock) = (0, 0);
        for (category, currency, price, is_in_stock) in found {
            total += 1;
            in_stock += u64::from(is_in_stock);
            *categories.entry(category).or_insert(0) += 1;
            let step = PRICE_STEPS.partition_point(|step| *step <= price);
            *prices.entry((currency, step)).or_insert(0) += 1;
        }
        let mut categories: Vec<(Option<&str>, u64)> = categories.into_iter().collect();
        categories.sort_unstable_by_key(|(category, n)| (Reverse(*n), *category));
        categories.truncate(usize::try_from(MAX_FACETS).unwrap_or(usize::MAX));
        Self {
            total,
            in_stock,
            categories: categories.into_iter().map(|(c, n)| (c.map(str::to_owned), n)).collect(),
            prices: prices.into_iter().map(|((c, step), n)| (c.to_owned(), step, n)).collect(),
        }
    }

    /// The facets.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] for what breaks a rule of the domain.
    pub fn read(self) -> Result<Facets, StorageError> {
        let categories = self
            .categories
            .into_iter()
            .map(|(category, products)| CategoryCount { category: category.map(Category::kept), products });
        let mut prices = self.prices;
        prices.sort_unstable();
        let prices = prices.into_iter().map(|(currency, step, products)| {
            let currency = Currency::new(&currency).map_err(bad("a price in an unknown currency"))?;
            let money = |minor| Money::from_minor(minor, currency).map_err(bad("a price out of range"));
            let from = step.checked_sub(1).and_then(|before| PRICE_STEPS.get(before)).copied().unwrap_or(0);
            let below = PRICE_STEPS.get(step).map(|minor| money(*minor)).transpose()?;
            Ok(PriceCount { from: money(from)?, below, products })
        });
        Ok(Facets {
            categories: categories.collect(),
            prices: prices.collect::<Result<_, StorageError>>()?,
            in_stock: self.in_stock,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_product_is_an_array_in_json() {
        let json = r#"["tea","Tea","",250,"EUR",3,null,"{}",true,2,1767225600000001,1767225600000002]"#;
        let kept: KeptProduct = serde_json::from_str(json).unwrap();
        let product = kept.clone().read().unwrap();
        assert_eq!((product.id.as_str(), product.version, product.details.stock.get()), ("tea", 2, 3));
        assert_eq!(product.updated_at.timestamp_micros(), 1_767_225_600_000_002);
        assert!(KeptProduct { stock: -1, ..kept.clone() }.read().is_err());
        assert!(KeptProduct { currency: "eur".into(), ..kept }.read().is_err());
    }

    #[test]
    fn what_was_found_is_counted() {
        let found =
            [(Some("b"), "EUR", 999, true), (Some("a"), "EUR", 1_000, false), (None, "USD", 1_000, true)];
        let counted = KeptFacets::count(found);
        assert_eq!((counted.total, counted.in_stock), (3, 2));
        let categories: Vec<_> = counted.categories.iter().map(|(c, n)| (c.as_deref(), *n)).collect();
        assert_eq!(categories, [(None, 1), (Some("a"), 1), (Some("b"), 1)], "the order is total");
        let mut prices = counted.prices;
        prices.sort_unstable();
        assert_eq!(prices, [("EUR".to_owned(), 0, 1), ("EUR".to_owned(), 1, 1), ("USD".to_owned(), 1, 1)]);
        let many: Vec<String> = (0..99).map(|n| format!("c{n}")).collect();
        let counted = KeptFacets::count(many.iter().map(|c| (Some(&**c), "EUR", 1, true)));
        assert_eq!((counted.total, counted.categories.len()), (99, MAX_FACETS as usize));
    }

    #[test]
    fn ranges_of_prices_meet() {
        let prices = vec![("EUR".to_owned(), 8, 3), ("EUR".to_owned(), 0, 1), ("EUR".to_owned(), 1, 2)];
        let facets = KeptFacets { prices, ..KeptFacets::default() }.read().unwrap();
        let ranges: Vec<_> =
            facets.prices.iter().map(|p| (p.from.minor(), p.below.map(Money::minor))).collect();
        assert_eq!(ranges, [(0, Some(1_000)), (1_000, Some(2_500)), (250_000, None)]);
    }
}
