//! The HTTP cache in front, and how it learns what has changed.
//!
//! ```text
//!  a change ──► Purger::changed([product:17, category:Books])      at once; never fails
//!                  │
//!                  ├─► lane of varnish-1 ──► BAN   50 ms of changes at once, until it succeeds
//!                  ├─► lane of varnish-2 ──► BAN
//!                  └─► lane of the CDN ────► an invalidation, every few seconds
//! ```
//!
//! An answer says in a header what it depends on ([`surrogate_keys`]); the edge keeps it with the answer, and drops the
//! answer when it is told one of the keys. The crate knows keys, not products: whoever makes the answers and whoever makes
//! the changes agree on them.
//!
//! # What is promised
//!
//! *A change is not held up, and does not fail, because of the edge.* Keys are taken into memory that is bounded, and told
//! in the background.
//!
//! *What was accepted is told,* however often it takes, while the process lives: an edge that is down is told when it is
//! back. When too much waits for that, it is told that everything has changed.
//!
//! *Nothing that was purged comes back,* within bounds: an answer that was made before a change may reach the edge after
//! its purge, so what was purged is [purged again](Pace::again_after) after most of a second. An answer that takes longer
//! than that is kept for its time to live. The same is true of a change whose process died before it was told: the times
//! to live that answers say for the edge are the last bound, and should be minutes, not days.

#[cfg(feature = "cloudfront")]
mod cloudfront;
mod figures;
mod header;
mod key;
mod lane;
mod pace;
mod purge;
mod purger;
mod queue;
mod varnish;

#[cfg(feature = "cloudfront")]
pub use cloudfront::{CloudFront, PathsOf};
pub use figures::Figures;
pub use header::{SURROGATE_KEY, surrogate_keys};
pub use key::{BadKey, SurrogateKey};
pub use pace::Pace;
pub use purge::{Purge, PurgeError};
pub use purger::{Purger, PurgerBuilder};
pub use varnish::{BadUrl, Varnish};
