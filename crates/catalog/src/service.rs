use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_domain::{Clock, ListQuery, OwnerId, Paging, Product, ProductId, SearchQuery, TopWindow};
use cartwright_edge::Purger;
use cartwright_layered::{
    Answer, Bus, Cause, Figures, Generated, Layer, Layered, LoadError, LoadFrom, Node, SharedLayer, Silence,
    Tag, Tagged,
};
use cartwright_storage::{ReadFrom, ShopStore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    CatalogError,
    changes::{Announcer, Bumper},
    classic::{DocumentKey, documents_of},
    document,
    kinds::{
        AllCategories, CachedProduct, Inventory, InventoryKey, ProductKey, Question, Ranking,
        RecommendationsKey, RelatedKey, TopKey,
    },
    layers::{StoredGenerations, StoredResults, read_from},
};

/// How the catalogue is kept in memory.
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// How many products are kept in the memory of this process. Too few: hot products cost a round trip. Too many:
    /// about 1.5 kB each.
    pub products_in_memory: usize,
    /// How many lists, pages of searches and recommendations, each.
    pub lists_in_memory: usize,
    /// How many of the products that are asked for most stay in memory, and are renewed before their time. 0: none.
    pub hot_products: usize,
    /// Whether products that were bought together with one are loaded when that one is read.
    pub prefetch_related: bool,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { products_in_memory: 10_000, lists_in_memory: 1_000, hot_products: 200, prefetch_related: true }
    }
}

/// How a node's caches are connected to those of others.
#[derive(Debug, Clone)]
pub enum Shared {
    /// There are no others.
    Alone,
    /// There may be others, and nothing to reach them by: nothing is kept for longer than a tenth of a second.
    Deaf,
    /// A layer and a bus that all use.
    By(Arc<dyn SharedLayer>, Arc<dyn Bus>),
}

/// What a catalogue is made of.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn ShopStore>,
    /// What it shares with other nodes.
    pub shared: Shared,
    /// The HTTP caches in front that are told of changes.
    pub edge: Purger,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How it is kept in memory.
    pub settings: CatalogSettings,
}

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
    inventory: Layered<InventoryKey>,
    lists: Tagged<Question<ListQuery>>,
    categories: Tagged<Question<AllCategories>>,
    searches: Tagged<Question<SearchQuery>>,
    top: Layered<TopKey>,
    related: Layered<RelatedKey>,
    recommendations: Layered<RecommendationsKey>,
    pub(crate) documents: Layered<DocumentKey>,
    /// When there was time last to look ahead. `None`: it is not wanted.
    looked_ahead: Option<Mutex<Instant>>,
    _stop: DropGuard,
}

/// Between two products whose related ones are loaded ahead: it must not cost much of what it saves.
const AHEAD_EVERY: Duration = Duration::from_millis(50);
/// How many related ones.
const AHEAD: u32 = 5;

/// How often it is asked how far the database has got.
const ASK: Duration = Duration::from_secs(1);

/// Makes a loader of an async function over the store, one key at a time.
macro_rules! loads {
    ($store:expr, |$inner:ident, $key:ident, $from:ident| $load:expr) => {{
        let store = Arc::clone(&$store);
        move |keys: Vec<_>, from: LoadFrom| {
            let store = Arc::clone(&store);
            async move {
                let $from = read_from(from);
                let mut values = Vec::with_capacity(keys.len());
                for $key in keys {
                    let $inner = &store;
                    values.push(Some($load));
                }
                Ok::<_, Cause>(values)
            }
        }
    }};
}

impl CatalogService {
    /// Starts the service on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts { store, shared, edge, clock, settings } = parts;
        let results = StoredResults::new(Arc::clone(&store), Arc::clone(&clock));
        let node = Node::builder().results(Arc::new(results));
        let node = match shared {
            Shared::Alone => node,
            Shared::Deaf => node.bus(Arc::new(Silence)),
            Shared::By(layer, bus) => node.shared(layer).bus(bus),
        };
        let node = node.start();
        let lists = settings.lists_in_memory;

        let generations = node.cache::<Tag>().memory(10 * lists).over(StoredGenerations(Arc::clone(&store)));
        let products = node.cache::<ProductKey>().memory(settings.products_in_memory);
        let products = products.hot_keys(settings.hot_products).over(products_of(&store));
        // For its freshness in the shared layer; what everybody looks at, in memory.
        let inventory = node.cache::<InventoryKey>().memory(lists).memory_for_hot_keys_only();
        let inventory = inventory.hot_keys(settings.hot_products).over(inventory_of(&store));
        let in_memory = |cache: cartwright_layered::CacheBuilder<Generated<_>>| cache.memory(lists);
        let listed = Tagged::new(
            &node,
            &generations,
            in_memory,
            loads!(store, |store, key, from| {
                let key: Question<ListQuery> = key;
                let listed = store.list_products(&key.question, from).await?;
                match key.question.paging {
                    Paging::Page(page) => document::page(&listed, page)?,
                    Paging::After(..) => document::after(&listed)?,
                }
            }),
        );
        let categories = Tagged::new(
            &node,
            &generations,
            |cache| cache.memory(1).results(),
            loads!(store, |store, _key, from| {
                let _: &Question<AllCategories> = &_key;
                document::categories(&store.categories(from).await?)?
            }),
        );
        let searches = Tagged::new(
            &node,
            &generations,
            |cache| cache.memory(lists).memory_for_hot_keys_only().hot_keys(settings.hot_products).results(),
            loads!(store, |store, key, from| {
                let key: Question<SearchQuery> = key;
                document::found(&store.search(&key.question, from).await?, key.question.page)?
            }),
        );
        let top = node.cache::<TopKey>().memory(100).results().over(loads!(store, |store, key, from| {
            let key: TopKey = key;
            Ranking::of(&store.top_products(key.window(), key.limit, from).await?)?
        }));
        let related = node.cache::<RelatedKey>().memory(lists).over(loads!(store, |store, key, from| {
            let RelatedKey(id, limit) = key;
            Ranking::of(&store.related_products(&id, limit, from).await?)?
        }));
        let recommendations = node.cache::<RecommendationsKey>().memory(lists).without_shared();
        let recommendations = recommendations.over(loads!(store, |store, key, from| {
            let RecommendationsKey(owner, limit) = key;
            Ranking::of(&store.recommended_products(&owner, limit, from).await?)?
        }));

