//! The kinds of data that are cached: what their keys are, what stands under them, and for how long.

use std::{borrow::Cow, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_domain::{
    Category, ListQuery, Listing, Money, OwnerId, Paging, Product, ProductId, SearchQuery, Stock, TopWindow,
};
use cartwright_layered::{CacheKey, CacheValue, Policy, Tag, TaggedKey};
use cartwright_storage::Ranked;
use serde::{Deserialize, Serialize};

use crate::document::{self, Unwritten};

const MINUTE: Duration = minutes(1);
const HOUR: Duration = minutes(60);

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

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

    /// What a cart needs of it.
    pub fn listing(&self, id: ProductId) -> Listing {
        let Summary { name, price, active, .. } = &*self.summary;
        Listing { product_id: id, name: name.clone(), price: *price, active: *active }
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

/// The tag of everything that shows products of all categories.
pub(crate) fn everything() -> Tag {
    Tag(Arc::from("catalog"))
}

/// The tag of what shows products of one category only.
pub(crate) fn of_category(category: &Category) -> Tag {
    Tag(Arc::from(format!("category:{category}")))
}

fn tags(category: Option<&Category>) -> Vec<Tag> {
    vec![category.map_or_else(everything, of_category)]
}

/// A key made of a question: compared and named by a text that says all of it.
#[derive(Debug, Clone)]
pub(crate) struct Question<Q> {
    pub(crate) question: Arc<Q>,
    text: Arc<str>,
}

impl<Q: Asked> Question<Q> {
    pub(crate) fn new(question: Q) -> Self {
        let text = Arc::from(question.words());
        Self { question: Arc::new(question), text }
    }
}

/// Something that can be asked, in words that are the same for the same question.
pub(crate) trait Asked: std::fmt::Debug + Send + Sync + 'static {
    const KIND: &'static str;
    const POLICY: Policy;
    fn words(&self) -> String;
    fn category(&self) -> Option<&Category>;
}

impl<Q> PartialEq for Question<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<Q> Eq for Question<Q> {}

impl<Q> PartialOrd for Question<Q> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Q> Ord for Question<Q> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<Q> std::hash::Hash for Question<Q> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<Q: Asked> CacheKey for Question<Q>
where
    Q: Clone,
{
    type Value = Bytes;
    const KIND: &'static str = Q::KIND;
    const POLICY: Policy = Q::POLICY;

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.text)
    }
}

impl<Q: Asked + Clone> TaggedKey for Question<Q> {
    fn tags(&self) -> Vec<Tag> {
        tags(self.question.category())
    }
}

impl Asked for ListQuery {
    const KIND: &'static str = "listing";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        let mut words = format!("{:?}/{:?}/", self.sort, self.active);
        let _ = match &self.paging {
            Paging::Page(page) => write!(words, "page {}x{}", page.number(), page.size()),
            Paging::After(cursor, size) => {
                let cursor = cursor.as_ref().map(ToString::to_string).unwrap_or_default();
                write!(words, "after {}:{}x{}", cursor.len(), cursor, size.get())
            }
        };
        if let Some(category) = &self.category {
            let _ = write!(words, "/{category}");
        }
        words
    }

    fn category(&self) -> Option<&Category> {
        self.category.as_ref()
    }
}

impl Asked for SearchQuery {
    const KIND: &'static str = "search";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        let price = self.price.map(|range| {
            let end = |end: Option<Money>| end.map(|money| money.minor().to_string()).unwrap_or_default();
            format!("{}-{} {}", end(range.min()), end(range.max()), range.currency())
        });
        let text = self.text.as_ref().map(|text| (text.to_string(), text.is_open()));
        let page = (self.page.number(), self.page.size());
        let category = self.category.as_ref().map(Category::as_str);
        format!("{text:?}/{category:?}/{price:?}/{}/{:?}/{page:?}", self.in_stock, self.sort)
    }

    fn category(&self) -> Option<&Category> {
        self.category.as_ref()
    }
}

/// All categories.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AllCategories;

impl Asked for AllCategories {
    const KIND: &'static str = "categories";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        "all".to_owned()
    }

    fn category(&self) -> Option<&Category> {
        None
    }
}

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
    use cartwright_domain::{PageSize, ProductDetails, ProductName, SearchText};
    use chrono::DateTime;

    use super::*;

    #[test]
    fn what_is_cached_is_read_again() {
        let price = Money::parse("9.90", "EUR".parse().unwrap()).unwrap();
        let details = ProductDetails::new(ProductName::new("Zeile \"zwei\" \\ käse").unwrap(), price);
        let product = Product::create(ProductId::new("p").unwrap(), details, DateTime::UNIX_EPOCH);
        let cached = CachedProduct::of(&product).unwrap();
        assert_eq!(CachedProduct::decode(cached.encode()), Some(cached));
        for ranked in [vec![], vec![Ranked { product, count: 3 }]] {
            let ranking = Ranking::of(&ranked).unwrap();
            assert_eq!(Ranking::decode(ranking.encode()), Some(ranking));
        }
        let inventory = Inventory(Stock::new(7).unwrap());
        assert_eq!(Inventory::decode(inventory.encode()), Some(inventory));
        assert_eq!(Inventory::decode(Bytes::from_static(b"-1")), None);
        assert_eq!(CachedProduct::decode(Bytes::from_static(b"{}\nx")), None);
    }

    #[test]
    fn different_questions_have_different_words() {
        let category = |name: &str| Some(Category::new(name).unwrap());
        let search = |text: &str| SearchQuery { text: Some(SearchText::new(text)), ..SearchQuery::default() };
        let asked = [
            SearchQuery::default().words(),
            search("tea").words(),
            search("tea ").words(),
            search("").words(),
            SearchQuery { category: category("tea"), ..SearchQuery::default() }.words(),
            SearchQuery { category: category("tea"), ..search("tea") }.words(),
            SearchQuery { in_stock: true, ..search("tea") }.words(),
        ];
        let unique: std::collections::BTreeSet<_> = asked.iter().collect();
        assert_eq!(unique.len(), asked.len(), "{asked:?}");
        let list = |category, paging| ListQuery { category, paging, ..ListQuery::default() }.words();
        let size = PageSize::new(5).unwrap();
        let lists = [
            list(None, Paging::After(None, size)),
            list(None, Paging::Page(cartwright_domain::Page::first(size))),
            list(category("x"), Paging::After(None, size)),
        ];
        let unique: std::collections::BTreeSet<_> = lists.iter().collect();
        assert_eq!(unique.len(), lists.len(), "{lists:?}");
    }
}
