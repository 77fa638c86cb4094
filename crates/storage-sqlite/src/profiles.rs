//! Profiles.

use async_trait::async_trait;
use cartwright_domain::{OwnerId, Profile, ProfileData};
use cartwright_storage::{ProfileStore, PutProfile, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, time},
    statement::{Bind, Statement},
};

pub(crate) const LOAD: &str = "SELECT version, updated_at, data FROM profiles WHERE owner = ?";

/// `?`: owner, version, time, data.
const PUT: &str = "\
    INSERT INTO profiles (owner, version, updated_at, data) VALUES (?, ?, ?, ?) \
    ON CONFLICT (owner) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at, data = excluded.data";

const REMOVE: &str = "DELETE FROM profiles WHERE owner = ?";

pub(crate) fn load(connection: &mut SqliteConnection, owner: &OwnerId) -> Result<Profile, StorageError> {
    let binds = [Bind::Text(owner.as_str())];
    let row = Statement::<(BigInt, BigInt, Text)>::new(LOAD, &binds);
    let row: Option<(i64, i64, String)> = row.get_result(connection).optional().map_err(storage_error)?;
    let Some((version, updated_at, data)) = row else { return Ok(Profile::empty(owner.clone())) };
    Ok(Profile {
        owner: owner.clone(),
        data: ProfileData::kept(data).map_err(|error| broken("a profile", error))?,
        version: u64::try_from(version).map_err(|error| broken("a version", error))?,
        updated_at: Some(time(updated_at)?),
    })
}

#[async_trait]
impl ProfileStore for SqliteStore {
    async fn profile(&self, owner: &OwnerId) -> Result<Profile, StorageError> {
        let owner = owner.clone();
        self.readers.run(move |connection| load(connection, &owner)).await
    }

    async fn put_profile(
        &self,
        owner: &OwnerId,
        data: &ProfileData,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<PutProfile, StorageError> {
        let (owner, data, expected) = (owner.clone(), data.clone(), expected.to_vec());
        let put = move |connection: &mut SqliteConnection| {
            let mut transaction = Transaction::begin(connection)?;
            let connection = transaction.connection();
            let present = load(connection, &owner)?;
            if !expected.is_empty() && !expected.contains(&present.version) {
                return Ok(PutProfile::Conflict(present));
            }
            let version = present.version + 1;
            let kept = i64::try_from(version).map_err(|error| broken("a version", error))?;
            let at = Bind::Int(now.timestamp_micros());
            let binds = [Bind::Text(owner.as_str()), Bind::Int(kept), at, Bind::Text(data.as_str())];
            Statement::<()>::new(PUT, &binds).execute(connection).map_err(storage_error)?;
            transaction.commit()?;
            Ok(PutProfile::Done(Profile { owner, data, version, updated_at: Some(now) }))
        };
        self.write(put).await
    }

    async fn remove_profile(&self, owner: &OwnerId) -> Result<bool, StorageError> {
        let owner = owner.clone();
        let remove = move |connection: &mut SqliteConnection| {
            let binds = [Bind::Text(owner.as_str())];
            Statement::<()>::new(REMOVE, &binds).execute(connection).map_err(storage_error)
        };
        Ok(self.write(remove).await? > 0)
    }
}
