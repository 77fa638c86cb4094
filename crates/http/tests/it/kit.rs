use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix_web::{
    body::{BoxBody, to_bytes},
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    test,
};
use cartwright_cache::{CartCache, EventBus, EventHub, MemoryCartCache};
use cartwright_cart::{CartService, Settings};
use cartwright_catalog::{CatalogService, CatalogSettings, Parts, Shared};
use cartwright_domain::{
    Clock, Currency, Money, OrderLine, OwnerId, ProductDetails, ProductId, ProductName, Quantity, Stock,
    SystemClock,
};
use cartwright_edge::Purger;
use cartwright_events::EventService;
use cartwright_http::{Access, AppState, HttpSettings, Load, People};
use cartwright_identity::{
    people::{NobodyRestocks, PeopleParts, PeopleService},
    profiles::{ProfileParts, ProfileService},
    sessions::{NobodyListens, SessionParts, SessionService},
};
use cartwright_jobs::JobQueue;
use cartwright_orders::{OrderService, StockListener};
use cartwright_storage::{ImportedProduct, PastOrder, SessionPolicy, SessionStore, ShopStore};
use cartwright_testkit::{TlsFiles, evidence};
use cartwright_webhooks::{Policy, Resolve, Sender};
use serde_json::Value;

use crate::database::Database;

