use async_trait::async_trait;
use cartwright_domain::{OwnerId, Session, SessionData, SessionHandle, SessionHash};
use chrono::{DateTime, TimeDelta, Utc};

use crate::StorageError;

/// How long sessions last, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// How long a session lasts that is not used. At least 10 ms.
    ///
    /// Not each use is written down, only one after which a tenth of this has passed since the last one that was: a session
    /// ends between nine tenths of it and the whole after it was last used.
    pub lifetime: TimeDelta,
    /// How long a session lasts at most, however much it is used. It begins anew when its holder logs in.
    pub at_most: TimeDelta,
    /// How many sessions somebody has at most. When there is one more, the one goes that would have ended first. Of several
    /// that begin in the same moment, some may be more until the next begins.
    pub per_owner: u32,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { lifetime: TimeDelta::minutes(30), at_most: TimeDelta::days(30), per_owner: 100 }
    }
}

impl SessionPolicy {
    /// When a session ends that was made at `created_at` and is used now.
    pub fn expires_at(&self, created_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.lifetime).min(created_at + self.at_most)
    }

    /// A session that was used later than this, at `now`, need not be written.
    pub fn fresh_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.lifetime / 10
    }
}

/// A session to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// By what the store knows it.
    pub hash: SessionHash,
    /// Whose it is. `None`: of somebody who has not logged in.
    pub owner: Option<OwnerId>,
    /// What it carries.
    pub data: SessionData,
}

impl NewSession {
    /// The session, if it is made now.
    pub fn made(&self, policy: &SessionPolicy, now: DateTime<Utc>) -> Session {
        Session {
            handle: self.hash.handle(),
            owner: self.owner.clone(),
            data: self.data.clone(),
            version: 1,
            created_at: now,
            seen_at: now,
            expires_at: policy.expires_at(now, now),
        }
    }
}

/// What became of what a session was to carry instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplacedSession {
    /// It carries it.
    Done(Session),
    /// It has another version than the caller was prepared to change. This is how it is.
    Conflict(Session),
    /// There is no such session, or not any more.
    Gone,
}

/// Somebody logs in: his session gets another id, which nobody knows who may have seen the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The session as it was.
    pub from: SessionHash,
    /// As it is to be known.
    pub to: SessionHash,
    /// Whose it is then.
    pub owner: OwnerId,
}

/// The truth about sessions: with the databases, or on Redis.
///
/// Stores know a session by the [hash](cartwright_domain::SessionId::hash) of its id. Whether a session has expired is decided
/// by the caller's clock and with each question, not by being cleaned up. Each method is one step that happens as a whole or not
/// at all, and one round trip.
#[async_trait]
pub trait SessionStore: Send + Sync + std::fmt::Debug + 'static {
    /// Makes a session.
    ///
    /// # Errors
    /// [`StorageError`]; nobody knows its id then, so that it does not matter whether it was made.
    async fn create_session(
        &self,
        new: &NewSession,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Session, StorageError>;

    /// Reads a session, which thereby lasts longer. `None`: there is no such session, or not any more.
    ///
    /// # Errors
    /// [`StorageError`] when it could not be read.
    async fn session(
        &self,
        hash: &SessionHash,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError>;

    /// Has a session carry something else; it lasts longer thereby. `expected`: the versions that the caller is prepared to
    /// change; empty: any.
    ///
    /// # Errors
    /// [`StorageError`]; then it carries what it did, except that an answer that was lost leaves that open.
    async fn replace_session(
        &self,
        hash: &SessionHash,
        data: &SessionData,
        expected: &[u64],
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<ReplacedSession, StorageError>;

    /// Ends a session. `false`: there was none.
    ///
    /// # Errors
    /// [`StorageError`]; it may still be there.
    async fn delete_session(&self, hash: &SessionHash, now: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Gives a session another id and an owner; it carries what it did, at the same version, and begins anew. In the same
    /// instant there is nothing under the id before. `None`: there was nothing; so of two who try, one succeeds.
    ///
    /// # Errors
    /// [`StorageError`]; nothing has happened, or, when the answer was lost, there is a session of which nobody knows the id.
    async fn rotate_session(
        &self,
        rotation: &Rotation,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError>;

    /// The sessions of somebody, those first that would end last. They do not last longer thereby.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn sessions_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<Vec<Session>, StorageError>;

    /// Ends a session of somebody by its name in lists. `false`: there was none.
    ///
    /// # Errors
    /// [`StorageError`]; it may still be there.
    async fn revoke_session(
        &self,
        owner: &OwnerId,
        handle: &SessionHandle,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Ends all sessions of somebody, or all but one: how many. None that was his before this was called is left, whatever id
    /// it gets meanwhile.
    ///
    /// # Errors
    /// [`StorageError`]; some may be ended.
    async fn revoke_sessions(
        &self,
        owner: &OwnerId,
        except: Option<&SessionHash>,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError>;

    /// Removes what has expired, so many at most: how many. It only cleans.
    ///
    /// # Errors
    /// [`StorageError`] when nothing could be removed.
    async fn clean_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError>;
}
