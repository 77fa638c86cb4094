use std::sync::Arc;

use crate::{CacheKey, Layered, Loader, Node, Policy, cache::Inner, memory::Room};

/// What a cache is made of. Layers that the node does not have are left out by themselves.
#[must_use]
pub struct CacheBuilder<K: CacheKey> {
    pub(crate) node: Node,
    pub(crate) policy: Policy,
    pub(crate) room: Option<Room>,
    pub(crate) hot_only: bool,
    pub(crate) hot: usize,
    pub(crate) shared: bool,
    pub(crate) leases: bool,
    pub(crate) results: bool,
    key: std::marker::PhantomData<fn(K)>,
}

impl<K: CacheKey> CacheBuilder<K> {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            policy: K::POLICY,
            room: None,
            hot_only: false,
            hot: 0,
            shared: true,
            leases: true,
            results: false,
            key: std::marker::PhantomData,
        }
    }

    /// Another policy than the one of the kind, as when operators may set times to live.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Keeps so many values in memory.
    pub fn memory(mut self, entries: usize) -> Self {
        self.room = Some(Room::Entries(entries));
        self
    }

    /// Keeps values of so many bytes in memory, about.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.room = Some(Room::Bytes(bytes));
        self
    }

    /// Keeps in memory only what is asked for often: for data that is in the shared layer for its freshness.
    pub fn memory_for_hot_keys_only(mut self) -> Self {
        self.hot_only = true;
        self
    }

    /// Finds the keys that are asked for most, so many of them, by a sketch of a sample. They stay in memory, whatever
    /// else comes and goes, and are loaded anew before their time is up.
    pub fn hot_keys(mut self, most: usize) -> Self {
        self.hot = most;
        self
    }

    /// Leaves the shared layer out.
    pub fn without_shared(mut self) -> Self {
        self.shared = false;
        self
    }

    /// Lets each node load for itself, without a lease in the shared layer: a round trip and a write less. For loads that
    /// are cheap, and only of keys that are never invalidated, such as those of [`Tagged`](crate::Tagged) values: without a
    /// lease, what was loaded before a change may be put there after it.
    pub fn without_leases(mut self) -> Self {
        self.leases = false;
        self
    }

    /// Keeps results that are asked for again in the third layer. The keys must never be invalidated; see [`ResultLayer`](crate::ResultLayer).
    pub fn results(mut self) -> Self {
        self.results = true;
        self
    }

    /// The cache, over whoever knows the truth.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn over(self, loader: impl Loader<K>) -> Layered<K> {
        Layered { inner: Inner::start(self, Arc::new(loader)) }
    }
}

impl<K: CacheKey> std::fmt::Debug for CacheBuilder<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheBuilder").field("kind", &K::KIND).finish_non_exhaustive()
    }
}
