//! Which address is answered by what.

mod all;
mod hot;

use actix_cors::Cors;
use actix_web::{
    Resource,
    http::header,
    middleware::{Compress, Condition, DefaultHeaders},
    web::{self, Data, ServiceConfig, resource},
};

use crate::{
    AppState,
    access::{Door, Group, Rules, rule},
    observe::{Observe, REQUEST_ID},
    problem::Problem,
};
use all::all;

/// An address and what it answers.
struct Mounted {
    path: &'static str,
    /// Its methods, as in the header `Allow`.
    allow: &'static str,
    /// What `Allow` says, with the methods of whatever else is at this address.
    told: &'static str,
    resource: Resource,
    /// Whether its bodies are large: compressing small ones costs more than it saves.
    compress: bool,
}

fn at(path: &'static str, allow: &'static str, with: impl FnOnce(Resource) -> Resource) -> Mounted {
    Mounted { path, allow, told: allow, resource: with(resource(path)), compress: false }
}

impl Mounted {
    fn compressed(self) -> Self {
        Self { compress: true, ..self }
    }

    fn mount(self, config: &mut ServiceConfig, state: &Data<AppState>) {
        let Self { path, told: allow, resource, compress, .. } = self;
        let resource = resource.default_service(web::to(move || async move {
            Err::<actix_web::HttpResponse, _>(Problem::NoMethod { allow })
        }));
        let resource = resource.wrap(Door(Rules::of(path, state)));
        let origins = &state.settings.cors_origins;
        let observe = Observe::new(path);
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

/// An address that nobody has said who may call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path} is not in the table of who may call what")]
pub struct NotInTheTable {
    /// The address.
    pub path: &'static str,
    /// What is missing.
    pub method: &'static str,
}

/// Whether the table says of every address who may call it.
pub(crate) fn check() -> Result<(), NotInTheTable> {
    for (path, allow) in addresses() {
        if let Some(method) = allow.split(", ").find(|method| rule(method, path).is_none()) {
            return Err(NotInTheTable { path, method });
        }
    }
    Ok(())
}

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    let state = Data::new(state);
    // These know neither of browsers of other origins nor of how often somebody asks.
    let counted = state.limits.as_ref().is_some_and(|limits| limits.count(Group::Reads));
    if state.settings.cors_origins.is_empty() && !counted {
        all::hot(config, &state);
    }
    config.app_data(state.clone());
    for mounted in all() {
        mounted.mount(config, &state);
    }
    mount_nothing(config, &state.settings.cors_origins);
}

/// Of all addresses these.
const OF_WORKERS: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

pub(crate) fn configure_operations(config: &mut ServiceConfig, state: AppState) {
    let state = Data::new(state);
    config.app_data(state.clone());
    for mounted in all().into_iter().filter(|mounted| OF_WORKERS.contains(&mounted.path)) {
        mounted.mount(config, &state);
    }
    mount_nothing(config, &[]);
}

fn mount_nothing(config: &mut ServiceConfig, origins: &[String]) {
    // A resource, not a default service: it is observed like the others.
    let nothing = resource("/{nothing:.*}")
        .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Problem::NoRoute) }));
    config.service(
        nothing.wrap(Condition::new(!origins.is_empty(), cors(origins))).wrap(Observe::new("unmatched")),
    );
}

fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::AUTHORIZATION,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("last-event-id"),
            header::HeaderName::from_static("x-guest-token"),
            header::HeaderName::from_static("x-session-id"),
            header::HeaderName::from_static("x-user-id"),
            REQUEST_ID,
        ])
        .expose_headers([
            header::AGE,
            header::ALLOW,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            header::HeaderName::from_static("idempotent-replayed"),
            header::HeaderName::from_static("ratelimit"),
            header::HeaderName::from_static("ratelimit-policy"),
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
