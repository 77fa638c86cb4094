//! The cache-aside cart service: the database holds the truth, the cache serves the reads, and nobody sees a stale cart.
//!
//! Knows only the traits of `cartwright-storage` and `cartwright-cache`: embed it with the implementations you like.
//! `examples/embed.rs` runs it in a plain tokio program.

mod demand;
mod document;
mod error;
mod gate;
mod read;
mod service;
mod write;

pub use demand::StoreWritten;
pub use document::{DocumentError, decode, encode};
pub use error::CartServiceError;
pub use gate::GateSettings;
pub use read::{Read, Source};
pub use service::{CartService, CartServiceBuilder, Settings};
pub use write::{MergePreview, Reply};
