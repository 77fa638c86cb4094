//! Whether this node works, and what it sees of its cache.

use std::{sync::atomic::Ordering, time::Duration};

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use cartwright_cache::{CacheStatus, NodeStatus, Role};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AppState, catalog::stats};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// How this node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, `degraded` (no cache: the database answers), `draining` (about to stop) or `down` (no database).
    #[schema(example = "ok")]
    status: &'static str,
    /// Version of the server.
    #[schema(example = "0.1.0")]
    version: &'static str,
    dependencies: Dependencies,
}

/// What this node depends on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dependencies {
    /// `ok` or `down`. Required.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok`, `bypassed` (reachable, but not to be used at this moment), `down` or `none`. Not required.
    #[schema(example = "ok")]
    cache: &'static str,
}

async fn look(state: &AppState) -> Health {
    let database = match tokio::time::timeout(PATIENCE, state.carts.ping()).await {
        Ok(Ok(())) => "ok",
        Ok(Err(_)) | Err(_) => "down",
    };
    let cache = match state.carts.cache_status() {
        None => "none",
        Some(cache) if !cache.reachable => "down",
        Some(cache) if !cache.in_use => "bypassed",
        Some(_) => "ok",
    };
    let status = match (database, cache) {
        ("down", _) => "down",
        _ if state.draining.load(Ordering::Relaxed) => "draining",
        (_, "down" | "bypassed") => "degraded",
        _ => "ok",
    };
    Health { status, version: state.settings.version, dependencies: Dependencies { database, cache } }
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header(("cache-control", "no-store")).json(body)
}

/// Version and dependencies at a glance
#[utoipa::path(get, path = "/health", tag = "operations", operation_id = "health",
    responses((status = 200, description = "The node answers", body = Health),
        (status = 503, description = "The database does not answer", body = Health)))]
pub(crate) async fn health(state: Data<AppState>) -> HttpResponse {
    let health = look(&state).await;
    let up = health.status != "down";
    answer(if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
}

/// Whether the process answers
///
/// Touches no dependency: for whoever restarts processes.
#[utoipa::path(get, path = "/livez", tag = "operations", operation_id = "livez",
    responses((status = 200, description = "It does", content_type = "text/plain", body = String)))]
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether requests should be sent here
///
/// Not without the database, and not when the node is about to stop. Without its cache it is `degraded`, but ready.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses((status = 200, description = "They should", body = Health),
        (status = 503, description = "They should not", body = Health)))]
pub(crate) async fn readyz(state: Data<AppState>) -> HttpResponse {
    let health = look(&state).await;
    let ready = !matches!(health.status, "down" | "draining");
    answer(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
}

/// The cache as this node sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CacheInfo {
    /// `redis`, `memory` or `none`.
    #[schema(example = "redis")]
    kind: &'static str,
    /// Whether it can be reached.
    reachable: bool,
    /// Whether carts are served from it at this moment.
    in_use: bool,
    /// Its servers.
    nodes: Vec<Node>,
}

/// One server of the cache.
#[derive(Serialize, ToSchema)]
pub(crate) struct Node {
    /// As configured, without credentials.
    #[schema(example = "127.0.0.1:6379")]
    endpoint: String,
    /// `primary`, `replica` or `unknown`.
    #[schema(example = "replica")]
    role: &'static str,
    reachable: bool,
    #[schema(example = "7.0.15")]
    version: Option<String>,
    /// Identity of its process.
    run_id: Option<String>,
    /// Position in the replication stream, in bytes.
    offset: Option<u64>,
    /// Bytes behind the primary.
    lag_bytes: Option<u64>,
    /// How old its contents may be at most, in milliseconds. `null`: no heartbeat was seen on it.
    freshness_ms: Option<u64>,
    /// Whether carts are read from it at this moment.
    serves_reads: bool,
}

impl From<NodeStatus> for Node {
    fn from(node: NodeStatus) -> Self {
        let role = match node.role {
            Role::Primary => "primary",
            Role::Replica => "replica",
            Role::Unknown => "unknown",
        };
        let freshness_ms = node.freshness.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let NodeStatus { endpoint, reachable, version, run_id, offset, lag_bytes, serves_reads, .. } = node;
        Self { endpoint, role, reachable, version, run_id, offset, lag_bytes, freshness_ms, serves_reads }
    }
}

/// The servers of the cache
///
/// Role, lag and freshness of each, as this node knows them, without asking anyone.
#[utoipa::path(get, path = "/redis/info", tag = "operations", operation_id = "redis_info",
    responses((status = 200, description = "What this node knows", body = CacheInfo)))]
pub(crate) async fn redis_info(state: Data<AppState>) -> HttpResponse {
    let info = match state.carts.cache_status() {
        None => CacheInfo { kind: "none", reachable: false, in_use: false, nodes: Vec::new() },
        Some(CacheStatus { kind, reachable, in_use, nodes }) => {
            CacheInfo { kind, reachable, in_use, nodes: nodes.into_iter().map(Node::from).collect() }
        }
    };
    answer(StatusCode::OK, &info)
}

/// Metrics, in the Prometheus text format
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "All of them", content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(state: Data<AppState>) -> HttpResponse {
    stats::record(&state.catalog);
    state.load.record();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body((state.render_metrics)())
}
