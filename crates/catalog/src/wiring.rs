//! What a catalogue is made of, and how its caches are put together.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cartwright_domain::{Clock, ListQuery, Paging, Product, ProductId, SearchQuery};
use cartwright_edge::Purger;
use cartwright_layered::{
    Bus, CacheBuilder, Cause, Generated, Layered, LoadFrom, Node, SharedLayer, Silence, Tag, Tagged, each,
};
use cartwright_storage::ShopStore;
use tokio_util::sync::CancellationToken;

use crate::{
    CatalogService,
    changes::{Announcer, Bumper},
    classic::documents_of,
    document,
    kinds::{
        AllCategories, CachedProduct, Inventory, InventoryKey, Offer, OfferKey, ProductKey, Question,
        Ranking, RecommendationsKey, RelatedKey, TopKey,
    },
    layers::{StoredGenerations, StoredResults, read_from},
    service::Inner,
};

/// How the catalogue is kept in memory.
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// How many products are kept in the memory of this process. Too few: hot products cost a round trip. Too many:
    /// about 1.5 kB each.
    pub products_in_memory: usize,
    /// How many products' prices and stock, for showing carts. Too few: carts cost a round trip more. Too many: about
    /// 0.3 kB each.
    pub offers_in_memory: usize,
    /// How many lists, pages of searches and recommendations, each.
    pub lists_in_memory: usize,
    /// How many of the products that are asked for most stay in memory, and are renewed before their time. 0: none.
    pub hot_products: usize,
    /// Whether products that were bought together with one are loaded when that one is read.
    pub prefetch_related: bool,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            products_in_memory: 10_000,
            offers_in_memory: 100_000,
            lists_in_memory: 1_000,
            hot_products: 200,
            prefetch_related: true,
        }
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

/// How often it is asked how far the database has got.
const ASK: Duration = Duration::from_secs(1);

/// Makes a loader of an expression over the store, for questions of which each is a query of its own.
macro_rules! asks {
    ($store:expr, |$inner:ident, $key:ident: $kind:ty, $from:ident| $load:expr) => {{
        let store = Arc::clone($store);
        each(move |$key: $kind, from: LoadFrom| {
            let $inner = Arc::clone(&store);
            async move {
                let $from = read_from(from);
                Ok::<_, Cause>(Some($load))
            }
        })
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
        let caches = Caches::new(&node, &store, &settings);
        let (products, inventory) = (caches.products(), caches.inventory());
        let offers = caches.offers(products.clone());
        let (lists, categories, searches) = (caches.lists(), caches.categories(), caches.searches());
        let (top, related, recommendations) = (caches.top(), caches.related(), caches.recommendations());
        let documents = node.cache().memory(settings.lists_in_memory).over(documents_of(&store, &clock));

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
            offers,
            inventory,
            lists,
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
}

/// What the caches are made with.
struct Caches<'a> {
    node: &'a Node,
    store: &'a Arc<dyn ShopStore>,
    settings: &'a CatalogSettings,
    generations: Layered<Tag>,
}

impl<'a> Caches<'a> {
    fn new(node: &'a Node, store: &'a Arc<dyn ShopStore>, settings: &'a CatalogSettings) -> Self {
        let generations = node.cache::<Tag>().memory(10 * settings.lists_in_memory);
        let generations = generations.over(StoredGenerations(Arc::clone(store)));
        Self { node, store, settings, generations }
    }

    fn products(&self) -> Layered<ProductKey> {
        let cache = self.node.cache().memory(self.settings.products_in_memory);
        cache.hot_keys(self.settings.hot_products).over(products_of(self.store))
    }

    /// From the cached products.
    fn offers(&self, products: Layered<ProductKey>) -> Layered<OfferKey> {
        let cache = self.node.cache().memory(self.settings.offers_in_memory).without_shared();
        cache.over(move |keys: Vec<OfferKey>, _from: LoadFrom| {
            let products = products.clone();
            async move {
                let keys: Vec<ProductKey> = keys.into_iter().map(|key| ProductKey(key.0)).collect();
                let found = products.get_many(&keys).await.into_iter();
                let offer = |product: CachedProduct| Offer::from(&*product.summary);
                found.map(|answer| Ok(answer?.value.map(offer))).collect::<Result<Vec<_>, Cause>>()
            }
        })
    }

    /// For its freshness in the shared layer; what everybody looks at, in memory.
    fn inventory(&self) -> Layered<InventoryKey> {
        let cache = self.node.cache().memory(self.settings.lists_in_memory).memory_for_hot_keys_only();
        cache.hot_keys(self.settings.hot_products).over(inventory_of(self.store))
    }

    fn lists(&self) -> Tagged<Question<ListQuery>> {
        let describe = |cache: CacheBuilder<Generated<_>>| cache.memory(self.settings.lists_in_memory);
        let loader = asks!(self.store, |store, key: Question<ListQuery>, from| {
            let listed = store.list_products(&key.question, from).await?;
            match key.question.paging {
                Paging::Page(page) => document::page(&listed, page)?,
                Paging::After(..) => document::after(&listed)?,
            }
        });
        Tagged::new(self.node, &self.generations, describe, loader)
    }

    fn categories(&self) -> Tagged<Question<AllCategories>> {
        let loader = asks!(self.store, |store, _key: Question<AllCategories>, from| {
            document::categories(&store.categories(from).await?)?
        });
        Tagged::new(self.node, &self.generations, |cache| cache.memory(1).results(), loader)
    }

    fn searches(&self) -> Tagged<Question<SearchQuery>> {
        let CatalogSettings { lists_in_memory, hot_products, .. } = *self.settings;
        let describe = |cache: CacheBuilder<Generated<_>>| {
            let cache = cache.memory(lists_in_memory).memory_for_hot_keys_only().hot_keys(hot_products);
            cache.without_leases().results()
        };
        let loader = asks!(self.store, |store, key: Question<SearchQuery>, from| {
            document::found(&store.search(&key.question, from).await?, key.question.page)?
        });
        Tagged::new(self.node, &self.generations, describe, loader)
    }

    fn top(&self) -> Layered<TopKey> {
        self.node.cache().memory(100).results().over(asks!(self.store, |store, key: TopKey, from| {
            Ranking::of(&store.top_products(key.window(), key.limit, from).await?)?
        }))
    }

    fn related(&self) -> Layered<RelatedKey> {
        let cache = self.node.cache().memory(self.settings.lists_in_memory);
        cache.over(asks!(self.store, |store, key: RelatedKey, from| {
            let RelatedKey(id, limit) = key;
            Ranking::of(&store.related_products(&id, limit, from).await?)?
        }))
    }

    fn recommendations(&self) -> Layered<RecommendationsKey> {
        let cache = self.node.cache().memory(self.settings.lists_in_memory).without_shared();
        cache.over(asks!(self.store, |store, key: RecommendationsKey, from| {
            let RecommendationsKey(owner, limit) = key;
            Ranking::of(&store.recommended_products(&owner, limit, from).await?)?
        }))
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
