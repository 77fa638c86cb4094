//! The HTTP adapter: actix-web routes over a [`CartService`](cartwright_cart::CartService)
//! a [`CatalogService`](cartwright_catalog::CatalogService) an
//! [`OrderService`](cartwright_orders::OrderService), an
//! [`EventService`](cartwright_events::EventService) and the queue of background jobs.
//!
//! Every handler does three things: extract, one call of the service, map. What is not an answer is a `Problem`
//! (RFC 9457), and one table in `problem` says which status and code each has.

mod access;
mod answer;
mod app;
mod body;
mod carts;
mod catalog;
mod current;
mod docs;
mod events;
mod feed;
mod guests;
mod headers;
mod health;
mod holds;
mod jobs;
mod observe;
mod openapi;
mod orders;
mod people;
mod problem;
mod query;
mod render;
mod routes;
mod sse;
mod unread;
mod webhooks;
mod wire;

pub use access::{Access, Limits, Load, MostUnderWay, Quotas};
pub use app::{
    AppState, EdgeControl, HttpSettings, People, addresses, check_routes, configure, configure_operations,
    create_app, describe_metrics, openapi,
};
pub use routes::NotInTheTable;
