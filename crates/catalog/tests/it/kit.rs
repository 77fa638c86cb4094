//! Catalogues: embedded, and two nodes on real servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache_redis::{RedisBus, RedisCartCache, RedisOptions, RedisShared};
use cartwright_cart::CartService;
use cartwright_catalog::{CatalogService, CatalogSettings, Parts, Shared};
use cartwright_domain::{
    Category, Currency, Money, NewProduct, ProductChange, ProductDetails, ProductId, ProductName, Stock,
    SystemClock,
};
use cartwright_edge::Purger;
use cartwright_storage::{Changed, Created, ShopStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_testkit::{ChaosProxy, Postgres, RedisServer, RedisTopology};
use tempfile::TempDir;

/// How long a test waits for what must come. Long, because it is only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn id(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

pub(crate) fn euros(minor: i64) -> Money {
    Money::from_minor(minor, Currency::EUR).unwrap()
}

pub(crate) fn details(name: &str, category: Option<&str>) -> ProductDetails {
    ProductDetails {
        category: category.map(|name| Category::new(name).unwrap()),
        stock: Stock::new(10).unwrap(),
        ..ProductDetails::new(ProductName::new(name).unwrap(), euros(250))
    }
}

pub(crate) fn price(minor: i64) -> ProductChange {
    ProductChange { price: Some(euros(minor)), ..ProductChange::default() }
}

/// One process, SQLite, memory.
pub(crate) async fn embedded() -> (CatalogService, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (start(Arc::new(store), Shared::Alone), folder)
}

pub(crate) fn start(store: Arc<dyn ShopStore>, shared: Shared) -> CatalogService {
    CatalogService::start(Parts {
        store,
        shared,
        edge: Purger::nobody(),
        clock: Arc::new(SystemClock),
        settings: CatalogSettings::default(),
    })
}

/// A process of several.
pub(crate) struct Node {
    pub(crate) catalog: CatalogService,
    /// Keeps the gate.
    _carts: CartService,
}

pub(crate) struct Nodes {
    pub(crate) one: Node,
    /// Reaches the primary of Redis through the proxy.
    pub(crate) other: Node,
    pub(crate) proxy: ChaosProxy,
    pub(crate) redis: RedisTopology,
}

/// Two nodes on a database of their own and Redis with two replicas.
pub(crate) async fn nodes() -> Nodes {
    let redis = tokio::task::spawn_blocking(|| RedisTopology::start(2).unwrap()).await.unwrap();
    let proxy = ChaosProxy::start(([127, 0, 0, 1], redis.primary.port())).unwrap();
    let url = Postgres::shared().fresh_database().await;
    PostgresStore::connect(PostgresOptions::new(&url)).await.unwrap().migrate().await.unwrap();
    let options =
        RedisOptions::new(redis.primary.url(), redis.replicas.iter().map(RedisServer::url).collect());
    let via = RedisOptions { primary_url: redis.primary.url_via(proxy.port()), ..options.clone() };
    let (one, other) = (node(&url, &options).await, node(&url, &via).await);
    eventually("both nodes hear", async || one.catalog.node().hears() && other.catalog.node().hears()).await;
    Nodes { one, other, proxy, redis }
}

async fn node(url: &str, redis: &RedisOptions) -> Node {
    let store = Arc::new(PostgresStore::connect(PostgresOptions::new(url)).await.unwrap());
    let cache = RedisCartCache::start(redis).unwrap();
    let shared = Shared::By(Arc::new(RedisShared::beside(&cache)), Arc::new(RedisBus::start_beside(&cache)));
    let carts = CartService::builder(Arc::clone(&store) as _).cache(Arc::new(cache)).start();
    Node { catalog: start(store, shared), _carts: carts }
}

pub(crate) async fn make(catalog: &CatalogService, name: &str, category: Option<&str>) {
    let new = NewProduct { id: Some(id(name)), details: details(name, category) };
    assert!(matches!(catalog.create(new, None).await.unwrap(), Created::Created(_)));
}

pub(crate) async fn reprice(catalog: &CatalogService, name: &str, minor: i64) {
    let changed = catalog.change(id(name), price(minor), Vec::new()).await.unwrap();
    assert!(matches!(changed, Changed::Changed { .. }), "{changed:?}");
}

/// The price that a node shows.
pub(crate) async fn shown(catalog: &CatalogService, name: &str) -> i64 {
    catalog.cached_product(&id(name)).await.unwrap().value.unwrap().summary.price.minor()
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
