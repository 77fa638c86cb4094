//! What a cache of carts must do, and the in-process implementation; what a cache of other documents
//! of owners must do ([`DocumentCache`]).
//!
//! The promise is per cart: a read that starts after a write was acknowledged returns that write or a later one. The
//! cache keeps it together with the store's locks; see [`CartCache`]. Nothing in here fails a request: a cache that
//! cannot answer says [`CacheRead::Bypass`], and the database answers.

mod carts;
mod documents;
mod events;
mod memory;
mod publish;

pub use carts::{
    CacheRead, CacheStatus, CartCache, Document, Layer, Lease, LeaseWanted, NodeStatus, Role, StoreValue,
    Survey, Unfenced,
};
pub use documents::DocumentCache;
pub use events::{CartEvent, EventBus, EventHub, Subscription, Update};
pub use memory::MemoryCartCache;
pub use publish::{Message, Publisher, Unpublished};
