use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::breaker::Slow;

/// A result to be kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Under what.
    pub key: String,
    /// What.
    pub value: Bytes,
    /// It is gone after this.
    pub ttl: Duration,
}

/// Kept results cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the kept results: {0}")]
pub struct ResultError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<Slow> for ResultError {
    fn from(slow: Slow) -> Self {
        Self(Box::new(slow))
    }
}

/// Results that were expensive, kept where the truth is: the third layer, so that a shared cache that was emptied is no
/// storm on the database. What was asked for only once is not kept. Only for keys that are never invalidated: they run out,
/// or hold a [generation](crate::Tagged).
#[async_trait]
pub trait ResultLayer: Send + Sync + std::fmt::Debug + 'static {
    /// One answer for each key.
    ///
    /// # Errors
    /// [`ResultError`] when it does not answer.
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, ResultError>;

    /// Keeps results, replacing those under the same keys.
    ///
    /// # Errors
    /// [`ResultError`] when it does not answer.
    async fn keep(&self, results: &[Kept]) -> Result<(), ResultError>;
}

/// How many keys a node remembers, for each cache that keeps results: a hash and a time each.
const REMEMBERED: usize = 10_000;

/// Which results are worth keeping: those that were asked for again. Most searches are made once, and to keep one costs a
/// tenth of making it.
pub(crate) struct Admission {
    /// Of the hashes of keys: until when this node has had each kept. In the past: it has loaded it once.
    known: Cache<u64, Instant>,
    hasher: RandomState,
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(REMEMBERED), hasher: RandomState::new() }
    }

    /// Whether a result that is good for so long is to be kept. `loaded`: just now, and not found where others put it.
    pub(crate) fn admits(&self, key: &str, ttl: Duration, loaded: bool) -> bool {
        let key = self.hasher.hash_one(key);
        let now = Instant::now();
        let known = self.known.get(&key);
        let again = if loaded { known.is_some() } else { known.is_none_or(|until| until <= now) };
        if again || known.is_none() {
            self.known.insert(key, if again { now + ttl } else { now });
        }
        again
    }
}
