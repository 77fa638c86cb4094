//! The store against a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: to panic is how they report")]

mod conformance;
mod cost;
mod cuts;
mod events;
mod faults;
mod holds;
mod jobs;
mod kit;
mod nodes;
mod orders;
mod plans;
mod replicas;
mod server;
mod sessions;
mod tables;
