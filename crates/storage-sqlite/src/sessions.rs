//! Sessions.

use async_trait::async_trait;
use cartwright_domain::{OwnerId, Session, SessionData, SessionHandle, SessionHash};
use cartwright_storage::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, time},
    statement::{Bind, Statement},
};

macro_rules! columns {
    () => {
        "hash, owner, version, created_at, seen_at, expires_at, data"
    };
}

/// `?`: hash, owner (none: an empty text), twice the time, end, data.
const CREATE: &str = "\
    INSERT INTO sessions (hash, owner, version, created_at, seen_at, expires_at, data) \
    VALUES (?, nullif(?, ''), 1, ?, ?, ?, ?)";

/// `?`: owner, the one that stays, how many others may stay.
const TRIM: &str = "\
    DELETE FROM sessions WHERE hash IN (\
        SELECT hash FROM sessions WHERE owner = ? AND hash <> ? \
        ORDER BY expires_at DESC, hash LIMIT -1 OFFSET ?)";

/// `?`: hash, now.
pub(crate) const LOAD: &str =
    concat!("SELECT ", columns!(), " FROM sessions WHERE hash = ? AND expires_at > ?");

/// `?`: now, now + lifetime, at most, hash, now, when it must have been used before.
const USE: &str = concat!(
    "UPDATE sessions SET seen_at = ?, expires_at = min(?, created_at + ?) \
     WHERE hash = ? AND expires_at > ? AND seen_at <= ? RETURNING ",
    columns!()
);

/// `?`: data, now, now + lifetime, at most, hash.
const REPLACE: &str = concat!(
    "UPDATE sessions SET data = ?, version = version + 1, seen_at = max(seen_at, ?), \
         expires_at = min(?, created_at + ?) WHERE hash = ? RETURNING ",
    columns!()
);

/// `?`: hash, now.
const DELETE: &str = "DELETE FROM sessions WHERE hash = ? RETURNING expires_at > ?";

/// `?`: to, owner, twice the time, end, from, now.
const ROTATE: &str = concat!(
    "UPDATE sessions SET hash = ?, owner = ?, created_at = ?, seen_at = ?, expires_at = ? \
     WHERE hash = ? AND expires_at > ? RETURNING ",
    columns!()
);

/// `?`: owner, now.
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions WHERE owner = ? AND expires_at > ? ORDER BY expires_at DESC, hash"
);

/// `?`: owner, handle, now.
pub(crate) const REVOKE: &str =
    "DELETE FROM sessions WHERE owner = ? AND substr(hash, 1, 16) = ? RETURNING expires_at > ?";

/// `?`: owner, the one that stays, now.
pub(crate) const REVOKE_ALL: &str =
    "DELETE FROM sessions WHERE owner = ? AND hash <> ? RETURNING expires_at > ?";

/// `?`: now, how many.
pub(crate) const CLEAN: &str = "\
    DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)";

type Row = (String, Option<String>, i64, i64, i64, i64, String);
type Columns = (Text, Nullable<Text>, BigInt, BigInt, BigInt, BigInt, Text);

fn session(row: Row) -> Result<Session, StorageError> {
    let (hash, owner, version, created_at, seen_at, expires_at, data) = row;
    let hash = SessionHash::kept(&hash).map_err(|error| broken("a session", error))?;
    let owner = owner.map(|owner| OwnerId::new(&owner)).transpose();
    Ok(Session {
        handle: hash.handle(),
        owner: owner.map_err(|error| broken("an owner", error))?,
        data: SessionData::kept(data).map_err(|error| broken("what a session carries", error))?,
        version: u64::try_from(version).map_err(|error| broken("a version", error))?,
        created_at: time(created_at)?,
        seen_at: time(seen_at)?,
        expires_at: time(expires_at)?,
    })
}

fn micros(time: DateTime<Utc>) -> Bind<'static> {
    Bind::Int(time.timestamp_micros())
}

fn at_most(policy: &SessionPolicy) -> Bind<'static> {
    Bind::Int(policy.at_most.num_microseconds().unwrap_or(i64::MAX / 2))
}

