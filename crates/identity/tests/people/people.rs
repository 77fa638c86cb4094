//! Somebody is forgotten on nodes that share a database and a Redis.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_cache::{CartCache, DocumentCache, EventHub, Update};
use cartwright_cache_redis::{Documents, RedisDocumentCache, RedisOptions, RedisSessionStore};
use cartwright_cart::CartService;
use cartwright_domain::{
    Clock, Command, Currency, Money, ProductData, ProductId, Purchase, Quantity, SessionId, Stock,
    SystemClock,
};
use cartwright_identity::{
    people::{PeopleError, PeopleParts, PeopleService, RestockListener},
    profiles::{ProfileError, ProfileParts, ProfileService},
    sessions::{self, SessionError, SessionParts, SessionService},
};
use cartwright_orders::{NobodyListens, OrderService, OrdersError, Parts, Settings};
use cartwright_storage::{CartRequest, Erased, SessionPolicy, ShopStore};
use cartwright_storage_tests::{details, imported, owner, product};
use cartwright_testkit::{RedisServer, eventually};

use crate::kit::{Caches, DEADLINE, postgres, redis, sqlite};

/// Notes what is back.
#[derive(Default)]
struct Back(Mutex<Vec<ProductId>>);

#[async_trait]
impl RestockListener for Back {
    async fn restocked(&self, products: Vec<ProductId>) {
        self.0.lock().unwrap().extend(products);
    }
}

struct Node {
    carts: CartService,
    orders: OrderService,
    profiles: ProfileService,
    sessions: SessionService,
    people: PeopleService,
    events: Arc<EventHub>,
    back: Arc<Back>,
    caches: Caches,
}

impl Node {
    async fn start(store: &Arc<dyn ShopStore>, url: &str) -> Self {
        let caches = Caches::start(store, url);
        let cached = |documents| {
            let cache = RedisDocumentCache::beside(&caches.carts, documents, Duration::from_secs(60));
            Some(Arc::new(cache) as Arc<dyn DocumentCache>)
        };
        let carts = Arc::clone(&caches.carts) as Arc<dyn CartCache>;
        let (events, back) = (Arc::new(EventHub::new()), Arc::new(Back::default()));
        let clock = || Arc::new(SystemClock) as Arc<dyn Clock>;
        let sessions = SessionService::start(SessionParts {
            store: Arc::new(RedisSessionStore::start(&RedisOptions::new(url, Vec::new())).unwrap()),
            listener: Arc::new(sessions::NobodyListens),
            clock: clock(),
            policy: SessionPolicy::default(),
        });
        let profiles = ProfileService::start(ProfileParts {
            store: Arc::clone(store),
            cache: cached(Documents::Profiles),
            clock: clock(),
            waiting: 1000,
        });
        let orders = OrderService::start(Parts {
            store: Arc::clone(store),
            cache: Some(Arc::clone(&carts)),
            histories: cached(Documents::Histories),
            events: Arc::clone(&events) as _,
            stock: Arc::new(NobodyListens),
            clock: clock(),
            settings: Settings::default(),
        });
        let people = PeopleService::start(PeopleParts {
            store: Arc::clone(store),
            carts: Some(Arc::clone(&carts)),
            histories: cached(Documents::Histories),
            profiles: cached(Documents::Profiles),
            sessions: sessions.clone(),
            events: Arc::clone(&events) as _,
            stock: Arc::clone(&back) as _,
            clock: clock(),
        });
        let settings =
            cartwright_cart::Settings { allow_unlisted: true, ..cartwright_cart::Settings::default() };
        let carts = CartService::builder(Arc::clone(store) as _).cache(carts).settings(settings).start();
        let node = Self { carts, orders, profiles, sessions, people, events, back, caches };
        node.caches.in_use().await;
        node
    }

    async fn add(&self, who: &str, what: &str) {
        let price = Money::from_minor(100, Currency::EUR).unwrap();
        let command = Command::Add {
            product_id: product(what),
            quantity: Quantity::new(1).unwrap(),
            product_data: Some(ProductData { name: what.to_owned(), price }),
        };
        self.carts.execute(CartRequest::new(owner(who), command)).await.unwrap();
    }

