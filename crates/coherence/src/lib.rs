//! What all who write carts share, so that no reader is ever served a stale one: [`Combiner`], in which requests that
//! arrive together become one transaction, and [`Fencing`], which keeps readers of the cache away from carts that are about
//! to change, and [`Forgetting`], which takes other documents of owners out of their cache once they have
//! changed; [`DocumentReads`] puts them there.
//!
//! The services on top (carts, orders) do not know each other.

mod combiner;
mod documents;
mod fencing;
mod forgetting;

pub use combiner::{BatchFuture, Combiner, Gathering, Limits, NotTaken, Run, Turn, Waiting};
pub use documents::{DocumentFigures, DocumentReads, Found, Load};
pub use fencing::{FencedWrite, Fencing, Raised, Unwritten, close_gate};
pub use forgetting::Forgetting;
