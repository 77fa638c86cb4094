//! Which implementation serves which trait: the only place that knows them all.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use async_trait::async_trait;
use cartwright_cache::{CartCache, DocumentCache, EventBus, EventHub, MemoryCartCache, Publisher};
use cartwright_cache_redis::{
    Documents, RedisBus, RedisCartCache, RedisDocumentCache, RedisEventBus, RedisOptions, RedisRateLimiter,
    RedisShared,
};
use cartwright_cart::CartService;
use cartwright_catalog::{CatalogService, Parts, Shared};
use cartwright_domain::{ProductId, SystemClock};
use cartwright_events::EventService;
use cartwright_jobs::JobQueue;
use cartwright_layered::{Bus, SharedLayer};
use cartwright_limits::{MemoryRateLimiter, RateLimiter};
use cartwright_orders::{OrderService, StockListener};
use cartwright_storage::{JobStore, ShopStore, Store};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_webhooks::{BadSetup, Sender};

use crate::{
    config::{CartCaching, Database, Settings, StoreKind},
    edge,
    guard::ClosedCache,
};

/// How long the edge may take to be told at the end: what is purged is purged again after a second.
const EDGE_PATIENCE: Duration = Duration::from_secs(3);

/// The store that `database.url` names.
#[derive(Debug, Clone)]
pub(crate) enum AnyStore {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl AnyStore {
    /// Opens it on the current runtime, which must outlive it. The schema may be missing.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let (database, emission) = (&settings.database, settings.events.emission());
        match database.kind()? {
            StoreKind::Sqlite(path) => {
                let readers = usize::try_from(database.pool_size).unwrap_or(usize::MAX).min(16);
                let options = SqliteOptions { readers, emission, ..SqliteOptions::default() };
                let store = SqliteStore::open(&path, options).await.with_context(|| at(&database.url))?;
                Ok(Self::Sqlite(Arc::new(store)))
            }
            StoreKind::Postgres => {
                let mut options = PostgresOptions::new(database.url.expose());
                options.pool_size = database.pool_size;
                options.emission = emission;
                options.replicas = database.replica_urls.iter().map(|url| url.expose().to_owned()).collect();
                let store = PostgresStore::connect(options).await.with_context(|| at(&database.url))?;
                Ok(Self::Postgres(Arc::new(store)))
            }
        }
    }

    pub(crate) async fn migrate(&self) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Sqlite(store) => store.migrate().await?,
            Self::Postgres(store) => store.migrate().await?,
        })
    }

    pub(crate) async fn pending_migrations(&self) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Sqlite(store) => store.pending_migrations().await?,
            Self::Postgres(store) => store.pending_migrations().await?,
        })
    }

    /// Makes sure that the schema is there: applies what is pending, unless that was forbidden.
    pub(crate) async fn prepare(&self, database: &Database) -> anyhow::Result<Vec<String>> {
        if matches!(self, Self::Sqlite(_)) || database.migrate_on_start {
            return self.migrate().await;
        }
        let pending = self.pending_migrations().await?;
        if !pending.is_empty() {
            bail!(
                "{}: migrations are pending ({}), and database.migrate_on_start is off: run `cartwright migrate`",
                at(&database.url),
                pending.join(", ")
            );
        }
        Ok(Vec::new())
    }

    pub(crate) fn shop(&self) -> Arc<dyn ShopStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn ShopStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn ShopStore>,
        }
    }

    pub(crate) fn jobs(&self) -> Arc<dyn JobStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn JobStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn JobStore>,
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }
}

fn at(url: &crate::config::SecretUrl) -> String {
    format!("database.url {url}")
}

/// Where carts are cached, in a few words for the log.
pub(crate) fn describe_cache(settings: &Settings) -> anyhow::Result<&'static str> {
    Ok(match (settings.cache.carts, &settings.cache.redis_url, settings.database.kind()?) {
        (CartCaching::Off, ..) => "off: every read asks the database (cache.carts = \"off\")",
        (CartCaching::Auto, Some(_), _) => "Redis",
        (CartCaching::Auto, None, StoreKind::Sqlite(_)) => "in this process",
        (CartCaching::Auto, None, StoreKind::Postgres) => {
            "off: several nodes may share a PostgreSQL database, and a cache in each would go stale; set REDIS_URL"
        }
    })
}

