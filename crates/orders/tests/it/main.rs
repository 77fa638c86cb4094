//! The service over a real store: SQLite in a private folder.
#![expect(clippy::unwrap_used, reason = "tests panic to fail")]

mod histories;
mod holds;
mod processing;
mod troubles;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cartwright_cache::{CartCache, EventBus, EventHub, MemoryCartCache, Update};
use cartwright_domain::{OrderQuery, OrderStatus, ProductId, Purchase, Quantity, Stock, SystemClock};
use cartwright_orders::{NobodyListens, OrderService, OrdersError, Parts, Settings, StockListener, Strategy};
use cartwright_storage::{
    BatchPolicy, CartStore, CatalogStore, JobStore, OrderStep, OrderStore, ReadFrom, ShopStore, Stepped,
};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_storage_tests::{RecordingFence, add, details, imported, owner, product};
use tempfile::TempDir;

struct Shop {
    store: Arc<SqliteStore>,
    cache: Arc<dyn CartCache>,
    events: Arc<EventHub>,
    _folder: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let store =
            SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let cache = Arc::new(MemoryCartCache::new(1_000_000, Duration::from_secs(60)));
        Self { store: Arc::new(store), cache, events: Arc::new(EventHub::new()), _folder: folder }
    }

    fn service(&self, settings: Settings, stock: Arc<dyn StockListener>) -> OrderService {
        OrderService::start(Parts {
            store: Arc::clone(&self.store) as Arc<dyn ShopStore>,
            cache: Some(Arc::clone(&self.cache)),
            histories: None,
            events: Arc::clone(&self.events) as Arc<dyn EventBus>,
            stock,
            clock: Arc::new(SystemClock),
            settings,
        })
    }

    fn jobs(&self) -> Arc<dyn JobStore> {
        Arc::clone(&self.store) as Arc<dyn JobStore>
    }

    async fn offer(&self, id: &str, units: i64) {
        let mut details = details(id, 250);
        details.stock = Stock::new(units).unwrap();
        let now = chrono::DateTime::UNIX_EPOCH;
        self.store.import_products(&[imported(id, details)], now).await.unwrap();
    }

    async fn units(&self, id: &str) -> u32 {
        let found = self.store.products(&[product(id)], ReadFrom::Primary).await.unwrap();
        found.into_iter().next().flatten().unwrap().details.stock.get()
    }
}

fn by(strategy: Strategy) -> Settings {
    Settings { strategy, ..Settings::default() }
}

async fn buy(service: &OrderService, who: &str, what: &str, units: i64) -> Result<bool, OrdersError> {
    let purchase = Purchase::of_lines([(product(what), Quantity::new(units).unwrap())]).unwrap();
    service.buy(owner(who), purchase, None, None).await.map(|(_, again)| again)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_strategy_sells_exactly_what_there_is() {
    let shop = Shop::open().await;
    for strategy in [Strategy::Batched, Strategy::Pessimistic, Strategy::Optimistic] {
        shop.offer("tea", 50).await;
        let service = shop.service(by(strategy), Arc::new(NobodyListens));
        let buyers: Vec<_> = (0..200)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { buy(&service, "ana", "tea", 1).await })
            })
            .collect();
        let mut sold = 0;
        for buyer in buyers {
            match buyer.await.unwrap() {
                Ok(_) => sold += 1,
                Err(OrdersError::Refused { .. }) => {}
                Err(error) => panic!("{strategy:?}: {error}"),
            }
        }
        assert_eq!((sold, shop.units("tea").await), (50, 0), "{strategy:?}");
        assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
        service.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_wait_are_refused_and_nothing_else_happens() {
    let shop = Shop::open().await;
    for strategy in [Strategy::Batched, Strategy::Optimistic] {
        shop.offer("tea", 1000).await;
        let settings = Settings { waiting: 2, batch: 1, transactions: 1, ..by(strategy) };
        let service = shop.service(settings, Arc::new(NobodyListens));
        let buyers: Vec<_> = (0..100)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { buy(&service, "ana", "tea", 1).await })
            })
            .collect();
        let (mut sold, mut refused) = (0, 0);
        for buyer in buyers {
            match buyer.await.unwrap() {
                Ok(_) => sold += 1,
                Err(OrdersError::Overloaded) => refused += 1,
                Err(error) => panic!("{strategy:?}: {error}"),
            }
        }
        assert!(refused > 0 && sold > 0, "{strategy:?}: {sold} sold, {refused} refused");
        assert_eq!(shop.units("tea").await, 1000 - sold, "{strategy:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_who_go_away_leave_nothing_half_done() {
    let shop = Shop::open().await;
    shop.offer("tea", 1000).await;
    let service = shop.service(Settings::default(), Arc::new(NobodyListens));
    for micros in (0..4_000).step_by(50) {
        let buying = buy(&service, "ana", "tea", 1);
        let _gone = tokio::time::timeout(Duration::from_micros(micros), buying).await;
    }
    service.shutdown().await;
    let query = OrderQuery::default();
    let orders = shop.store.list_orders(&query).await.unwrap().total.unwrap();
    assert_eq!(u64::from(1000 - shop.units("tea").await), orders);
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
    assert!(matches!(buy(&service, "ana", "tea", 1).await, Err(OrdersError::ShuttingDown)));
}

/// Notes what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<ProductId>>);

#[async_trait]
impl StockListener for Heard {
    async fn turned(&self, products: Vec<ProductId>) {
        self.0.lock().unwrap().extend(products);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_hear_of_what_is_sold_out_and_of_empty_carts() {
    let shop = Shop::open().await;
    shop.offer("tea", 2).await;
    let heard = Arc::new(Heard::default());
    let service = shop.service(Settings::default(), Arc::clone(&heard) as _);
    let mut cart = shop.events.subscribe(&owner("ana"));
    let policy = BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false };
    shop.store.execute_batch(&[add("ana", "tea", 2)], &policy, &RecordingFence::default()).await.unwrap();
    let (order, again) = service.buy(owner("ana"), Purchase::Cart { version: 1 }, None, None).await.unwrap();
    assert!(!again && order.cart_version == Some(1));
    let told = tokio::time::timeout(Duration::from_secs(10), cart.next()).await.unwrap();
    assert_eq!(told, Update::Version(u64::MAX));
    let cancelled = service.cancel(order.id, Some(owner("ana")), None).await.unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    let step = OrderStep { id: order.id, owner: None, to: OrderStatus::Processing, reason: None };
    assert!(matches!(service.step(step).await.unwrap(), Stepped::Forbidden(_)));
    service.shutdown().await;
    assert_eq!(*heard.0.lock().unwrap(), [product("tea"), product("tea")]);
}
