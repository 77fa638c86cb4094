/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database is out of reach, restarting or overloaded. The caller may try again.
    ///
    /// When it comes from a write, the write may or may not have happened: its idempotency key tells.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something that cannot happen did: a row that breaks a rule, an unexpected count, an answer without sense.
    #[error("the database holds or answered something unexpected: {0}")]
    Unexpected(String, #[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The cache could not be told of the write; nothing was written.
    #[error("the cache could not be fenced off")]
    Fence(#[source] super::FenceError),
}

impl StorageError {
    /// An unexpected state without an underlying error.
    pub fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into(), None)
    }
}
