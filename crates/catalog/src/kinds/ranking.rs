use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use cartwright_domain::{OwnerId, ProductId, TopWindow};
use cartwright_layered::{CacheKey, CacheValue, Policy};
use cartwright_storage::Ranked;

use super::{HOUR, MINUTE, minutes};
use crate::document::{self, Unwritten};

/// Products in an order that comes from purchases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Which ones.
    pub ids: Arc<[ProductId]>,
    /// The JSON document, with all that is shown of them.
    pub body: Bytes,
}

impl Ranking {
    pub(crate) fn of(ranked: &[Ranked]) -> Result<Self, Unwritten> {
        let ids = ranked.iter().map(|ranked| ranked.product.id.clone()).collect();
        Ok(Self { ids, body: document::ranked(ranked)? })
    }
}

/// The ids with spaces between them (an id has none), a line feed, the document.
impl CacheValue for Ranking {
    fn encode(&self) -> Bytes {
        let ids: Vec<&str> = self.ids.iter().map(ProductId::as_str).collect();
        let mut bytes = ids.join(" ").into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let ids = std::str::from_utf8(bytes.get(..end)?).ok()?.split_ascii_whitespace();
        let ids = ids.map(ProductId::new).collect::<Result<_, _>>().ok()?;
        Some(Self { ids, body: bytes.slice(end + 1..) })
    }

    fn weight(&self) -> usize {
        self.body.len() + self.ids.iter().map(|id| id.as_str().len() + 32).sum::<usize>()
    }
}

/// The products that were bought most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopKey {
    /// [`TopWindow::as_str`]; a window itself has no order.
    window: &'static str,
    pub(crate) limit: u32,
}

impl TopKey {
    pub(crate) fn new(window: TopWindow, limit: u32) -> Self {
        Self { window: window.as_str(), limit }
    }

    pub(crate) fn window(&self) -> TopWindow {
        TopWindow::ALL.into_iter().find(|window| window.as_str() == self.window).unwrap_or_default()
    }
}

impl CacheKey for TopKey {
    type Value = Ranking;
    const KIND: &'static str = "top";
    const POLICY: Policy = Policy::ttl(MINUTE);

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}:{}", self.window, self.limit))
    }
}

/// What was bought together with a product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RelatedKey(pub(crate) ProductId, pub(crate) u32);

impl CacheKey for RelatedKey {
    type Value = Ranking;
    const KIND: &'static str = "related";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}:{}", self.1, self.0))
    }
}

/// What somebody may like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecommendationsKey(pub(crate) OwnerId, pub(crate) u32);

impl CacheKey for RecommendationsKey {
    type Value = Ranking;
    const KIND: &'static str = "recommendations";
    const POLICY: Policy = Policy::ttl(HOUR);

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}:{}", self.1, self.0))
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{Currency, Money, Product, ProductDetails, ProductName};
    use chrono::DateTime;

    use super::*;

    #[test]
    fn what_is_cached_is_read_again() {
        let price = Money::from_minor(990, Currency::EUR).unwrap();
        let details = ProductDetails::new(ProductName::new("Zeile \"zwei\"").unwrap(), price);
        let product = Product::create(ProductId::new("p").unwrap(), details, DateTime::UNIX_EPOCH);
        for ranked in [vec![], vec![Ranked { product, count: 3 }]] {
            let ranking = Ranking::of(&ranked).unwrap();
            assert_eq!(Ranking::decode(ranking.encode()), Some(ranking));
        }
    }
}
