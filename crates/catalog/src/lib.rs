//! The catalogue: products, categories, searches, recommendations and statistics, read through layers of caches and
//! written to the store. Knows traits only.
//!
//! Reads give JSON documents as they are sent, with the layer that answered, their age, and whether they are
//! [stale](cartwright_layered::Answer::stale). A product is shown as it was at most a quarter of a second ago, on every
//! node; lists and searches follow within about as much again.

mod changes;
mod classic;
mod document;
mod draft;
mod error;
pub mod import;
mod kinds;
mod layers;
mod rankings;
mod service;
pub mod surrogate;
mod warm;
mod wiring;
mod write;

pub use draft::{Column, Draft, DraftError, Edit, Fault};
pub use error::CatalogError;
pub use kinds::{CachedProduct, Inventory, Offer, Ranking, Summary};
pub use layers::StoredResults;
pub use service::CatalogService;
pub use wiring::{CatalogSettings, Parts, Shared};
pub use write::EditError;