    /// The version of the cart, how many orders, and the version of the profile.
    async fn sees(&self, who: &str) -> (u64, usize, u64) {
        let cart = self.carts.cart(&owner(who)).await.unwrap();
        let count = |listed: &cartwright_storage::ListedOrders| {
            Ok::<_, OrdersError>(Bytes::from(listed.items.len().to_string()))
        };
        let orders = self.orders.history(&owner(who), count).await.unwrap().body;
        let render = |_: &_| Ok::<_, ProfileError>(Bytes::from_static(b"{}"));
        let profile = self.profiles.profile(&owner(who), render).await.unwrap();
        (cart.version(), std::str::from_utf8(&orders).unwrap().parse().unwrap(), profile.version)
    }

    /// Puts something everywhere; returns the id of a session.
    async fn live(&self, who: &str) -> SessionId {
        self.add(who, "mug").await;
        let tea = Purchase::of_lines([(product("tea"), Quantity::new(2).unwrap())]).unwrap();
        self.orders.buy(owner(who), tea, None, None).await.unwrap();
        let held = vec![(product("tea"), Quantity::new(3).unwrap())];
        self.orders.reserve(owner(who), held, None, None).await.unwrap();
        self.profiles.put(owner(who), r#"{"a":1}"#.parse().unwrap(), Vec::new()).await.unwrap();
        self.sessions.create(Some(owner(who)), "{}".parse().unwrap()).await.unwrap().0
    }
}

async fn offer(store: &Arc<dyn ShopStore>) {
    let mut tea = details("Tea", 250);
    tea.stock = Stock::new(5).unwrap();
    store.import_products(&[imported("tea", tea)], SystemClock.now()).await.unwrap();
}

/// Keys in Redis that name somebody.
async fn named(redis: &RedisServer, who: &str) -> Vec<String> {
    redis.query(&["KEYS", &format!("*{who}*")]).await
}

async fn somebody_is_forgotten_everywhere(store: Arc<dyn ShopStore>) {
    let redis = redis().await;
    offer(&store).await;
    let (here, there) = (Node::start(&store, &redis.url()).await, Node::start(&store, &redis.url()).await);
    let id = here.live("ana").await;
    for node in [&here, &there] {
        eventually(DEADLINE, async || node.sees("ana").await == (1, 1, 1)).await;
    }
    eventually(DEADLINE, async || named(&redis, "ana").await.len() == 4).await;
    let kept = there.people.kept(&owner("ana")).await.unwrap();
    assert_eq!((kept.cart.version(), kept.orders.len(), kept.holds.len(), kept.sessions.len()), (1, 1, 1, 1));
    let mut device = here.events.listen(&owner("ana")).0;
    let erased = here.people.erase(owner("ana")).await.unwrap();
    let all = Erased { cart: true, profile: true, sessions: 1, holds: 1, orders: 1, answers: 0 };
    assert_eq!(erased, all);
    assert_eq!(named(&redis, "ana").await, [""; 0], "nor does Redis know him");
    for node in [&there, &here] {
        assert_eq!(node.sees("ana").await, (0, 0, 0));
        assert!(matches!(node.sessions.read(&id).await, Err(SessionError::Gone)));
    }
    assert_eq!(there.people.erase(owner("ana")).await.unwrap(), Erased::default());
    let told = tokio::time::timeout(DEADLINE, device.next()).await.unwrap();
    assert_eq!(told, Update::Version(u64::MAX), "other devices look at the cart");
    here.people.shutdown().await;
    assert_eq!(*here.back.0.lock().unwrap(), [product("tea")], "there was none of it");
    assert!(matches!(here.people.erase(owner("ana")).await, Err(PeopleError::ShuttingDown)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_forgotten_everywhere_on_sqlite() {
    let (store, _folder) = sqlite().await;
    somebody_is_forgotten_everywhere(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_forgotten_everywhere_on_postgres() {
    somebody_is_forgotten_everywhere(postgres().await).await;
}

/// However eagerly others read, and fill the caches, what was there before is not shown after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_forgotten_is_not_shown_again() {
    let (redis, store) = (redis().await, postgres().await as Arc<dyn ShopStore>);
    let nodes = [Node::start(&store, &redis.url()).await, Node::start(&store, &redis.url()).await];
    let (nodes, done) = (Arc::new(nodes), Arc::new(AtomicBool::new(false)));
    let mut readers = tokio::task::JoinSet::new();
    for at in [0, 1] {
        let (nodes, done) = (Arc::clone(&nodes), Arc::clone(&done));
        readers.spawn(async move {
            while !done.load(SeqCst) {
                nodes[at].sees("ana").await;
            }
        });
    }
    for round in 0..40 {
        let (one, other) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        for n in 0..3 {
            one.add("ana", &format!("p{round}-{n}")).await;
        }
        one.profiles.put(owner("ana"), r#"{"a":1}"#.parse().unwrap(), Vec::new()).await.unwrap();
        assert_eq!(other.sees("ana").await, (3, 0, 1));
        assert!(other.people.erase(owner("ana")).await.unwrap().cart);
        assert_eq!(one.sees("ana").await, (0, 0, 0));
        assert_eq!(other.sees("ana").await, (0, 0, 0));
        // A cart of the same version is another one.
        one.add("ana", &format!("again-{round}")).await;
        let cart = other.carts.cart(&owner("ana")).await.unwrap();
        let products: Vec<&str> = cart.lines().iter().map(|line| line.product_id.as_str()).collect();
        assert_eq!((cart.version(), products), (1, vec![&*format!("again-{round}")]));
        one.people.erase(owner("ana")).await.unwrap();
    }
    done.store(true, SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
}

/// Nobody is told that it is done who asks while Redis is dead and sessions are there; when it is back, he is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_again_is_forgotten_at_last() {
    let (redis, (store, _folder)) = (redis().await, sqlite().await);
    let store: Arc<dyn ShopStore> = store;
    offer(&store).await;
    let node = Node::start(&store, &redis.url()).await;
    node.live("ana").await;
    redis.kill();
    let refused = node.people.erase(owner("ana")).await;
    assert!(matches!(refused, Err(PeopleError::Sessions(_))), "{refused:?}");
    redis.restart();
    eventually(DEADLINE, async || node.people.erase(owner("ana")).await.is_ok()).await;
    assert_eq!(node.sees("ana").await, (0, 0, 0));
}

/// Where sessions are in the database, it needs no Redis: the caches are closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_cache_keeps_nobody_from_being_forgotten() {
    let (redis, (store, _folder)) = (redis().await, sqlite().await);
    let sqlite = store;
    let store: Arc<dyn ShopStore> = Arc::clone(&sqlite) as _;
    offer(&store).await;
    let node = Node::start(&store, &redis.url()).await;
    node.live("ana").await;
    let sessions = SessionService::start(SessionParts {
        store: sqlite,
        listener: Arc::new(sessions::NobodyListens),
        clock: Arc::new(SystemClock),
        policy: SessionPolicy::default(),
    });
    sessions.create(Some(owner("ana")), "{}".parse().unwrap()).await.unwrap();
    let cached = |documents| {
        let cache = RedisDocumentCache::beside(&node.caches.carts, documents, Duration::from_secs(60));
        Some(Arc::new(cache) as Arc<dyn DocumentCache>)
    };
    let people = PeopleService::start(PeopleParts {
        store: Arc::clone(&store),
        carts: Some(Arc::clone(&node.caches.carts) as _),
        histories: cached(Documents::Histories),
        profiles: cached(Documents::Profiles),
        sessions,
        events: Arc::clone(&node.events) as _,
        stock: Arc::clone(&node.back) as _,
        clock: Arc::new(SystemClock),
    });
    eventually(DEADLINE, async || node.sees("ana").await == (1, 1, 1)).await;
    redis.kill();
    let erased = people.erase(owner("ana")).await.unwrap();
    assert_eq!((erased.cart, erased.profile, erased.sessions, erased.orders), (true, true, 1, 1));
    assert_eq!(node.sees("ana").await, (0, 0, 0));
    redis.restart();
    node.caches.in_use().await;
    assert_eq!(node.sees("ana").await, (0, 0, 0));
}
