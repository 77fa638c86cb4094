use async_trait::async_trait;

use crate::StorageError;

/// A place in the log of a database: whatever was acknowledged before it was asked for comes before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(pub u64);

/// Who may answer a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadFrom {
    /// Only the primary: the answer has all that was acknowledged.
    #[default]
    Primary,
    /// Also a replica that has come so far. When none has, or none answers, the primary does.
    AtLeast(LogPosition),
}

/// Where the log is.
#[async_trait]
pub trait PositionStore: Send + Sync + 'static {
    /// The end of the primary's log, at or after all that was acknowledged. `None`: this database has no replicas.
    ///
    /// # Errors
    /// [`StorageError`] when it did not answer.
    async fn position(&self) -> Result<Option<LogPosition>, StorageError>;
}
