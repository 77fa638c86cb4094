//! The store on PostgreSQL.
//!
//! [`PostgresStore`] implements the traits of `cartwright-storage`. A batch of cart requests is one transaction of three
//! round trips, however many requests it has:
//!
//! 1. `BEGIN`, the locks and everything that is read under them, pipelined;
//! 2. the rows to write, pipelined, while the cache is being fenced off;
//! 3. `COMMIT`.
//!
//! Locks are transaction-level advisory locks, so nothing is left behind by a process that dies. PostgreSQL 12 or newer.

mod carts;
mod claims;
mod connection;
mod error;
mod gate;
mod listings;
mod lock_keys;
mod migrations;
mod options;
mod read;
mod recent;
mod sql;
mod store;
mod tls;
mod transaction;
mod write;

pub use options::{PostgresOptions, TlsMode};
pub use store::PostgresStore;
