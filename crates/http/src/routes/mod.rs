//! Which address is answered by what.

mod all;
mod hot;
mod operators;

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::{
    Resource,
    http::header,
    middleware::{Compress, Condition, DefaultHeaders, from_fn},
    web::{self, ServiceConfig, resource},
};

use crate::{
    AppState,
    observe::{Observe, REQUEST_ID},
    problem::Problem,
};
use all::all;
use operators::operators_only;

/// An address and what it answers.
struct Mounted {
    path: &'static str,
    /// Its methods, as in the header `Allow`.
    allow: &'static str,
    resource: Resource,
    /// Whether its bodies are large: compressing small ones costs more than it saves.
    compress: bool,
    /// Whether only operators are answered.
    operators: bool,
}

fn at(path: &'static str, allow: &'static str, with: impl FnOnce(Resource) -> Resource) -> Mounted {
    Mounted { path, allow, resource: with(resource(path)), compress: false, operators: false }
}

impl Mounted {
    fn compressed(self) -> Self {
        Self { compress: true, ..self }
    }

    fn for_operators(self) -> Self {
        Self { operators: true, ..self }
    }

    fn mount(self, config: &mut ServiceConfig, origins: &Arc<[String]>) {
        let Self { path, allow, resource, compress, operators } = self;
        let resource = resource.default_service(web::to(move || async move {
            Err::<actix_web::HttpResponse, _>(Problem::NoMethod { allow })
        }));
        let observe = Observe::new(path);
        if operators {
            let vary = DefaultHeaders::new().add((header::VARY, "Accept-Encoding"));
            let cors = Condition::new(!origins.is_empty(), cors(origins));
            let resource = resource.wrap(from_fn(operators_only)).wrap(Compress::default()).wrap(vary);
            config.service(resource.wrap(cors).wrap(observe));
            return;
        }
        match (compress, origins.is_empty()) {
            // What is not needed costs nothing per request.
            (false, true) => config.service(resource.wrap(observe)),
            (false, false) => config.service(resource.wrap(cors(origins)).wrap(observe)),
            (true, no_cors) => {
                let cors = Condition::new(!no_cors, cors(origins));
                // What is sent as it is depends on what the client takes, too; `Compress` says it only where it compresses.
                let vary = DefaultHeaders::new().add((header::VARY, "Accept-Encoding"));
                config.service(resource.wrap(Compress::default()).wrap(vary).wrap(cors).wrap(observe))
            }
        };
    }
}

/// Every address, with its methods.
pub(crate) fn addresses() -> Vec<(&'static str, &'static str)> {
    all().into_iter().map(|mounted| (mounted.path, mounted.allow)).collect()
}

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    let origins: Arc<[String]> = state.settings.cors_origins.clone().into();
    let state = web::Data::new(state);
    if origins.is_empty() {
        all::hot(config, &state);
    }
    config.app_data(state);
    for mounted in all() {
        mounted.mount(config, &origins);
    }
    mount_nothing(config, &origins);
}

/// Of all addresses these.
const OF_WORKERS: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

pub(crate) fn configure_operations(config: &mut ServiceConfig, state: AppState) {
    let origins: Arc<[String]> = Arc::default();
    config.app_data(web::Data::new(state));
    for mounted in all().into_iter().filter(|mounted| OF_WORKERS.contains(&mounted.path)) {
        mounted.mount(config, &origins);
    }
    mount_nothing(config, &origins);
}

fn mount_nothing(config: &mut ServiceConfig, origins: &Arc<[String]>) {
    // A resource, not a default service: it is observed like the others.
    let nothing = resource("/{nothing:.*}")
        .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Problem::NoRoute) }));
    config.service(
        nothing.wrap(Condition::new(!origins.is_empty(), cors(origins))).wrap(Observe::new("unmatched")),
    );
}

fn cors(origins: &Arc<[String]>) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
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
            header::AGE,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::HeaderName::from_static("idempotent-replayed"),
            header::HeaderName::from_static("x-cache"),
            header::HeaderName::from_static("x-cache-status"),
            REQUEST_ID,
        ])
        .max_age(3600);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
