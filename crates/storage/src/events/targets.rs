use std::{fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{EventTypes, GoodUntil};
use crate::StorageError;

/// A webhook target, by the number that its store gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub i64);

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TargetId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What messages to a target are signed with. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetSecret(String);

impl TargetSecret {
    /// Keeps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. For signing, and for whoever made the target, once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TargetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TargetSecret(…)")
    }
}

/// Somebody who is told of events by HTTP. `Debug` leaves out the URL, which may hold a key, and the secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// Which one.
    pub id: TargetId,
    /// Where messages go.
    pub url: String,
    /// Of which events.
    pub types: EventTypes,
    /// What people call it. May be empty.
    pub description: String,
    /// Whether it is told at present.
    pub enabled: bool,
    /// Why it is not, if it is so by itself.
    pub disabled_because: Option<String>,
    /// What messages are signed with.
    pub secret: TargetSecret,
    /// And with what else, until when: what was rotated out last comes first.
    pub previous: Vec<GoodUntil>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// How the last delivery went. `None`: there was none.
    pub last: Option<LastDelivery>,
}

impl WebhookTarget {
    /// What is good beside a new secret, when the present one still is `until` then. Those that were rotated out before keep
    /// their own time: whoever has one of them was told that it lasts so long.
    pub fn superseded(&self, until: DateTime<Utc>, now: DateTime<Utc>) -> Vec<GoodUntil> {
        let all = std::iter::once((self.secret.clone(), until)).chain(self.previous.iter().cloned());
        all.filter(|(_, until)| *until > now).collect()
    }
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTarget")
            .field("id", &self.id)
            .field("types", &self.types)
            .field("enabled", &self.enabled)
            .field("disabled_because", &self.disabled_because)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDelivery {
    /// When.
    pub at: DateTime<Utc>,
    /// Of which event.
    pub event: u64,
    /// What the receiver answered. `None`: nothing.
    pub status: Option<u16>,
    /// Why it failed. `None`: it did not.
    pub error: Option<String>,
}

/// A target to be made.
#[derive(Clone)]
pub struct NewTarget {
    /// Where messages go.
    pub url: String,
    /// Of which events.
    pub types: EventTypes,
    /// What people call it.
    pub description: String,
    /// Whether it is told from now on.
    pub enabled: bool,
    /// What messages are signed with.
    pub secret: TargetSecret,
}

impl fmt::Debug for NewTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTarget")
            .field("types", &self.types)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// What is to be another way with a target. `None`: it stays as it is.
#[derive(Clone, Default)]
pub struct TargetChange {
    /// Where messages go.
    pub url: Option<String>,
    /// Of which events.
    pub types: Option<EventTypes>,
    /// What people call it.
    pub description: Option<String>,
    /// Whether it is told. Forgets why it was not.
    pub enabled: Option<bool>,
}

impl fmt::Debug for TargetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetChange")
            .field("types", &self.types)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// Keeps webhook targets.
#[async_trait]
pub trait TargetStore: Send + Sync + 'static {
    /// Makes a target, which is told of events that are numbered from now on. `None`: there are `most` already.
    ///
    /// # Errors
    /// [`StorageError`]: then it was not made, except that an error at the commit itself leaves it open.
    async fn add_target(
        &self,
        target: &NewTarget,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError>;

    /// All targets, the oldest first.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn targets(&self) -> Result<Vec<WebhookTarget>, StorageError>;

    /// A target. `None`: there is none.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn target(&self, id: TargetId) -> Result<Option<WebhookTarget>, StorageError>;

    /// Changes a target. `None`: there is none.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn change_target(
        &self,
        id: TargetId,
        change: &TargetChange,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError>;

    /// Gives a target another secret in place of `present`, and beside it `previous`. `None`: there is no target of which
    /// that is the secret; somebody else may have rotated it.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn rotate_secret(
        &self,
        id: TargetId,
        present: &TargetSecret,
        secret: &TargetSecret,
        previous: &[GoodUntil],
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError>;

    /// Removes a target. Whether there was one.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn remove_target(&self, id: TargetId) -> Result<bool, StorageError>;

    /// Remembers how a delivery went. `gone`: the target as it was last changed then
    /// ([`updated_at`](WebhookTarget::updated_at)) wants no more. It is told no more, unless somebody has changed it since: then
    /// it was another URL that said so, or one that somebody has repaired.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    async fn note_delivery(
        &self,
        id: TargetId,
        delivery: &LastDelivery,
        gone: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError>;
}
