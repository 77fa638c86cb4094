//! Coherent carts on Redis: one primary, N read replicas. And sessions, on the primary alone ([`RedisSessionStore`]).
//!
//! [`RedisCartCache`] keeps the promise of [`CartCache`](cartwright_cache::CartCache) over several nodes, lagging
//! replicas, failover and restarts. How, and why, is in the decision record on coherence; in short:
//!
//! * A key holds nothing, a token `T<random>`, or a document `v<version>\n<json>`. Only the holder of the token may
//!   replace it by a document.
//! * A writer puts a token on the primary while it holds the cart's lock, and commits when all replicas that are read
//!   from have it, or when none that does not would still be believed.
//! * A replica is believed when, in the very reply that carries the document, it shows a heartbeat of this node that is
//!   younger than the bound.
//! * Every key is prefixed by the namespace of the gate's opening, and every connection knows which server process it
//!   was opened to: contents of an earlier life are never looked at.

mod carts;
mod changes;
mod documents;
mod endpoint;
mod events;
mod fence;
mod heartbeat;
mod limits;
mod options;
mod reads;
mod sessions;
mod shared;
mod survey;
mod value;
mod view;
mod watch;

pub use carts::RedisCartCache;
pub use changes::RedisBus;
pub use documents::{Documents, RedisDocumentCache};
pub use events::RedisEventBus;
pub use limits::RedisRateLimiter;
pub use options::{ConnectError, RedisOptions, doctor};
pub use sessions::RedisSessionStore;
pub use shared::RedisShared;
pub use survey::ServerReport;
