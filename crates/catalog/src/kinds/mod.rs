//! The kinds of data that are cached: what their keys are, what stands under them, and for how long.

mod product;
mod question;
mod ranking;

use std::{sync::Arc, time::Duration};

use cartwright_domain::Category;
use cartwright_layered::Tag;

pub use product::{CachedProduct, Inventory, Offer, Summary};
pub(crate) use product::{InventoryKey, OfferKey, ProductKey};
pub(crate) use question::{AllCategories, Question};
pub use ranking::Ranking;
pub(crate) use ranking::{RecommendationsKey, RelatedKey, TopKey};

const MINUTE: Duration = minutes(1);
const HOUR: Duration = minutes(60);

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// The tag of everything that shows products of all categories.
pub(crate) fn everything() -> Tag {
    Tag(Arc::from("catalog"))
}

/// The tag of what shows products of one category only.
pub(crate) fn of_category(category: &Category) -> Tag {
    Tag(Arc::from(format!("category:{category}")))
}
