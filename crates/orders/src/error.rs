use std::sync::Arc;

use cartwright_coherence::{NotTaken, Unwritten};
use cartwright_domain::{Cart, HoldError, Order, OrderError};
use cartwright_storage::StorageError;

/// Why the service did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OrdersError {
    /// A rule of orders forbids it.
    #[error("refused: {error}")]
    Refused {
        /// Which one.
        error: OrderError,
        /// The cart as it is. `None`: it was not about a cart.
        cart: Option<Arc<Cart>>,
    },
    /// Nothing is held, or not for longer.
    #[error("refused: {0}")]
    NotHeld(HoldError),
    /// There is no such hold, or it is somebody else's.
    #[error("there is no such hold")]
    NoHold,
    /// There is no such order, or it is somebody else's.
    #[error("there is no such order")]
    Missing,
    /// From where the order is, it cannot go where it was wanted.
    #[error("the order is {}", .0.status)]
    Forbidden(Box<Order>),
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

impl From<NotTaken> for OrdersError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Overloaded => Self::Overloaded,
            NotTaken::Lost => Self::Lost,
        }
    }
}

impl From<Unwritten> for OrdersError {
    fn from(error: Unwritten) -> Self {
        match error {
            Unwritten::Fence => Self::Fence,
            Unwritten::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for OrdersError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}
