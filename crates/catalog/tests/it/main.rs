//! The catalogue without a store: what needs one is tested with the stores and over HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod rows;
