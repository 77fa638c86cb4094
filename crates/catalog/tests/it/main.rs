//! The catalogue service on its real stores and caches.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up panics")]

mod embedded;
mod kit;
mod nodes;
