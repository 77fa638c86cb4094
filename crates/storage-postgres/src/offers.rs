//! Products as this process sold or saw them last, so that they need not be read before they are sold again.

use std::{collections::HashMap, sync::Arc};

use cartwright_domain::ProductId;
use cartwright_storage::OfferedProduct;
use quick_cache::sync::Cache;

/// How many products.
const PRODUCTS: usize = 16 * 1024;

/// Nothing here is believed by itself: stock is taken on the condition that name, price and currency are still these, that
/// the product can still be bought, and that there is enough. The stock is what the last sale of this process leaves, from when
/// it is sent, or what was seen last.
#[derive(Clone)]
pub(crate) struct KnownOffers(Arc<Cache<ProductId, OfferedProduct>>);

impl KnownOffers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::new(PRODUCTS)))
    }

    /// All of these products. `None`: of some nothing is known.
    pub(crate) fn all<'a>(
        &self,
        products: impl IntoIterator<Item = &'a ProductId>,
    ) -> Option<HashMap<ProductId, OfferedProduct>> {
        let known = products.into_iter().map(|id| Some((id.clone(), self.0.get(id)?)));
        known.collect()
    }

    /// Notes how they are now, or will be in a moment.
    pub(crate) fn seen(&self, products: &HashMap<ProductId, OfferedProduct>) {
        for (id, product) in products {
            self.0.insert(id.clone(), product.clone());
        }
    }

    /// They are not as they were known.
    pub(crate) fn forget<'a>(&self, products: impl IntoIterator<Item = &'a ProductId>) {
        for id in products {
            self.0.remove(id);
        }
    }
}
