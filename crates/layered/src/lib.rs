//! A layered cache for data that may be a little old: products, listings, results of searches.
//!
//! ```text
//!  get(key)
//!     │
//!     ▼          hit: no waiting, no round trip
//!  ┌──────────┐
//!  │  memory  │  L1  this process; bounded; hot keys stay
//!  └────┬─────┘
//!       ▼          one load in the node, however many ask
//!  ┌──────────┐
//!  │  shared  │  L2  all nodes (Redis); a lease: one load among them
//!  └────┬─────┘
//!       ▼
//!  ┌──────────┐
//!  │ results  │  L3  beside the truth; only for what is never invalidated
//!  └────┬─────┘
//!       ▼
//!  ┌──────────┐
//!  │  loader  │      knows the truth
//!  └──────────┘
//! ```
//!
//! A [`Node`] is what the caches of one process have in common; a [`Layered`] is one of them, for one kind of data. The
//! type of the key fixes the type of the value and for how long it is kept.
//!
//! ```
//! use std::{borrow::Cow, time::Duration};
//! use bytes::Bytes;
//! use cartwright_layered::{CacheKey, LoadFrom, Node, Policy};
//!
//! #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
//! struct Greeting(String);
//!
//! impl CacheKey for Greeting {
//!     type Value = Bytes;
//!     const KIND: &'static str = "greeting";
//!     const POLICY: Policy = Policy::ttl(Duration::from_secs(60));
//!     fn text(&self) -> Cow<'_, str> {
//!         Cow::Borrowed(&self.0)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cartwright_layered::LoadError> {
//! let node = Node::alone();
//! let greetings = node.cache::<Greeting>().memory(1000).over(|names: Vec<Greeting>, _from: LoadFrom| async move {
//!     Ok(names.into_iter().map(|name| Some(Bytes::from(format!("Hello {}", name.0)))).collect())
//! });
//! let ana = greetings.get(&Greeting("Ana".into())).await?;
//! assert_eq!(ana.layer.name(), "miss");
//! assert_eq!(greetings.get(&Greeting("Ana".into())).await?.layer.name(), "l1");
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! *A change is seen everywhere as soon as it is declared done.* Whoever changes something says so before
//! ([`Node::changing`]) and after ([`Change::done`]). In between, nobody keeps it in any layer, so that it does not
//! matter when a load saw the database, nor whether the one who makes the change lives to declare it done.
//!
//! *Nothing that was loaded before an invalidation is kept after it.* In memory, each key has a counter that an
//! invalidation moves; a value is kept only if it stands where it stood when the load began. In the shared layer, values
//! are put by compare-and-set from what the loading node had found there, and an invalidation is a value of its own.
//!
//! *A node that is cut off knows it.* It sends itself an echo over the connection on which it hears the others, every
//! 40 ms. When none comes back for 120 ms it believes nothing that it has kept, and until it hears again keeps values
//! for 100 ms at most: so that even then, none is served much longer than a fifth of a second after it was changed.
//!
//! *Failures cost time, not answers.* A layer that does not answer is left out, behind a breaker; a loader that fails is
//! replaced by what is kept, within a bound, and the answer says that it is [stale](Answer::stale).

mod breaker;
mod builder;
mod bus;
mod cache;
mod change;
mod entry;
mod fetch;
mod fetch_shared;
mod figures;
mod hot;
mod key;
mod lanes;
mod loader;
mod memory;
mod node;
mod policy;
mod results;
mod shared;
mod tagged;
mod trust;
mod write;

pub use builder::CacheBuilder;
pub use bus::{Audience, Bus, BusError, Heard, Listener, MemoryBus, Silence};
pub use cache::{Answer, Layer, Layered};
pub use change::{Change, Untold};
pub use entry::Head;
pub use figures::Figures;
pub use key::{CacheKey, CacheValue, Target};
pub use loader::{Cause, Each, LoadError, LoadFrom, Loader, each};
pub use node::{Node, NodeBuilder};
pub use policy::Policy;
pub use results::{Kept, ResultError, ResultLayer};
pub use shared::{Expect, MemoryShared, Put, SharedError, SharedLayer, Was};
pub use tagged::{Generated, Generation, Tag, Tagged, TaggedKey};
