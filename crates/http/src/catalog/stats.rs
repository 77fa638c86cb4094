//! What happens in the caches of the catalogue.

use std::collections::BTreeMap;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::CACHE_CONTROL},
    web::Data,
};
use cartwright_catalog::CatalogService;
use cartwright_domain::ProductId;
use cartwright_layered::Figures;
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;

/// What happened in the caches of this node since it was started.
#[derive(Serialize, ToSchema)]
pub(crate) struct CacheStats {
    /// Whether it hears what other nodes change. While it does not, it keeps nothing for longer than a tenth of a second.
    #[schema(example = true)]
    hears: bool,
    /// How long an invalidation takes from one node to another. `null`: there is no other, or it is not known yet.
    #[schema(example = 0.4)]
    invalidation_lag_ms: Option<f64>,
    /// The products that are asked for most at present.
    #[schema(example = json!(["1", "7"]))]
    hot_products: Vec<String>,
    /// By kind of data.
    kinds: BTreeMap<&'static str, KindStats>,
    /// The HTTP caches in front that are told of changes.
    edges: Vec<EdgeStats>,
}

/// What became of the changes that an HTTP cache in front was to be told of.
#[derive(Serialize, ToSchema)]
pub(crate) struct EdgeStats {
    /// Its address or id.
    #[schema(example = "http://varnish-1:6081")]
    edge: String,
    /// Whether it did what it was told last.
    #[schema(example = true)]
    answers: bool,
    /// Keys that it has dropped answers of.
    #[schema(example = 240)]
    purged: u64,
    /// Times that it was not told: it is tried again.
    #[schema(example = 0)]
    failed: u64,
    /// Keys that wait.
    #[schema(example = 0)]
    pending: usize,
    /// For how long the oldest of them has been waiting: so old its answers may be.
    #[schema(example = 0.0)]
    lag_ms: f64,
}

impl From<cartwright_edge::Figures> for EdgeStats {
    fn from(figures: cartwright_edge::Figures) -> Self {
        let cartwright_edge::Figures { edge, purged, failed, pending, lag, answers, .. } = figures;
        Self { edge, answers, purged, failed, pending, lag_ms: lag.as_secs_f64() * 1000.0 }
    }
}

/// What happened in the cache of one kind of data.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindStats {
    /// How often something was asked for.
    #[schema(example = 1000)]
    requests: u64,
    /// How often it was in a cache, or came with somebody else's load.
    #[schema(example = 990)]
    hits: u64,
    /// How often it was not.
    #[schema(example = 10)]
    misses: u64,
    /// The share of hits. `null`: nobody asked.
    #[schema(example = 0.99)]
    hit_ratio: Option<f64>,
    /// All counters, layer by layer: `l1` is the memory of this process, `l2` what nodes share, `l3` kept results.
    #[schema(value_type = BTreeMap<String, u64>,
        example = json!({"l1_hits": 900, "l2_hits": 80, "l3_hits": 0, "loads": 10, "coalesced": 10}))]
    #[serde(flatten)]
    figures: Figures,
}

impl From<Figures> for KindStats {
    fn from(figures: Figures) -> Self {
        let (requests, misses) = (figures.requests(), figures.loads);
        let hits = requests.saturating_sub(misses);
        Self { requests, hits, misses, hit_ratio: figures.hit_ratio(), figures }
    }
}

/// Hits and misses of the caches
///
/// Of the catalogue, kind by kind and layer by layer, on this node.
#[utoipa::path(get, path = "/api/v1/health/cache/stats", tag = "operations", operation_id = "cache_stats",
    responses((status = 200, description = "Since the start", body = CacheStats)))]
pub(crate) async fn cache_stats(state: Data<AppState>) -> HttpResponse {
    let (catalog, node) = (&state.catalog, state.catalog.node());
    let stats = CacheStats {
        hears: node.hears(),
        invalidation_lag_ms: node.invalidation_lag().map(|lag| lag.as_secs_f64() * 1000.0),
        hot_products: catalog.hot_products().iter().map(ProductId::to_string).collect(),
        kinds: catalog.figures().into_iter().map(|(kind, figures)| (kind, figures.into())).collect(),
        edges: catalog.edge().figures().into_iter().map(EdgeStats::from).collect(),
    };
    HttpResponse::build(StatusCode::OK).insert_header((CACHE_CONTROL, "no-store")).json(stats)
}

const ANSWERS: &str = "cartwright_cache_answers_total";
const EVENTS: &str = "cartwright_cache_events_total";
const LAG: &str = "cartwright_cache_invalidation_lag_seconds";
const HEARS: &str = "cartwright_cache_hears";
const PURGED: &str = "cartwright_edge_purged_total";
const NOT_TOLD: &str = "cartwright_edge_failures_total";
const PENDING: &str = "cartwright_edge_pending";
const EDGE_LAG: &str = "cartwright_edge_lag_seconds";

pub(crate) fn describe() {
    metrics::describe_counter!(ANSWERS, "Answers of the catalogue's caches, by kind of data and layer");
    metrics::describe_counter!(EVENTS, "What else happened in the catalogue's caches, by kind of data");
    metrics::describe_gauge!(LAG, metrics::Unit::Seconds, "Time of an invalidation from node to node");
    metrics::describe_gauge!(HEARS, "1 while this node hears what other nodes change");
    metrics::describe_counter!(PURGED, "Keys that an HTTP cache in front has dropped answers of");
    metrics::describe_counter!(NOT_TOLD, "Times that an HTTP cache in front was not told: tried again");
    metrics::describe_gauge!(PENDING, "Keys that wait until an HTTP cache in front is told");
    metrics::describe_gauge!(
        EDGE_LAG,
        metrics::Unit::Seconds,
        "For how long the oldest of them has been waiting"
    );
}

/// Hands the figures to the recorder: the caches count by themselves.
pub(crate) fn record(catalog: &CatalogService) {
    for (kind, figures) in catalog.figures() {
        for (name, count) in figures.each() {
            match layer(name) {
                Some(layer) => {
                    metrics::counter!(ANSWERS, "kind" => kind, "layer" => layer).absolute(count);
                }
                None => metrics::counter!(EVENTS, "kind" => kind, "event" => name).absolute(count),
            }
        }
    }
    let node = catalog.node();
    metrics::gauge!(HEARS).set(f64::from(u8::from(node.hears())));
    if let Some(lag) = node.invalidation_lag() {
        metrics::gauge!(LAG).set(lag);
    }
    for figures in catalog.edge().figures() {
        let edge = figures.edge;
        metrics::counter!(PURGED, "edge" => edge.clone()).absolute(figures.purged);
        metrics::counter!(NOT_TOLD, "edge" => edge.clone()).absolute(figures.failed);
        metrics::gauge!(PENDING, "edge" => edge.clone()).set(figures.pending as f64);
        metrics::gauge!(EDGE_LAG, "edge" => edge).set(figures.lag);
    }
}

/// The layer whose answers a figure counts.
fn layer(figure: &str) -> Option<&'static str> {
    match figure {
        "l1_hits" => Some("l1"),
        "l2_hits" => Some("l2"),
        "l3_hits" => Some("l3"),
        "loads" => Some("miss"),
        "coalesced" => Some("coalesced"),
        _ => None,
    }
}
