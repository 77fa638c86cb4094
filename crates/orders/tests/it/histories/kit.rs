//! Nodes on one SQLite database and one real Redis, with somebody who looks after the gate.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_cache::{CartCache, DocumentCache, EventBus, Layer, Survey};
use cartwright_cache_redis::{Documents, RedisCartCache, RedisDocumentCache, RedisOptions};
use cartwright_domain::{OpenGate, Order, OrderId, OrderStatus, Purchase, Quantity, SystemClock};
use cartwright_orders::{NobodyListens, OrderService, OrdersError, Parts, Settings};
use cartwright_storage::{GateStore, ListedOrders, ShopStore};
use cartwright_storage_sqlite::SqliteStore;
use cartwright_storage_tests::{owner, product};
use cartwright_testkit::{RedisServer, eventually, eventually_some};
use tokio::task::JoinHandle;

use crate::Shop;

pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// What somebody is shown of his orders.
pub(super) type Shown = Vec<(OrderId, OrderStatus)>;

pub(super) struct Cluster {
    pub(super) shop: Shop,
    pub(super) redis: RedisServer,
    pub(super) nodes: Vec<Node>,
}

impl Cluster {
    /// So many nodes, with a thousand of `tea`.
    pub(super) async fn start(nodes: usize, settings: &Settings) -> Self {
        let redis = tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap();
        let urls = vec![redis.url(); nodes];
        Self::at(redis, &urls, settings).await
    }

    /// Nodes that reach Redis at different addresses.
    pub(super) async fn at(redis: RedisServer, urls: &[String], settings: &Settings) -> Self {
        let shop = Shop::open().await;
        shop.offer("tea", 1_000_000).await;
        let nodes: Vec<Node> = urls.iter().map(|url| Node::start(&shop, url, settings)).collect();
        for node in &nodes {
            eventually(DEADLINE, async || node.carts.status().in_use).await;
        }
        Self { shop, redis, nodes }
    }

    /// Until every node shows him from the cache what is there.
    pub(super) async fn cached(&self, who: &str) -> Shown {
        let mut shown = Vec::new();
        for node in &self.nodes {
            shown = eventually_some(DEADLINE, async || {
                let (shown, layer) = node.shows(who).await;
                (layer == Some(Layer::Primary)).then_some(shown)
            })
            .await;
        }
        shown
    }
}

pub(super) struct Node {
    pub(super) service: OrderService,
    pub(super) carts: Arc<RedisCartCache>,
    keeper: JoinHandle<()>,
}

impl Node {
    pub(super) fn start(shop: &Shop, redis: &str, settings: &Settings) -> Self {
        let carts = Arc::new(RedisCartCache::start(&RedisOptions::new(redis, Vec::new())).unwrap());
        let histories =
            Arc::new(RedisDocumentCache::beside(&carts, Documents::Histories, Duration::from_secs(60)));
        let service = OrderService::start(Parts {
            store: Arc::clone(&shop.store) as Arc<dyn ShopStore>,
            cache: Some(Arc::clone(&carts) as Arc<dyn CartCache>),
            histories: Some(histories as Arc<dyn DocumentCache>),
            events: Arc::clone(&shop.events) as Arc<dyn EventBus>,
            stock: Arc::new(NobodyListens),
            clock: Arc::new(SystemClock),
            settings: settings.clone(),
        });
        let keeper = tokio::spawn(keep(Arc::clone(&shop.store), Arc::clone(&carts)));
        Self { service, carts, keeper }
    }

    pub(super) async fn buy(&self, who: &str) -> Order {
        self.service.buy(owner(who), tea(), None, None).await.unwrap().0
    }

    /// What he is shown, and by which layer of the cache.
    pub(super) async fn shows(&self, who: &str) -> (Shown, Option<Layer>) {
        let history = self.service.history(&owner(who), render).await.unwrap();
        (read(&history.body), history.layer)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

pub(super) fn tea() -> Purchase {
    Purchase::of_lines([(product("tea"), Quantity::new(1).unwrap())]).unwrap()
}

/// An order in a line.
#[expect(clippy::unnecessary_wraps, reason = "what renders may fail")]
pub(super) fn render(listed: &ListedOrders) -> Result<Bytes, OrdersError> {
    let line = |order: &Order| format!("{} {}\n", order.id, order.status);
    Ok(Bytes::from(listed.items.iter().map(line).collect::<String>()))
}

pub(super) fn read(body: &Bytes) -> Shown {
    let status = |name: &str| OrderStatus::ALL.into_iter().find(|status| status.name() == name).unwrap();
    let text = std::str::from_utf8(body).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(id, name)| (OrderId::from_str(id).unwrap(), status(name)))
        .collect()
}

/// As the cart service does, with one server that takes writes.
async fn keep(store: Arc<SqliteStore>, cache: Arc<RedisCartCache>) {
    loop {
        let asked = Instant::now();
        let gate = store.gate().await.unwrap();
        cache.observe(&gate, asked);
        let survey = cache.survey().await;
        match (gate.open(), survey) {
            (None, Survey::Found { primary, replicas })
                if gate.epoch == 0 || cache.closed_wait(&gate).is_some_and(|wait| wait.is_zero()) =>
            {
                let namespace = format!("{}-{:08x}", gate.epoch + 1, rand::random::<u32>());
                let open = OpenGate { namespace, primary, replicas, previous: None };
                store.open_gate(gate.epoch, &open).await.unwrap();
            }
            (Some(open), Survey::Found { primary, .. }) if primary != open.primary => {
                store.close_gate(gate.epoch, Duration::ZERO).await.unwrap();
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
