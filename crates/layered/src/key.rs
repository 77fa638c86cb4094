use std::{borrow::Cow, hash::Hash};

use bytes::Bytes;

use crate::Policy;

/// A key. Its type says what kind of data it leads to, and so which values there are and how long they are kept.
pub trait CacheKey: Clone + Eq + Ord + Hash + std::fmt::Debug + Send + Sync + 'static {
    /// What is kept under it.
    type Value: CacheValue;

    /// Names the kind of data in shared keys, in messages between nodes and in figures. One word, unique in a program.
    const KIND: &'static str;

    /// For how long values are kept.
    const POLICY: Policy;

    /// The key in words, unique within the kind.
    fn text(&self) -> Cow<'_, str>;
}

/// A value that can be kept outside of this process. Clones are cheap: an `Arc` or [`Bytes`] inside.
pub trait CacheValue: Clone + Send + Sync + 'static {
    /// As it is kept.
    fn encode(&self) -> Bytes;

    /// From what was kept. `None`: it cannot be read, as after a change of the format; it is loaded anew.
    fn decode(bytes: Bytes) -> Option<Self>;

    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize;
}

impl CacheValue for Bytes {
    fn encode(&self) -> Bytes {
        self.clone()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        Some(bytes)
    }

    fn weight(&self) -> usize {
        self.len()
    }
}

/// The name of a key outside of this process.
pub(crate) fn name<K: CacheKey>(key: &K) -> String {
    format!("{}:{}", K::KIND, key.text())
}

/// A key to be invalidated, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(pub(crate) String);

impl<K: CacheKey> From<&K> for Target {
    fn from(key: &K) -> Self {
        Self(name(key))
    }
}
