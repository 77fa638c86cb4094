use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use cartwright_domain::{Clock, ListQuery, ProductId, SearchQuery};
use cartwright_edge::Purger;
use cartwright_layered::{Answer, Figures, Layer, Layered, LoadError, Node, Tagged};
use cartwright_storage::{ReadFrom, ShopStore};
use tokio_util::sync::DropGuard;

use crate::{
    CatalogError,
    changes::{Announcer, Bumper},
    classic::DocumentKey,
    kinds::{
        AllCategories, CachedProduct, Inventory, InventoryKey, Offer, OfferKey, ProductKey, Question,
        RecommendationsKey, RelatedKey, TopKey,
    },
};

/// Products, lists, searches and statistics: read through the caches, written to the store.
///
/// Clones are the same service.
#[derive(Clone)]
pub struct CatalogService {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for CatalogService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogService").finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn ShopStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) announcer: Announcer,
    pub(crate) bumper: Bumper,
    pub(crate) products: Layered<ProductKey>,
    pub(crate) offers: Layered<OfferKey>,
    pub(crate) inventory: Layered<InventoryKey>,
    pub(crate) lists: Tagged<Question<ListQuery>>,
    pub(crate) categories: Tagged<Question<AllCategories>>,
    pub(crate) searches: Tagged<Question<SearchQuery>>,
    pub(crate) top: Layered<TopKey>,
    pub(crate) related: Layered<RelatedKey>,
    pub(crate) recommendations: Layered<RecommendationsKey>,
    pub(crate) documents: Layered<DocumentKey>,
    /// When there was time last to look ahead. `None`: it is not wanted.
    pub(crate) looked_ahead: Option<Mutex<Instant>>,
    pub(crate) _stop: DropGuard,
}

impl CatalogService {
    /// A product as the database has it now.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be read.
    pub async fn product(&self, id: &ProductId) -> Result<Option<CachedProduct>, CatalogError> {
        let found = self.inner.store.products(std::slice::from_ref(id), ReadFrom::Primary).await?;
        Ok(found.into_iter().next().flatten().as_ref().map(CachedProduct::of).transpose()?)
    }

    /// A product from memory, if it is there. `None`: ask [`cached_product`](Self::cached_product).
    pub fn peek_product(&self, id: &ProductId) -> Option<Answer<CachedProduct>> {
        self.inner.products.peek(&ProductKey(id.clone()))
    }

    /// A product, as it was at most a quarter of a second ago.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn cached_product(&self, id: &ProductId) -> Result<Answer<CachedProduct>, LoadError> {
        let answer = self.inner.products.get(&ProductKey(id.clone())).await?;
        if answer.layer != Layer::Memory && answer.value.is_some() {
            self.look_ahead(id);
        }
        Ok(answer)
    }

    /// What a cart is told of a product, from memory, if it is there. `None`: ask [`offers`](Self::offers).
    pub fn peek_offer(&self, id: &ProductId) -> Option<Answer<Offer>> {
        self.inner.offers.peek(&OfferKey(id.clone()))
    }

    /// What a cart is told of its products, in as many round trips as for one: one answer for each id, in order.
    pub async fn offers(&self, ids: &[ProductId]) -> Vec<Result<Answer<Offer>, LoadError>> {
        let keys: Vec<OfferKey> = ids.iter().cloned().map(OfferKey).collect();
        self.inner.offers.get_many(&keys).await
    }

    /// How many there are of a product: a hint. Whoever buys is told by the database.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn inventory(&self, id: &ProductId) -> Result<Answer<Inventory>, LoadError> {
        self.inner.inventory.get(&InventoryKey(id.clone())).await
    }

    /// A part of the catalogue, as JSON. The caller has asked [`ListQuery::check`].
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn list(&self, query: ListQuery) -> Result<Answer<Bytes>, LoadError> {
        self.inner.lists.get(&Question::new(query)).await
    }

    /// All categories, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when they are in no cache and could not be read.
    pub async fn categories(&self) -> Result<Answer<Bytes>, LoadError> {
        self.inner.categories.get(&Question::new(AllCategories)).await
    }

    /// What a search finds, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be looked for.
    pub async fn search(&self, query: SearchQuery) -> Result<Answer<Bytes>, LoadError> {
        self.inner.searches.get(&Question::new(query)).await
    }

    /// What happened in each cache since the start, by kind of data.
    pub fn figures(&self) -> Vec<(&'static str, Figures)> {
        let inner = &*self.inner;
        vec![
            ("product", inner.products.figures()),
            ("offer", inner.offers.figures()),
            ("inventory", inner.inventory.figures()),
            ("listing", inner.lists.figures()),
            ("categories", inner.categories.figures()),
            ("search", inner.searches.figures()),
            ("top", inner.top.figures()),
            ("related", inner.related.figures()),
            ("recommendations", inner.recommendations.figures()),
            ("document", inner.documents.figures()),
        ]
    }

    /// The products that are asked for most at present.
    pub fn hot_products(&self) -> Vec<ProductId> {
        self.inner.products.hot_keys().into_iter().map(|key| key.0).collect()
    }

    /// The HTTP caches in front.
    pub fn edge(&self) -> &Purger {
        &self.inner.announcer.edge
    }

    /// What the caches of this process have in common.
    pub fn node(&self) -> &Node {
        &self.inner.announcer.node
    }

    /// Waits until lists and searches know of every change that was answered.
    pub async fn settle(&self) {
        self.inner.bumper.flush().await;
    }
}
