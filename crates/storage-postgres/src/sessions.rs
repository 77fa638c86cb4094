//! Sessions. Each step is one statement.

use async_trait::async_trait;
use cartwright_domain::{OwnerId, Session, SessionData, SessionHandle, SessionHash};
use cartwright_storage::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore, StorageError};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::RunQueryDsl;

use crate::{
    error::collided,
    orders::TRIES,
    read::{bad, count},
    sql::{
        CleanSessions, CreateSession, DeleteSession, LoadSessionsOf, ReadSession, ReplaceSession,
        RevokeSession, RevokeSessions, RotateSession, SessionRow,
    },
    store::PostgresStore,
};

type Replaced = (bool, String, Option<String>, i64, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, String);

pub(crate) fn session(row: SessionRow) -> Result<Session, StorageError> {
    let (hash, owner, version, created_at, seen_at, expires_at, data) = row;
    let hash = SessionHash::kept(&hash).map_err(bad("a session with a bad hash"))?;
    let owner = owner.map(|owner| OwnerId::new(&owner).map_err(bad("a session of nobody"))).transpose()?;
    Ok(Session {
        handle: hash.handle(),
        owner,
        data: SessionData::kept(data).map_err(bad("a session that carries no JSON"))?,
        version: count(version)?,
        created_at,
        seen_at,
        expires_at,
    })
}

fn at_most(policy: &SessionPolicy) -> i64 {
    policy.at_most.num_microseconds().unwrap_or(i64::MAX)
}

fn most(policy: &SessionPolicy) -> i32 {
    i32::try_from(policy.per_owner).unwrap_or(i32::MAX)
}

/// A version that no row can have is none that is expected.
pub(crate) fn versions(expected: &[u64]) -> Vec<i64> {
    expected.iter().map(|version| i64::try_from(*version).unwrap_or(-1)).collect()
}

/// How many of those that were removed had not ended by themselves.
fn ended(rows: &[(bool,)]) -> u64 {
    rows.iter().filter(|(lived,)| *lived).count() as u64
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn create_session(
        &self,
        new: &NewSession,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Session, StorageError> {
        let made = new.made(policy, now);
        let statement = CreateSession {
            hash: new.hash.as_str(),
            owner: new.owner.as_ref().map(OwnerId::as_str),
            now,
            expires_at: made.expires_at,
            data: new.data.as_str(),
            most: most(policy),
        };
        self.run(async |connection| statement.execute(connection).await).await?;
        Ok(made)
    }

    async fn session(
        &self,
        hash: &SessionHash,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let statement = ReadSession {
            hash: hash.as_str(),
            now,
            stale: policy.fresh_since(now),
            expires_at: now + policy.lifetime,
            at_most: at_most(policy),
        };
        let row = self
            .run(async |connection| statement.get_result::<SessionRow>(connection).await.optional())
            .await?;
        // It may have come to its end by having been used: the policy became shorter.
        Ok(row.map(session).transpose()?.filter(|session| session.expires_at > now))
    }

    async fn replace_session(
        &self,
        hash: &SessionHash,
        data: &SessionData,
        expected: &[u64],
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<ReplacedSession, StorageError> {
        let versions = versions(expected);
        for _ in 0..TRIES {
            let statement = ReplaceSession {
                hash: hash.as_str(),
                now,
                expires_at: now + policy.lifetime,
                at_most: at_most(policy),
                data: data.as_str(),
                expected: &versions,
            };
            let row = self
                .run(async |connection| statement.get_result::<Replaced>(connection).await.optional())
                .await?;
            let Some((done, hash, owner, version, created, seen, expires, data)) = row else {
                return Ok(ReplacedSession::Gone);
            };
            let session = session((hash, owner, version, created, seen, expires, data))?;
            if done {
                return Ok(ReplacedSession::Done(session));
            }
            if !expected.is_empty() && !expected.contains(&session.version) {
                return Ok(ReplacedSession::Conflict(session));
            }
            // It was changed, or ended, while the statement waited for it.
        }
        Err(StorageError::Unavailable("others were quicker, again and again".into()))
    }

    async fn delete_session(&self, hash: &SessionHash, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let statement = DeleteSession { hash: hash.as_str(), now };
        let rows: Vec<(bool,)> = self.run(async |connection| statement.load(connection).await).await?;
        Ok(ended(&rows) > 0)
    }

    async fn rotate_session(
        &self,
        rotation: &Rotation,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let statement = RotateSession {
            from: rotation.from.as_str(),
            to: rotation.to.as_str(),
            owner: rotation.owner.as_str(),
            now,
            expires_at: policy.expires_at(now, now),
            most: most(policy),
        };
        let row = self
            .run(async |connection| statement.get_result::<SessionRow>(connection).await.optional())
            .await?;
        row.map(session).transpose()
    }

    async fn sessions_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<Vec<Session>, StorageError> {
        let statement = LoadSessionsOf { owner: owner.as_str(), now };
        let rows: Vec<SessionRow> = self.run(async |connection| statement.load(connection).await).await?;
        rows.into_iter().map(session).collect()
    }

    async fn revoke_session(
        &self,
        owner: &OwnerId,
        handle: &SessionHandle,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let statement = RevokeSession { owner: owner.as_str(), handle: handle.as_str(), now };
        let rows: Vec<(bool,)> = self.run(async |connection| statement.load(connection).await).await?;
        Ok(ended(&rows) > 0)
    }

    /// Two that end the same rows may lock them in different orders; the server ends one of them, which begins anew.
    async fn revoke_sessions(
        &self,
        owner: &OwnerId,
        except: Option<&SessionHash>,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let except = except.map_or("", SessionHash::as_str);
        let mut tries = 0;
        loop {
            let statement = RevokeSessions { owner: owner.as_str(), except, now };
            let rows: Result<Vec<(bool,)>, _> =
                self.run(async |connection| statement.load(connection).await).await;
            tries += 1;
            match rows {
                Ok(rows) => return Ok(ended(&rows)),
                Err(StorageError::Unavailable(cause))
                    if tries < TRIES && cause.downcast_ref().is_some_and(collided) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn clean_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let statement = CleanSessions { now, limit: i32::try_from(limit).unwrap_or(i32::MAX) };
        let cleaned = self.run(async |connection| statement.execute(connection).await).await?;
        Ok(u64::try_from(cleaned).unwrap_or(u64::MAX))
    }
}
