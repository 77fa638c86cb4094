use cartwright_jobs::EnqueueError;
use cartwright_storage::StorageError;
use cartwright_webhooks::Reason;
use chrono::{DateTime, Utc};

/// Why nothing can be said or done about events.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The store could not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A job could not be made.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// What comes after the number is not all there any more.
    #[error("events up to {removed} have been removed")]
    Gone {
        /// Events up to this number.
        removed: u64,
    },
    /// There is no event of that number yet.
    #[error("the last event is {last}")]
    Ahead {
        /// The last one.
        last: u64,
    },
    /// No target has this number.
    #[error("there is no such webhook target")]
    UnknownTarget,
    /// There are as many targets as there may be.
    #[error("there are {0} webhook targets, and no more are taken")]
    TooManyTargets(u32),
    /// As many secrets as there may be were rotated out and are still good.
    #[error("too many secrets are good at once")]
    TooManySecrets {
        /// The first of them ends then.
        until: DateTime<Utc>,
    },
    /// This process cannot send webhooks.
    #[error("this process cannot send webhooks: it knows no certificate authority")]
    NoSender,
    /// The target is disabled.
    #[error("the webhook target is disabled")]
    Disabled,
    /// Webhooks cannot, or may not, be sent to that URL.
    #[error("webhooks cannot be sent there")]
    Url(#[source] Reason),
}
