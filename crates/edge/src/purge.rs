//! The port: somebody who can be told that keys have changed.

use std::time::Duration;

use async_trait::async_trait;

use crate::SurrogateKey;

/// A cache in front, or one node of it.
///
/// Purging is idempotent: whoever does not know whether it was done does it again.
#[async_trait]
pub trait Purge: Send + Sync + std::fmt::Debug + 'static {
    /// Sees to it that no answer which depends on one of the keys, and is kept at the edge now, is served again.
    ///
    /// An answer that was on its way to the edge meanwhile may be kept after it: see
    /// [`Pace::again_after`](crate::Pace::again_after).
    ///
    /// # Errors
    /// [`PurgeError`]; some of the keys may have been purged then.
    async fn purge(&self, keys: &[SurrogateKey]) -> Result<(), PurgeError>;

    /// The same for every answer that depends on any key.
    ///
    /// # Errors
    /// [`PurgeError`].
    async fn purge_everything(&self) -> Result<(), PurgeError>;
}

/// Why a purge is not known to have happened.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// No connection, or it broke.
    #[error("the edge cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// No answer in time.
    #[error("the edge did not answer within {0:?}")]
    Slow(Duration),
    /// It answered, but did not purge: too busy, or we are not allowed to. May be otherwise later.
    #[error("the edge did not purge: {0}")]
    Refused(String),
    /// It will never purge these keys one by one, so everything has to be purged.
    #[error("the edge does not understand what it is to purge: {0}")]
    Rejected(String),
}