        let documents = node.cache::<DocumentKey>().memory(lists).over(documents_of(&store, &clock));

        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(learn(node.clone(), Arc::clone(&store))));
        let announcer = Announcer { node, store: Arc::clone(&store), edge };
        let bumper = Bumper::start(announcer.clone());
        let inner = Inner {
            store,
            clock,
            announcer,
            bumper,
            products,
            inventory,
            lists: listed,
            categories,
            searches,
            top,
            related,
            recommendations,
            documents,
            looked_ahead: settings.prefetch_related.then(|| Mutex::new(Instant::now())),
            _stop: stop.drop_guard(),
        };
        Self { inner: Arc::new(inner) }
    }

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

    /// Many products, in as many round trips as one: one answer for each id, in order.
    pub async fn cached_products(&self, ids: &[ProductId]) -> Vec<Result<Answer<CachedProduct>, LoadError>> {
        let keys: Vec<ProductKey> = ids.iter().cloned().map(ProductKey).collect();
        self.inner.products.get_many(&keys).await
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

    /// What was bought most.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn top(&self, window: TopWindow, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.top.get(&TopKey::new(window, limit)).await
    }

    /// What was bought together with a product, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn related(&self, id: &ProductId, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.related.get(&RelatedKey(id.clone(), limit)).await
    }

    /// What somebody may like, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn recommendations(&self, owner: &OwnerId, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.recommendations.get(&RecommendationsKey(owner.clone(), limit)).await
    }

    /// Loads what somebody will probably ask for soon, in the background: as when a session starts.
    pub fn warm_recommendations(&self, owner: &OwnerId, limit: u32) {
        self.inner.recommendations.prefetch([RecommendationsKey(owner.clone(), limit)]);
    }

    /// Whoever looks at a product may look at a related one next.
    fn look_ahead(&self, id: &ProductId) {
        let Some(last) = &self.inner.looked_ahead else { return };
        {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() < AHEAD_EVERY {
                return;
            }
            *last = Instant::now();
        }
        let (service, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if let Ok(Some(ranking)) = service.related(&id, AHEAD).await.map(|answer| answer.value) {
                service.inner.products.prefetch(ranking.ids.iter().cloned().map(ProductKey));
            }
        });
    }

    /// What happened in each cache since the start, by kind of data.
    pub fn figures(&self) -> Vec<(&'static str, Figures)> {
        let inner = &*self.inner;
        vec![
            ("product", inner.products.figures()),
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

async fn learn(node: Node, store: Arc<dyn ShopStore>) {
    loop {
        let asked = node.learn_position(async || match store.position().await {
            Ok(Some(position)) => Ok(position.0),
            Ok(None) => Err(true),
            Err(_) => Err(false),
        });
        if asked.await == Err(true) {
            return; // it has none
        }
        tokio::time::sleep(ASK).await;
    }
}

async fn read_products(
    store: &dyn ShopStore,
    ids: Vec<ProductId>,
    from: LoadFrom,
) -> Result<Vec<Option<Product>>, Cause> {
    Ok(store.products(&ids, read_from(from)).await?)
}

fn products_of(store: &Arc<dyn ShopStore>) -> impl cartwright_layered::Loader<ProductKey> + use<> {
    let store = Arc::clone(store);
    move |keys: Vec<ProductKey>, from: LoadFrom| {
        let store = Arc::clone(&store);
        async move {
            let ids = keys.into_iter().map(|key| key.0).collect();
            let products = read_products(&*store, ids, from).await?;
            let cached = |product: &Option<Product>| product.as_ref().map(CachedProduct::of).transpose();
            Ok(products.iter().map(cached).collect::<Result<_, _>>()?)
        }
    }
}

fn inventory_of(store: &Arc<dyn ShopStore>) -> impl cartwright_layered::Loader<InventoryKey> + use<> {
    let store = Arc::clone(store);
    move |keys: Vec<InventoryKey>, from: LoadFrom| {
        let store = Arc::clone(&store);
        async move {
            let ids = keys.into_iter().map(|key| key.0).collect();
            let products = read_products(&*store, ids, from).await?;
            let stock = |product: Option<Product>| product.map(|product| Inventory(product.details.stock));
            Ok(products.into_iter().map(stock).collect())
        }
    }
}
