//! The store on SQLite: the embedded default.
//!
//! One file, one process. Writes go through one connection, one batch at a time; reads have connections of their own
//! and see the last commit (WAL), so neither waits for the other. What PostgreSQL does with advisory locks is done in
//! memory (`locks`).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
//! let store = SqliteStore::open("data/cartwright.db".as_ref(), SqliteOptions::default()).await?;
//! store.migrate().await?;
//! # Ok(())
//! # }
//! ```

mod batch;
mod carts;
mod catalog;
mod claims;
mod connection;
mod error;
mod events;
mod file;
mod gate;
mod holds;
#[cfg(test)]
mod inside;
mod jobs;
mod left_alone;
mod listings;
mod lists;
mod locks;
mod migrations;
mod orders;
mod people;
mod products;
mod profiles;
mod readers;
mod results;
mod rows;
mod search;
mod sessions;
mod statement;
mod statistics;
mod store;
mod write;

// Only its `bundled` feature is wanted: diesel links whatever this crate builds.
use libsqlite3_sys as _;

pub use store::{SqliteOptions, SqliteStore};
