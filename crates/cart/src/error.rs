use std::sync::Arc;

use cartwright_cache::Document;
use cartwright_coherence::NotTaken;
use cartwright_domain::CartError;
use cartwright_storage::StorageError;

/// Why the service did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CartServiceError {
    /// A rule of carts forbids it.
    #[error("refused: {error}")]
    Refused {
        /// Which one.
        error: CartError,
        /// The cart as it is.
        current: Document,
    },
    /// The idempotency key was used for a different request.
    #[error("the idempotency key was used for a different request")]
    KeyReused,
    /// A request with the same idempotency key is being carried out.
    #[error("a request with the same idempotency key is being carried out")]
    KeyInFlight,
    /// Too many requests wait already. Nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The service is shutting down. Nothing was done.
    #[error("the service is shutting down")]
    ShuttingDown,
    /// The store failed. One error answers all the requests of a batch.
    #[error("the store failed")]
    Storage(#[source] Arc<StorageError>),
    /// The cache could not be fenced off in time. Nothing was done; trying again will help.
    #[error("the cache could not be fenced off in time")]
    Fence,
    /// The task that carried the batch broke. Whether the request was carried out is not known.
    #[error("the batch was lost")]
    Lost,
}

impl From<NotTaken> for CartServiceError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Overloaded => Self::Overloaded,
            NotTaken::Lost => Self::Lost,
        }
    }
}