fn one(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: &[Bind<'_>],
) -> Result<Option<Session>, StorageError> {
    let row = Statement::<Columns>::new(sql, binds).get_result::<Row>(connection).optional();
    row.map_err(storage_error)?.map(session).transpose()
}

/// How many of those that were removed had not ended by themselves.
fn ended(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: &[Bind<'_>],
) -> Result<u64, StorageError> {
    let rows: Vec<bool> = Statement::<Bool>::new(sql, binds).load(connection).map_err(storage_error)?;
    Ok(rows.iter().filter(|lived| **lived).count() as u64)
}

/// Those of somebody that are too many beside this one go.
fn trim(
    connection: &mut SqliteConnection,
    owner: &OwnerId,
    beside: &SessionHash,
    policy: &SessionPolicy,
) -> Result<(), StorageError> {
    let others = i64::from(policy.per_owner.max(1)) - 1;
    let binds = [Bind::Text(owner.as_str()), Bind::Text(beside.as_str()), Bind::Int(others)];
    Statement::<()>::new(TRIM, &binds).execute(connection).map(drop).map_err(storage_error)
}

/// The sessions of somebody.
pub(crate) fn list(
    connection: &mut SqliteConnection,
    owner: &OwnerId,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, StorageError> {
    let binds = [Bind::Text(owner.as_str()), micros(now)];
    let rows: Vec<Row> = Statement::<Columns>::new(LIST, &binds).load(connection).map_err(storage_error)?;
    rows.into_iter().map(session).collect()
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create_session(
        &self,
        new: &NewSession,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Session, StorageError> {
        let (new, policy) = (new.clone(), *policy);
        let create = move |connection: &mut SqliteConnection| {
            let mut transaction = Transaction::begin(connection)?;
            let connection = transaction.connection();
            let made = new.made(&policy, now);
            let owner = Bind::Text(new.owner.as_ref().map_or("", OwnerId::as_str));
            let (hash, data) = (Bind::Text(new.hash.as_str()), Bind::Text(new.data.as_str()));
            let binds = [hash, owner, micros(now), micros(now), micros(made.expires_at), data];
            Statement::<()>::new(CREATE, &binds).execute(connection).map_err(storage_error)?;
            if let Some(owner) = &new.owner {
                trim(connection, owner, &new.hash, &policy)?;
            }
            transaction.commit()?;
            Ok(made)
        };
        self.write(create).await
    }

    async fn session(
        &self,
        hash: &SessionHash,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let (hash, policy) = (hash.clone(), *policy);
        let wanted = hash.clone();
        let found = self
            .readers
            .run(move |connection| one(connection, LOAD, &[Bind::Text(wanted.as_str()), micros(now)]));
        let found = found.await?;
        if found.as_ref().is_none_or(|found| found.seen_at > policy.fresh_since(now)) {
            return Ok(found);
        }
        // Most reads need not wait for whoever writes.
        let used = self.write(move |connection| {
            let (hash, stale) = (Bind::Text(hash.as_str()), policy.fresh_since(now));
            let until = micros(now + policy.lifetime);
            let binds = [micros(now), until, at_most(&policy), hash, micros(now), micros(stale)];
            match one(connection, USE, &binds)? {
                Some(used) => Ok(Some(used)),
                // Somebody else has used it, or ended it.
                None => one(connection, LOAD, &[hash, micros(now)]),
            }
        });
        // It may have come to its end by having been used: the policy became shorter.
        Ok(used.await?.filter(|session| session.expires_at > now))
    }

    async fn replace_session(
        &self,
        hash: &SessionHash,
        data: &SessionData,
        expected: &[u64],
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<ReplacedSession, StorageError> {
        let (hash, data, policy, expected) = (hash.clone(), data.clone(), *policy, expected.to_vec());
        let replace = move |connection: &mut SqliteConnection| {
            let mut transaction = Transaction::begin(connection)?;
            let connection = transaction.connection();
            let hash = Bind::Text(hash.as_str());
            let Some(present) = one(connection, LOAD, &[hash, micros(now)])? else {
                return Ok(ReplacedSession::Gone);
            };
            if !expected.is_empty() && !expected.contains(&present.version) {
                return Ok(ReplacedSession::Conflict(present));
            }
            let until = micros(now + policy.lifetime);
            let binds = [Bind::Text(data.as_str()), micros(now), until, at_most(&policy), hash];
            let replaced = one(connection, REPLACE, &binds)?;
            transaction.commit()?;
            let missing = || StorageError::unexpected("a session vanished inside a transaction");
            replaced.map(ReplacedSession::Done).ok_or_else(missing)
        };
        self.write(replace).await
    }

    async fn delete_session(&self, hash: &SessionHash, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let hash = hash.clone();
        let delete = move |connection: &mut SqliteConnection| {
            ended(connection, DELETE, &[Bind::Text(hash.as_str()), micros(now)])
        };
        Ok(self.write(delete).await? > 0)
    }

    async fn rotate_session(
        &self,
        rotation: &Rotation,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let (Rotation { from, to, owner }, policy) = (rotation.clone(), *policy);
        let rotate = move |connection: &mut SqliteConnection| {
            let mut transaction = Transaction::begin(connection)?;
            let connection = transaction.connection();
            let binds = [
                Bind::Text(to.as_str()),
                Bind::Text(owner.as_str()),
                micros(now),
                micros(now),
                micros(policy.expires_at(now, now)),
                Bind::Text(from.as_str()),
                micros(now),
            ];
            let rotated = one(connection, ROTATE, &binds)?;
            if rotated.is_some() {
                trim(connection, &owner, &to, &policy)?;
            }
            transaction.commit()?;
            Ok(rotated)
        };
        self.write(rotate).await
    }

    async fn sessions_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<Vec<Session>, StorageError> {
        let owner = owner.clone();
        self.readers.run(move |connection| list(connection, &owner, now)).await
    }

    async fn revoke_session(
        &self,
        owner: &OwnerId,
        handle: &SessionHandle,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let (owner, handle) = (owner.clone(), handle.clone());
        let revoke = move |connection: &mut SqliteConnection| {
            let binds = [Bind::Text(owner.as_str()), Bind::Text(handle.as_str()), micros(now)];
            ended(connection, REVOKE, &binds)
        };
        Ok(self.write(revoke).await? > 0)
    }

    async fn revoke_sessions(
        &self,
        owner: &OwnerId,
        except: Option<&SessionHash>,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let (owner, except) = (owner.clone(), except.cloned());
        let revoke = move |connection: &mut SqliteConnection| {
            let except = Bind::Text(except.as_ref().map_or("", SessionHash::as_str));
            ended(connection, REVOKE_ALL, &[Bind::Text(owner.as_str()), except, micros(now)])
        };
        self.write(revoke).await
    }

    async fn clean_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let clean = move |connection: &mut SqliteConnection| {
            let binds = [micros(now), Bind::Int(limit.into())];
            Statement::<()>::new(CLEAN, &binds).execute(connection).map_err(storage_error)
        };
        let cleaned = self.write(clean).await?;
        u64::try_from(cleaned).map_err(|error| broken("a count", error))
    }
}
