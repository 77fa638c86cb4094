//! The same rules of the routes over PostgreSQL: all that ask the store.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod database;

#[path = "../it/catalog_caches.rs"]
mod catalog_caches;
#[path = "../it/catalog_classic.rs"]
mod catalog_classic;
#[path = "../it/catalog_import.rs"]
mod catalog_import;
#[path = "../it/catalog_inputs.rs"]
mod catalog_inputs;
#[path = "../it/catalog_lists.rs"]
mod catalog_lists;
#[path = "../it/catalog_products.rs"]
mod catalog_products;
#[path = "../it/catalog_search.rs"]
mod catalog_search;
#[path = "../it/classic.rs"]
mod classic;
#[path = "../it/conventions.rs"]
mod conventions;
#[path = "../it/current.rs"]
mod current;
#[path = "../it/events.rs"]
mod events;
#[path = "../it/holds.rs"]
mod holds;
#[path = "../../../webhooks/tests/it/hostile.rs"]
mod hostile;
#[path = "../it/inputs.rs"]
mod inputs;
#[path = "../it/jobs.rs"]
mod jobs;
#[path = "../it/kit.rs"]
mod kit;
#[path = "../it/orders.rs"]
mod orders;
#[path = "../it/routes.rs"]
mod routes;
#[path = "../it/stage.rs"]
mod stage;
#[path = "../it/webhooks.rs"]
mod webhooks;
