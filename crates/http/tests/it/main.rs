//! The whole application over a real service: SQLite in a private folder, the cache in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod access;
mod assignment;
mod catalog_caches;
mod catalog_classic;
mod catalog_import;
mod catalog_inputs;
mod catalog_lists;
mod catalog_metrics;
mod catalog_products;
mod catalog_search;
mod classic;
mod conventions;
mod current;
mod dashboard;
mod database;
mod devtools;
mod document;
mod events;
mod forged;
mod hardening;
mod holds;
#[path = "../../../webhooks/tests/it/hostile.rs"]
mod hostile;
mod inputs;
mod jobs;
mod kit;
mod limits;
mod operations;
mod orders;
mod parsers;
mod people;
mod routes;
mod socket;
mod stage;
mod stream;
mod tokens;
mod webhooks;