/// The cart service, and what the catalogue shares with it.
pub(crate) struct Started {
    pub(crate) carts: CartService,
    pub(crate) cache: Option<Arc<dyn CartCache>>,
    pub(crate) histories: Option<Arc<dyn DocumentCache>>,
    pub(crate) profiles: Option<Arc<dyn DocumentCache>>,
    pub(crate) events: Arc<dyn EventBus>,
    publisher: Option<Arc<dyn Publisher>>,
    shared: Shared,
    /// Counts requests: for all nodes where they share a Redis.
    pub(crate) limiter: Arc<dyn RateLimiter>,
}

/// Puts the catalogue service together and starts it on the current runtime.
pub(crate) async fn start_catalog(
    settings: &Settings,
    store: &AnyStore,
    started: &Started,
) -> anyhow::Result<CatalogService> {
    Ok(CatalogService::start(Parts {
        store: store.shop(),
        shared: started.shared.clone(),
        edge: edge::start(&settings.edge).await?,
        clock: Arc::new(SystemClock),
        settings: settings.catalog.settings(),
    }))
}

/// Puts the order service together and starts it on the current runtime.
pub(crate) fn start_orders(
    settings: &Settings,
    store: &AnyStore,
    started: &Started,
    catalog: &CatalogService,
) -> anyhow::Result<OrderService> {
    Ok(OrderService::start(cartwright_orders::Parts {
        store: store.shop(),
        cache: started.cache.clone(),
        histories: started.histories.clone(),
        events: Arc::clone(&started.events),
        stock: Arc::new(SoldOut(catalog.clone())),
        clock: Arc::new(SystemClock),
        settings: settings.orders.settings(settings.allow_unlisted()?, settings.holds.settings()),
    }))
}

/// Puts the service of events together and starts it on the current runtime.
pub(crate) fn start_events(
    settings: &Settings,
    store: &AnyStore,
    jobs: &JobQueue,
    started: &Started,
) -> anyhow::Result<EventService> {
    let mut sender = Sender::builder(settings.webhooks.policy()?);
    if let Some(path) = &settings.webhooks.ca_file {
        let unread = || format!("configuration key `webhooks.ca_file`: {} cannot be read", path.display());
        sender = sender.authorities(std::fs::read(path).with_context(unread)?);
    }
    let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
    Ok(EventService::start(cartwright_events::Parts {
        store: store.shop(),
        jobs: jobs.clone(),
        publisher: started.publisher.clone(),
        sender: match sender.build() {
            Ok(sender) => Some(sender),
            // A shop without webhooks should not need certificates.
            Err(BadSetup::NoAuthority) if settings.webhooks.ca_file.is_none() => {
                tracing::warn!("webhooks cannot be sent: install ca-certificates, or set webhooks.ca_file");
                None
            }
            Err(error) => return Err(error).context("webhooks cannot be sent"),
        },
        clock: Arc::new(SystemClock),
        settings: cartwright_events::Settings {
            poll: settings.events.poll(),
            look_back: settings.events.look_back,
            overlap: hours(settings.webhooks.overlap_hours),
            targets: settings.webhooks.targets,
        },
    }))
}

/// Lets the catalogue's caches know what is sold out, or back.
struct SoldOut(CatalogService);

#[async_trait]
impl StockListener for SoldOut {
    async fn turned(&self, products: Vec<ProductId>) {
        if let Err(error) = self.0.stock_turned(products).await {
            tracing::warn!(%error, "shoppers see later than usual what is sold out");
        }
    }
}

/// Waits until everybody who has to be told of a change has been: the caches behind, and for some seconds at most those
/// in front.
pub(crate) async fn settle(catalog: &CatalogService) {
    catalog.settle().await;
    catalog.edge().shutdown(EDGE_PATIENCE).await;
}

/// Puts the cart service together and starts it on the current runtime.
pub(crate) async fn start_carts(settings: &Settings, store: &AnyStore) -> anyhow::Result<Started> {
    let Caches { carts: cache, histories, profiles, events, publisher, shared, limiter } =
        caches(settings, store).await?;
    let mut builder =
        CartService::builder(store.store()).events(Arc::clone(&events)).settings(cartwright_cart::Settings {
            allow_unlisted: settings.allow_unlisted()?,
            write_transactions: settings.carts.write_transactions,
            write_batch: settings.carts.write_batch,
            read_lanes: settings.carts.read_lanes,
            read_batch: settings.carts.read_batch,
            store_written: settings.carts.store_written,
            waiting: settings.carts.waiting,
            ..cartwright_cart::Settings::default()
        });
    if let Some(cache) = &cache {
        builder = builder.cache(Arc::clone(cache));
    }
    Ok(Started { carts: builder.start(), cache, histories, profiles, events, publisher, shared, limiter })
}

