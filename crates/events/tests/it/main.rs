//! Events from the store to whoever wants to know.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod deliveries;
mod kit;
mod publishing;
mod receiver;
