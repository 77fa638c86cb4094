use async_trait::async_trait;
use cartwright_domain::{OwnerId, Profile, ProfileData};
use chrono::{DateTime, Utc};

use crate::StorageError;

/// What became of a profile that was to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutProfile {
    /// It is written.
    Done(Profile),
    /// It has another version than the caller was prepared to change. This is how it is.
    Conflict(Profile),
}

/// The truth about profiles.
#[async_trait]
pub trait ProfileStore: Send + Sync + 'static {
    /// Reads a profile as it is now: [`Profile::empty`] for a user who has none.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn profile(&self, owner: &OwnerId) -> Result<Profile, StorageError>;

    /// Writes a profile. `expected`: the versions that the caller is prepared to change; empty: any.
    ///
    /// # Errors
    /// [`StorageError`]; then it was not written, except that an error at the commit itself leaves that open.
    async fn put_profile(
        &self,
        owner: &OwnerId,
        data: &ProfileData,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<PutProfile, StorageError>;

    /// Removes a profile. `false`: there was none.
    ///
    /// # Errors
    /// As [`put_profile`](Self::put_profile).
    async fn remove_profile(&self, owner: &OwnerId) -> Result<bool, StorageError>;
}
