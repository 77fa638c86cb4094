//! Which address is answered by what.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::{
    Resource,
    http::header,
    middleware::{Compress, Condition},
    web::{self, ServiceConfig, delete, get, head, post, put, resource},
};

use crate::{
    AppState, carts, docs, events, health,
    observe::{Observe, REQUEST_ID},
    problem::Problem,
};

/// An address and what it answers.
struct Mounted {
    path: &'static str,
    /// Its methods, as in the header `Allow`.
    allow: &'static str,
    resource: Resource,
    /// Whether its bodies are large: compressing small ones costs more than it saves.
    compress: bool,
}

fn at(path: &'static str, allow: &'static str, with: impl FnOnce(Resource) -> Resource) -> Mounted {
    Mounted { path, allow, resource: with(resource(path)), compress: false }
}

impl Mounted {
    fn compressed(self) -> Self {
        Self { compress: true, ..self }
    }

    fn mount(self, config: &mut ServiceConfig, origins: &Arc<[String]>) {
        let Self { path, allow, resource, compress } = self;
        let resource = resource.default_service(web::to(move || async move {
            Err::<actix_web::HttpResponse, _>(Problem::NoMethod { allow })
        }));
        let cors = Condition::new(!origins.is_empty(), cors(origins));
        if compress {
            config.service(resource.wrap(Compress::default()).wrap(cors).wrap(Observe::new(path)));
        } else {
            config.service(resource.wrap(cors).wrap(Observe::new(path)));
        }
    }
}

const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const PUT: &str = "PUT";
const DELETE: &str = "DELETE";

macro_rules! read {
    ($handler:path) => {
        |resource| resource.route(get().to($handler)).route(head().to($handler))
    };
}

/// All addresses. The router tries them in this order: the hottest first, and names before parameters.
fn all() -> Vec<Mounted> {
    vec![
        at("/api/v1/carts/{user_id}", "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(carts::get_cart))
                .route(delete().to(carts::clear))
                .route(head().to(carts::get_cart))
        }),
        at("/api/v1/carts/{user_id}/items", POST, |resource| resource.route(post().to(carts::add))),
        at("/api/v1/carts/{user_id}/items/{product_id}", "PUT, DELETE", |resource| {
            resource.route(put().to(carts::set_quantity)).route(delete().to(carts::remove))
        }),
        at("/cart/count", GET, read!(carts::count)),
        at("/cart/add", POST, |resource| resource.route(post().to(carts::add))),
        at("/cart/clear", DELETE, |resource| resource.route(delete().to(carts::clear))),
        at("/cart", GET, read!(carts::get_cart)),
        at("/cart/{user_id}", GET, read!(carts::get_cart)),
        at("/cart/remove/{product_id}", DELETE, |resource| resource.route(delete().to(carts::remove))),
        at("/cart/update/{product_id}", PUT, |resource| resource.route(put().to(carts::set_quantity))),
        at("/cart/{user_id}/add", POST, |resource| resource.route(post().to(carts::add))),
        at("/cart/{user_id}/clear", POST, |resource| resource.route(post().to(carts::clear))),
        at("/cart/{user_id}/remove/{product_id}", POST, |resource| resource.route(post().to(carts::remove))),
        at("/cart/{user_id}/update/{product_id}", PUT, |resource| {
            resource.route(put().to(carts::set_quantity))
        }),
        at("/api/v1/carts/{user_id}/count", GET, read!(carts::count)),
        at("/api/v1/carts/{user_id}/merge", POST, |resource| resource.route(post().to(carts::merge))),
        at("/api/v1/carts/{user_id}/events", "GET", |resource| resource.route(get().to(events::events))),
        at("/livez", GET, read!(health::livez)),
        at("/readyz", GET, read!(health::readyz)),
        at("/health", GET, read!(health::health)),
        at("/api/v1/health", GET, read!(health::health)),
        at("/api/v1/health/ready", GET, read!(health::readyz)),
        at("/redis/info", GET, read!(health::redis_info)),
        at("/api/v1/redis/info", GET, read!(health::redis_info)),
        at("/metrics", GET, read!(health::metrics)).compressed(),
        at("/openapi.json", GET, read!(docs::document)).compressed(),
        at("/redoc", GET, read!(docs::redoc)),
        at("/redoc/redoc.standalone.js", GET, read!(docs::redoc_script)).compressed(),
        at("/docs", GET, read!(docs::swagger_redirect)),
        at("/docs/{file:.*}", GET, read!(docs::swagger)).compressed(),
    ]
}

/// Every address, with its methods.
pub(crate) fn addresses() -> Vec<(&'static str, &'static str)> {
    all().into_iter().map(|mounted| (mounted.path, mounted.allow)).collect()
}

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    let origins: Arc<[String]> = state.settings.cors_origins.clone().into();
    config.app_data(web::Data::new(state));
    for mounted in all() {
        mounted.mount(config, &origins);
    }
    // A resource, not a default service: it is observed like the others.
    let nothing = resource("/{nothing:.*}")
        .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Problem::NoRoute) }));
    config.service(
        nothing.wrap(Condition::new(!origins.is_empty(), cors(&origins))).wrap(Observe::new("unmatched")),
    );
}

fn cors(origins: &Arc<[String]>) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "DELETE"])
        .allowed_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::AUTHORIZATION,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("x-user-id"),
            REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::RETRY_AFTER,
            header::HeaderName::from_static("idempotent-replayed"),
            header::HeaderName::from_static("x-cache"),
            REQUEST_ID,
        ])
        .max_age(3600);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
