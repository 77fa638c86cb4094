//! Carts that nobody has touched for long.

use async_trait::async_trait;
use cartwright_domain::{Cart, OwnerId};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::StorageError;

/// How far a walk along carts has come: they are sorted by the hour in which they were last changed, then by owner.
///
/// A cart that is changed moves to a later hour, so a walk that stays behind the present by hours passes each version of a
/// cart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkPoint {
    /// Past all carts of earlier hours.
    pub hour: DateTime<Utc>,
    /// Past this one of that hour. `None`: past none.
    pub owner: Option<OwnerId>,
}

impl WalkPoint {
    /// The beginning of the hour that a time is in.
    pub fn hour_of(time: DateTime<Utc>) -> DateTime<Utc> {
        // A whole number of hours can be rounded to, at any time that there is.
        time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
    }
}

/// Carts on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftAlone {
    /// Those that have something in them.
    pub carts: Vec<Cart>,
    /// How far the walk came with them. `None`: nowhere.
    pub upto: Option<WalkPoint>,
    /// Whether there may be more.
    pub more: bool,
}

/// Finds carts that nobody has touched for long.
#[async_trait]
pub trait LeftAloneStore: Send + Sync + 'static {
    /// Carts that were last changed in an hour before that of a time, from where the walk of this name has come, at most
    /// `limit` rows.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn left_alone(
        &self,
        walk: &str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<LeftAlone, StorageError>;

    /// Remembers how far a walk has come. It never goes back.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn walked(&self, walk: &str, upto: &WalkPoint) -> Result<(), StorageError>;

    /// Tells of carts that were last changed in an hour before that of a time, and have something in them, as abandoned:
    /// each version once, in the same transaction as remembering it, at most `limit` of them. The first time it only
    /// remembers where to begin: what was left alone before anybody asked is no news. A cart that is being changed is waited
    /// for until the next time.
    ///
    /// Returns how many were told of, and whether there may be more.
    ///
    /// # Errors
    /// [`StorageError`]: then none was told of, except that an error at the commit itself leaves it open.
    async fn tell_abandoned(
        &self,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<(u64, bool), StorageError>;
}
