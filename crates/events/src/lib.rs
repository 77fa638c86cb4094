//! What happened in the shop, told to whoever wants to know.
//!
//! ```text
//!  carts, orders, … ──► rows in the store, in the transaction of what they tell of
//!                          │
//!  relay                   ▼  numbers what is committed, makes webhook deliveries of it: one transaction
//!                       events 1, 2, 3, …  kept for days
//!                          ├─► a list, from any number on
//!  hub                     ├─► listeners of this process, who may go on where they were
//!  publisher               ├─► channels `events:{type}` outside
//!  jobs                    └─► webhooks, signed, tried again, replayed
//! ```
//!
//! Every process may relay and publish; the store lets one do it at a time. Whatever leaves leaves *at least* once, with
//! its number: who keeps the last number he has seen knows what comes again.
//!
//! Knows the traits of storage only.

mod deliver;
mod error;
mod figures;
mod hub;
mod listen;
mod relay;
mod service;
mod targets;

pub use deliver::{DeliverWebhook, ReplayEvents};
pub use error::EventsError;
pub use figures::describe_metrics;
pub use listen::{Heard, Listener};
pub use service::{EventService, Filter, Listed, Parts, Settings};
pub use targets::{Deliveries, MadeTarget, TargetDraft, Tried};
