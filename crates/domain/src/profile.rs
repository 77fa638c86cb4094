use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{JsonObject, OwnerId};

/// What a user keeps about himself: at most 20 KB of JSON.
pub type ProfileData = JsonObject<20_480>;

/// The profile of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Whose.
    pub owner: OwnerId,
    /// What is in it. Of a user who never wrote any, `{}`.
    pub data: ProfileData,
    /// Grows by one with each change. 0: nothing was ever written, or it was removed.
    pub version: u64,
    /// When it was last changed. `None`: nothing was ever written.
    pub updated_at: Option<DateTime<Utc>>,
}

impl Profile {
    /// That of somebody who has written none.
    pub fn empty(owner: OwnerId) -> Self {
        Self { owner, data: ProfileData::default(), version: 0, updated_at: None }
    }
}
