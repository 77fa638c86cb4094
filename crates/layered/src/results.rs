use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

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
/// storm on the database. Only for keys that are never invalidated: they run out, or hold a [generation](crate::Tagged).
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
