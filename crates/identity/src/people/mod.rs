//! What is kept of a person: all of it at a glance, and how it is forgotten.
//!
//! # Forgetting somebody
//!
//! [`PeopleService::erase`] does this, in this order:
//!
//! 1. **His sessions end**, wherever they are kept: nothing more is begun with them. (Tokens that somebody else issued are to be
//!    revoked before.)
//! 2. **One transaction in the database** ([`PersonStore::erase_owner`](cartwright_storage::PersonStore::erase_owner)): cart, profile,
//!    sessions, answers to idempotency keys and holds are gone, units that were held are back in stock, orders belong to a
//!    pseudonym. It is a write of his cart like any other: under the cart's lock, with the cache fenced off before the commit, so
//!    that no node shows the cart any more that was there, and nobody who has read it before can store it again. Whoever writes the
//!    cart or checks it out at the same time comes before, and is erased with it, or after, and finds an empty cart.
//! 3. **What is cached of his orders and his profile is forgotten**, before anybody is told that it is done.
//! 4. In the background: his other devices hear that the cart has changed, and the catalogue what is back in stock.
//!
//! If anything fails, or the process dies, whoever asked is not told that it is done, and asks again: each step that was done has
//! nothing left to do. The removal from the caches is done each time.
//!
//! The memory of other nodes may still hold the cart as they last wrote it, until something newer takes its place; it is used only
//! together with a row in the database that says the same, which is gone.

mod service;

pub use service::{NobodyRestocks, PeopleError, PeopleParts, PeopleService, RestockListener};
