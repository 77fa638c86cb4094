use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Layer, MemoryCartCache};
use cartwright_cart::{CartService, CartServiceError, Read, Reply, Settings, Source, decode};
use cartwright_domain::{Cart, Currency, Listing, ManualClock, Money, OwnerId};
use cartwright_storage::{CartRequest, ListingStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_storage_tests::product;
use chrono::DateTime;
use tempfile::TempDir;

use crate::stores::HeldStore;

/// How long a test waits for what must come. Long, because it is only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A service with all that belongs to it.
pub(crate) struct Shop {
    pub(crate) carts: CartService,
    pub(crate) store: Arc<HeldStore>,
    _folder: TempDir,
}

pub(crate) fn memory() -> MemoryCartCache {
    MemoryCartCache::new(64 << 20, Duration::from_secs(3600))
}

/// The service as a single node has it.
pub(crate) async fn shop() -> Shop {
    shop_with(Some(Arc::new(memory())), Settings::default()).await
}

/// Products `p0` to `p9` cost 2.50 €, `yen` costs 300 ¥.
pub(crate) async fn shop_with(cache: Option<Arc<dyn CartCache>>, settings: Settings) -> Shop {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let listing = |id: &str, minor, currency| Listing {
        product_id: product(id),
        name: format!("The {id}"),
        price: Money::from_minor(minor, currency).unwrap(),
        active: true,
    };
    let mut listings: Vec<_> = (0..10).map(|n| listing(&format!("p{n}"), 250, Currency::EUR)).collect();
    listings.push(listing("yen", 300, Currency::JPY));
    store.put_listings(&listings).await.unwrap();
    let store = Arc::new(HeldStore::new(store));
    // It stands still, so that documents can be compared byte by byte.
    let clock = ManualClock::new(DateTime::from_timestamp_micros(1_767_323_045_123_457).unwrap());
    let mut builder = CartService::builder(store.clone()).clock(Arc::new(clock)).settings(settings);
    if let Some(cache) = cache {
        builder = builder.cache(cache);
    }
    Shop { carts: builder.start(), store, _folder: folder }
}

impl Shop {
    /// Carries out a command that must succeed.
    pub(crate) async fn done(&self, request: CartRequest) -> Reply {
        self.carts.execute(request).await.unwrap()
    }

    /// Reads until memory answers.
    pub(crate) async fn cached(&self, owner: &OwnerId) -> Read {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = self.carts.read(owner).await.unwrap();
            if read.source == Source::Cache(Layer::Memory) {
                return read;
            }
            assert!(Instant::now() < deadline, "{owner} is never cached");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A request that was handed in and is not waited for yet.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Reply, CartServiceError>> + Send>>;

/// Hands a request in.
pub(crate) fn hand_in(carts: &CartService, request: CartRequest) -> Pending {
    let carts = carts.clone();
    let mut pending: Pending = Box::pin(async move { carts.execute(request).await });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(pending.as_mut().poll(&mut context).is_pending(), "the store is held");
    pending
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The cart that a read shows.
pub(crate) fn cart_of(read: &Read) -> Cart {
    let cart = decode(&read.document.body).unwrap();
    assert_eq!(cart.version(), read.document.version, "the document and its version belong together");
    cart
}
