//! The whole application over a real service: SQLite in a private folder, the cache in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod classic;
mod conventions;
mod inputs;
mod kit;
mod operations;
mod routes;
mod stream;
