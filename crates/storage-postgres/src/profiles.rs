//! Profiles. Each step is one statement.

use async_trait::async_trait;
use cartwright_domain::{OwnerId, Profile, ProfileData};
use cartwright_storage::{ProfileStore, PutProfile, StorageError};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::RunQueryDsl;

use crate::{
    orders::TRIES,
    read::{bad, count},
    sessions::versions,
    sql,
    store::PostgresStore,
};

pub(crate) type Row = (i64, DateTime<Utc>, String);

pub(crate) fn profile(owner: &OwnerId, row: Option<Row>) -> Result<Profile, StorageError> {
    let Some((version, updated_at, data)) = row else { return Ok(Profile::empty(owner.clone())) };
    Ok(Profile {
        owner: owner.clone(),
        data: ProfileData::kept(data).map_err(bad("a profile that is no JSON"))?,
        version: count(version)?,
        updated_at: Some(updated_at),
    })
}

#[async_trait]
impl ProfileStore for PostgresStore {
    async fn profile(&self, owner: &OwnerId) -> Result<Profile, StorageError> {
        let statement = sql::LoadProfile { owner: owner.as_str() };
        let row =
            self.run(async |connection| statement.get_result::<Row>(connection).await.optional()).await?;
        profile(owner, row)
    }

    async fn put_profile(
        &self,
        owner: &OwnerId,
        data: &ProfileData,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<PutProfile, StorageError> {
        let versions = versions(expected);
        for _ in 0..TRIES {
            let (owner_text, data) = (owner.as_str(), data.as_str());
            let statement = sql::PutProfile { owner: owner_text, data, expected: &versions, now };
            let row = self
                .run(async |connection| {
                    statement.get_result::<(bool, i64, DateTime<Utc>, String)>(connection).await.optional()
                })
                .await?;
            let done = row.as_ref().is_some_and(|row| row.0);
            let found = profile(owner, row.map(|(_, version, at, data)| (version, at, data)))?;
            if done {
                return Ok(PutProfile::Done(found));
            }
            if !expected.is_empty() && !expected.contains(&found.version) {
                return Ok(PutProfile::Conflict(found));
            }
            // It was changed, made or removed while the statement waited for it.
        }
        Err(StorageError::Unavailable("others were quicker, again and again".into()))
    }

    async fn remove_profile(&self, owner: &OwnerId) -> Result<bool, StorageError> {
        let statement = sql::RemoveProfile { owner: owner.as_str() };
        let removed = self.run(async |connection| statement.execute(connection).await).await?;
        Ok(removed > 0)
    }
}
