//! The whole application over a real service: SQLite in a private folder, the cache in memory.

mod classic;
mod conventions;
mod inputs;
mod kit;
mod operations;
mod routes;
mod stream;
