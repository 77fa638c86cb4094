//! The store on PostgreSQL.
//!
//! [`PostgresStore`] implements the traits of `cartwright-storage`. A batch of cart requests is one transaction of three
//! round trips, however many requests it has:
//!
//! 1. `BEGIN`, the locks and everything that is read under them, pipelined;
//! 2. the rows to write, pipelined, while the cache is being fenced off;
//! 3. `COMMIT`.
//!
//! Locks are transaction-level advisory locks, so nothing is left behind by a process that dies. PostgreSQL 13 or newer, with
//! its extension `pg_trgm`.

mod carts;
mod catalog;
mod claims;
mod connection;
mod create;
mod error;
mod events;
mod gate;
mod holds;
mod jobs;
mod left_alone;
mod listings;
mod lists;
mod lock_keys;
mod migrations;
mod offers;
mod options;
mod orders;
mod people;
mod products;
mod profiles;
mod read;
mod recent;
mod replicas;
mod results;
mod search;
mod sessions;
mod sharing;
mod sql;
mod statistics;
mod store;
mod tls;
mod transaction;
mod write;

pub use options::{PostgresOptions, TlsMode};
pub use replicas::ReplicaFigures;
pub use store::PostgresStore;