/// A service of its own for each test, gone with it.
pub(crate) struct Shop {
    pub(crate) state: AppState,
    pub(crate) store: Arc<dyn ShopStore>,
    runtime: Option<tokio::runtime::Runtime>,
    _database: Database,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::with_access(Access::TrustedHeader { anonymous_admin: true })
    }

    pub(crate) fn with(settings: HttpSettings) -> Self {
        Self::of(settings, Access::TrustedHeader { anonymous_admin: true })
    }

    pub(crate) fn with_access(access: Access) -> Self {
        Self::of(HttpSettings::default(), access)
    }

    fn of(settings: HttpSettings, access: Access) -> Self {
        evidence::log_here();
        // The service wants a multi-threaded runtime; actix's is not one.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let start = async {
            let (store, database) = crate::database::open().await;
            let (carts, catalog, orders) = start(&store).await;
            let jobs = JobQueue::new(Arc::clone(&store) as _);
            let events = start_events(&store, &jobs);
            let people = start_people(&store);
            (store, database, carts, catalog, orders, jobs, events, people)
        };
        let (store, database, carts, catalog, orders, jobs, events, people) =
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(start)).join().unwrap());
        let state = AppState {
            carts,
            catalog,
            jobs,
            orders,
            events,
            people,
            access,
            limits: None,
            load: Load::default(),
            settings: Arc::new(settings),
            render_metrics: Arc::new(|| String::from("cartwright_up 1\n")),
            draining: Arc::new(AtomicBool::new(false)),
        };
        Self { state, store, runtime: Some(runtime), _database: database }
    }

    /// Sends one request.
    pub(crate) async fn send(&self, request: test::TestRequest) -> Answer {
        let app = test::init_service(cartwright_http::create_app(self.state.clone())).await;
        let request = request.to_request();
        for (name, value) in &request.head().headers {
            evidence::carried(&format!("{name}: {}", value.to_str().unwrap_or_default()));
        }
        Answer::read(test::call_service(&app, request).await).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(request(Method::GET, uri)).await
    }

    pub(crate) async fn json(&self, method: Method, uri: &str, body: &str) -> Answer {
        self.send(with_json(method, uri, body)).await
    }

    pub(crate) async fn delete(&self, uri: &str) -> Answer {
        self.send(request(Method::DELETE, uri)).await
    }

    /// Makes a product, and waits until lists show it.
    pub(crate) async fn make(&self, body: &str) -> Answer {
        let answer = self.json(Method::POST, "/api/v1/products", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.state.catalog.settle().await;
        answer
    }

    /// Writes an order of one of each of these products, and counts it.
    pub(crate) async fn order(&self, id: &str, owner: &str, products: &[&str]) {
        let now = SystemClock.now();
        let line = |product: &&str| OrderLine {
            product_id: ProductId::new(product).unwrap(),
            name: (*product).to_owned(),
            price: Money::from_minor(100, Currency::USD).unwrap(),
            quantity: Quantity::ONE,
        };
        let order = PastOrder {
            id: id.parse().unwrap(),
            owner: OwnerId::new(owner).unwrap(),
            status: "completed".to_owned(),
            currency: Currency::USD,
            lines: products.iter().map(line).collect(),
            created_at: now,
        };
        assert_eq!(self.store.put_orders(&[order]).await.unwrap(), 1);
        self.store.refresh_statistics(now, 100).await.unwrap();
    }

    /// Adds a product that the catalogue knows.
    pub(crate) async fn add(&self, user: &str, product: &str, quantity: u16) -> Answer {
        let body = format!(r#"{{"product_id":"{product}","quantity":{quantity}}}"#);
        let answer = self.json(Method::POST, &format!("/api/v1/carts/{user}/items"), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn start(store: &Arc<dyn ShopStore>) -> (CartService, CatalogService, OrderService) {
    let product = |id: &str, price, active| {
        let details = ProductDetails {
            stock: Stock::new(10_000).unwrap(),
            active,
            ..ProductDetails::new(ProductName::new(&format!("Product {id}")).unwrap(), price)
        };
        ImportedProduct::whole(ProductId::new(id).unwrap(), details)
    };
    let usd = |minor| Money::from_minor(minor, Currency::USD).unwrap();
    let yen = Money::from_minor(500, Currency::JPY).unwrap();
    let products = [
        product("sku-1", usd(1999), true),
        product("sku-2", usd(500), true),
        product("sku-jpy", yen, true),
        product("retired", usd(100), false),
    ];
    store.import_products(&products, SystemClock.now()).await.unwrap();
    let cache: Arc<dyn CartCache> = Arc::new(MemoryCartCache::new(10_000_000, Duration::from_secs(60)));
    let events: Arc<dyn EventBus> = Arc::new(EventHub::new());
    let carts = CartService::builder(Arc::clone(store) as _)
        .cache(Arc::clone(&cache))
        .events(Arc::clone(&events))
        .settings(Settings { allow_unlisted: true, ..Settings::default() })
        .start();
    let catalog = CatalogService::start(Parts {
        store: Arc::clone(store),
        shared: Shared::Alone,
        edge: Purger::nobody(),
        clock: Arc::new(SystemClock),
        // What is loaded ahead would make some answers come from another layer than others.
        settings: CatalogSettings { prefetch_related: false, ..CatalogSettings::default() },
    });
    let orders = OrderService::start(cartwright_orders::Parts {
        store: Arc::clone(store),
        cache: Some(cache),
        histories: None,
        events,
        stock: Arc::new(SoldOut(catalog.clone())),
        clock: Arc::new(SystemClock),
        settings: cartwright_orders::Settings {
            allow_unlisted: true,
            ..cartwright_orders::Settings::default()
        },
    });
    (carts, catalog, orders)
}

fn start_people(store: &Arc<dyn ShopStore>) -> People {
    let sessions = SessionService::start(SessionParts {
        store: Arc::clone(store) as Arc<dyn SessionStore>,
        listener: Arc::new(NobodyListens),
        clock: Arc::new(SystemClock),
        policy: SessionPolicy::default(),
    });
    let profiles = ProfileService::start(ProfileParts {
        store: Arc::clone(store),
        cache: None,
        clock: Arc::new(SystemClock),
        waiting: 1_000,
    });
    let people = PeopleService::start(PeopleParts {
        store: Arc::clone(store),
        carts: None,
        histories: None,
        profiles: None,
        sessions: sessions.clone(),
        events: Arc::new(EventHub::new()),
        stock: Arc::new(NobodyRestocks),
        clock: Arc::new(SystemClock),
    });
    People { sessions, profiles, people }
}

fn start_events(store: &Arc<dyn ShopStore>, jobs: &JobQueue) -> EventService {
    let authority = std::fs::read(TlsFiles::generate(&[]).unwrap().ca).unwrap();
    let sender = Sender::builder(Policy::default()).resolver(Arc::new(Names)).authorities(authority);
    EventService::start(cartwright_events::Parts {
        store: Arc::clone(store),
        jobs: jobs.clone(),
        publisher: None,
        sender: Some(sender.build().unwrap()),
        clock: Arc::new(SystemClock),
        settings: cartwright_events::Settings {
            poll: Duration::from_millis(5),
            targets: 5,
            ..cartwright_events::Settings::default()
        },
    })
}

/// Names below `example.com` are public, one of them leads inside, and others are not known.
#[derive(Debug)]
struct Names;

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        match host {
            "inside.example.com" => Ok(vec!["10.0.0.1".parse().unwrap()]),
            host if host.ends_with("example.com") => Ok(vec!["93.184.215.14".parse().unwrap()]),
            _ => Err(std::io::Error::other("no such name")),
        }
    }
}

/// As the server does it.
struct SoldOut(CatalogService);

#[async_trait::async_trait]
impl StockListener for SoldOut {
    async fn turned(&self, products: Vec<ProductId>) {
        self.0.stock_turned(products).await.unwrap();
    }
}

pub(crate) fn request(method: Method, uri: &str) -> test::TestRequest {
    test::TestRequest::with_uri(uri).method(method)
}

pub(crate) fn with_json(method: Method, uri: &str, body: &str) -> test::TestRequest {
    request(method, uri).insert_header(("content-type", "application/json")).set_payload(body.to_owned())
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn read(response: ServiceResponse<BoxBody>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.unwrap();
        let answer = Self { status, headers, body: String::from_utf8_lossy(&body).into_owned() };
        evidence::carried(&format!("{}\n{}", answer.header("set-cookie"), answer.body));
        answer
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let name: HeaderName = name.parse().unwrap();
        self.headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem, whole and with the code; gives its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:cartwright:problem:{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(!body["title"].as_str().unwrap().is_empty());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        body
    }

    /// Checks that this refuses the request because of one place.
    #[track_caller]
    pub(crate) fn points_to(&self, pointer: &str, code: &str) {
        self.points_to_in(pointer, code, "invalid_request");
    }

    /// The same of another problem.
    #[track_caller]
    pub(crate) fn points_to_in(&self, pointer: &str, code: &str, problem: &str) {
        let body = self.problem(422, problem);
        assert_eq!(body["errors"][0]["pointer"], pointer, "{self:?}");
        assert_eq!(body["errors"][0]["code"], code, "{self:?}");
    }
}
