//! The cart service, from outside: on the store in SQLite and the cache in memory, both real; decorators around them
//! count, hold and break what they are told to.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests panic to fail")]

mod caches;
mod documents;
mod events;
mod faults;
mod gates;
mod kit;
mod lifetime;
mod reads;
mod stores;
mod writes;
