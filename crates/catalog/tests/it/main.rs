//! The catalogue service on its real stores and caches, and its reader of files.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up panics")]

mod documents;
mod embedded;
mod kept;
mod kit;
mod nodes;
mod rows;