struct Caches {
    carts: Option<Arc<dyn CartCache>>,
    histories: Option<Arc<dyn DocumentCache>>,
    profiles: Option<Arc<dyn DocumentCache>>,
    events: Arc<dyn EventBus>,
    publisher: Option<Arc<dyn Publisher>>,
    shared: Shared,
    limiter: Arc<dyn RateLimiter>,
}

async fn caches(settings: &Settings, store: &AnyStore) -> anyhow::Result<Caches> {
    let cache = &settings.cache;
    let redis = redis_options(settings)?;
    let room = settings.limits.room;
    if let (Some(options), CartCaching::Auto) = (&redis, cache.carts) {
        let carts = RedisCartCache::start(options)?;
        let events = Arc::new(RedisEventBus::start_beside(&carts, options)?);
        let shared: Arc<dyn SharedLayer> = Arc::new(RedisShared::beside(&carts));
        let bus: Arc<dyn Bus> = Arc::new(RedisBus::start_beside(&carts));
        let publisher = Some(Arc::clone(&events) as Arc<dyn Publisher>);
        let limiter = Arc::new(RedisRateLimiter::beside(&carts, room));
        let documents = |documents, ttl| {
            Some(Arc::new(RedisDocumentCache::beside(&carts, documents, ttl)) as Arc<dyn DocumentCache>)
        };
        let histories = documents(Documents::Histories, cache.history_ttl());
        let profiles = documents(Documents::Profiles, cache.profile_ttl());
        let (carts, shared) = (Some(Arc::new(carts) as Arc<dyn CartCache>), Shared::By(shared, bus));
        return Ok(Caches { carts, histories, profiles, events, publisher, shared, limiter });
    }
    let limiter: Arc<dyn RateLimiter> = Arc::new(MemoryRateLimiter::new(room));
    // Events reach the other nodes also when carts are not cached.
    let (events, publisher): (Arc<dyn EventBus>, Option<Arc<dyn Publisher>>) = match &redis {
        Some(options) => {
            let events = Arc::new(RedisEventBus::start(options)?);
            (Arc::clone(&events) as Arc<dyn EventBus>, Some(events))
        }
        None => (Arc::new(EventHub::new()), None),
    };
    match store {
        AnyStore::Sqlite(sqlite) => {
            // Nobody else writes here, so this is enough; it may be open since a run with Redis.
            ClosedCache::close(&**sqlite).await.context("the gate of the cache cannot be closed")?;
            let memory = || Arc::new(MemoryCartCache::new(cache.memory_mb * 1024 * 1024, cache.ttl()));
            let memory = (cache.carts == CartCaching::Auto).then(|| memory() as Arc<dyn CartCache>);
            let shared = Shared::Alone;
            Ok(Caches { carts: memory, histories: None, profiles: None, events, publisher, shared, limiter })
        }
        AnyStore::Postgres(_) => {
            let closed = Arc::new(ClosedCache::default());
            let carts = Some(Arc::clone(&closed) as Arc<dyn CartCache>);
            let histories = Some(closed as Arc<dyn DocumentCache>);
            let (profiles, shared) = (histories.clone(), Shared::Deaf);
            Ok(Caches { carts, histories, profiles, events, publisher, shared, limiter })
        }
    }
}

/// How Redis is used, if it is configured.
pub(crate) fn redis_options(settings: &Settings) -> anyhow::Result<Option<RedisOptions>> {
    let cache = &settings.cache;
    let Some(primary) = &cache.redis_url else { return Ok(None) };
    let replicas = cache.redis_replica_urls.iter().map(|url| url.expose().to_owned()).collect();
    let mut options = RedisOptions::new(primary.expose(), replicas);
    options.ttl = cache.ttl();
    options.connections = cache.connections;
    if let Some(path) = &cache.redis_ca_file {
        let pem = std::fs::read(path);
        let unread = || format!("configuration key `cache.redis_ca_file`: {} cannot be read", path.display());
        options.ca_pem = Some(pem.with_context(unread)?);
    }
    Ok(Some(options))
}

/// Whether a database file is there already; `true` for what is not a file.
pub(crate) fn exists(database: &Database) -> anyhow::Result<bool> {
    Ok(match database.kind()? {
        StoreKind::Sqlite(path) => Path::exists(&path),
        StoreKind::Postgres => true,
    })
}
