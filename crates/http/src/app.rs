use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header::HeaderValue,
    web,
};
use bytes::Bytes;
use cartwright_cart::CartService;
use cartwright_catalog::CatalogService;
use cartwright_domain::Currency;
use cartwright_events::EventService;
use cartwright_identity::{people::PeopleService, profiles::ProfileService, sessions::SessionService};
use cartwright_jobs::JobQueue;
use cartwright_orders::OrderService;

use crate::{
    access::{self, Access, Limits, Load},
    catalog::stats,
    openapi::document,
    routes::{self, NotInTheTable},
};

/// How requests are answered.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Bytes in a request body at most; more are answered 413.
    pub body_limit: usize,
    /// How long a body may take to arrive; of an import, the next part of it. Slower ones are answered 408.
    pub body_patience: Duration,
    /// Origins whose browsers may call: `https://shop.example`, or `*` for all. Empty: none but our own.
    pub cors_origins: Vec<String>,
    /// Currency of a price that comes without one.
    pub default_currency: Currency,
    /// What the HTTP cache in front is told of answers that it is told the changes of.
    pub edge: EdgeControl,
    /// Version of the server, shown by the health routes and in the OpenAPI document.
    pub version: &'static str,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            body_limit: 256 * 1024,
            body_patience: Duration::from_secs(10),
            cors_origins: Vec::new(),
            default_currency: Currency::USD,
            edge: EdgeControl::default(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// `Cache-Control` of answers whose changes the edge is told.
#[derive(Debug, Clone)]
pub struct EdgeControl(pub(crate) HeaderValue);

impl EdgeControl {
    /// There is an edge, and it is told: it keeps an answer for so many seconds at most. Browsers are not told, and keep
    /// it for five.
    pub fn keeps(seconds: u32) -> Self {
        let text = format!("public, max-age=5, s-maxage={seconds}, stale-while-revalidate=10");
        Self(HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(FIVE_SECONDS))
    }
}

impl Default for EdgeControl {
    /// There is no edge that is told: whoever keeps an answer on the way does so for five seconds.
    fn default() -> Self {
        Self(FIVE_SECONDS)
    }
}

const FIVE_SECONDS: HeaderValue = HeaderValue::from_static("public, max-age=5");

/// What is kept of people.
#[derive(Debug, Clone)]
pub struct People {
    /// Their sessions.
    pub sessions: SessionService,
    /// Their profiles.
    pub profiles: ProfileService,
    /// All of it, to be erased or handed out.
    pub people: PeopleService,
}

/// What the handlers share. A clone shares everything.
#[derive(Clone)]
pub struct AppState {
    /// The carts.
    pub carts: CartService,
    /// The products.
    pub catalog: CatalogService,
    /// The background jobs.
    pub jobs: JobQueue,
    /// What is bought.
    pub orders: OrderService,
    /// What happened, and who is told.
    pub events: EventService,
    /// What is kept of people.
    pub people: People,
    /// How callers are recognised.
    pub access: Access,
    /// How often they may ask. `None`: as often as they like.
    pub limits: Option<Limits>,
    /// How many requests are under way, and what is refused when they are too many.
    pub load: Load,
    /// How requests are answered.
    pub settings: Arc<HttpSettings>,
    /// Writes the metrics in the Prometheus text format.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Set when the server is about to stop: readiness fails and event streams end.
    pub draining: Arc<AtomicBool>,
}

/// Mounts every route.
pub fn configure(state: AppState) -> impl FnOnce(&mut web::ServiceConfig) + Clone {
    move |config| routes::configure(config, state)
}

/// Mounts what is asked of a process that serves no shoppers, such as a worker: `/livez`, `/readyz`, `/health` and
/// `/metrics`.
pub fn configure_operations(state: AppState) -> impl FnOnce(&mut web::ServiceConfig) + Clone {
    move |config| routes::configure_operations(config, state)
}

/// The whole application: what the server runs and the tests call.
pub fn create_app(
    state: AppState,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().configure(configure(state))
}

/// The OpenAPI 3.1 document, as JSON.
pub fn openapi() -> String {
    // Made from constants of this crate: that it can be written is tested.
    document(env!("CARGO_PKG_VERSION")).unwrap_or_default()
}

/// Every address that is mounted, with its methods as in the header `Allow`.
pub fn addresses() -> Vec<(&'static str, &'static str)> {
    routes::addresses()
}

/// Makes sure that it is written down of every address who may call it: to be asked before anything is served.
///
/// # Errors
/// The first address that is not in the table.
pub fn check_routes() -> Result<(), NotInTheTable> {
    routes::check()
}

/// Describes the metrics of this crate to the installed recorder.
pub fn describe_metrics() {
    metrics::describe_histogram!(
        "cartwright_http_request_seconds",
        metrics::Unit::Seconds,
        "Time from the request's head to the answer's head, by route and method"
    );
    metrics::describe_counter!(
        "cartwright_http_requests_total",
        "Requests answered, by route, method and status"
    );
    stats::describe();
    access::describe();
}
