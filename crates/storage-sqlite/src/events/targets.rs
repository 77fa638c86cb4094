//! Webhook targets.

use async_trait::async_trait;
use cartwright_storage::{
    EventTypes, GoodUntil, LastDelivery, NewTarget, StorageError, TargetChange, TargetId, TargetSecret,
    TargetStore, WebhookTarget, pack_secrets, unpack_secrets,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};

use super::{sql, unsigned};
use crate::{
    SqliteStore,
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
};

type Columns = (
    (BigInt, Text, Integer, Text, Bool, Nullable<Text>),
    (Text, Nullable<Text>, Nullable<BigInt>, Text, BigInt, BigInt),
    (Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>),
);

type Row = (
    (i64, String, i32, String, bool, Option<String>),
    (String, Option<String>, Option<i64>, String, i64, i64),
    (Option<i64>, Option<i64>, Option<i64>, Option<String>),
);

fn target(row: Row) -> Result<WebhookTarget, StorageError> {
    let (head, (secret, last_secret, last_until, older, created_at, updated_at), last) = row;
    let (id, url, types, description, enabled, disabled_because) = head;
    let (last_at, last_event, last_status, last_error) = last;
    let last_secret = last_secret.map(TargetSecret::new).zip(last_until.map(time).transpose()?);
    let status = |status: i64| u16::try_from(status).map_err(|error| broken("a status", error));
    let last = match last_at.zip(last_event) {
        None => None,
        Some((at, event)) => Some(LastDelivery {
            at: time(at)?,
            event: unsigned(event)?,
            status: last_status.map(status).transpose()?,
            error: last_error,
        }),
    };
    Ok(WebhookTarget {
        id: TargetId(id),
        url,
        types: EventTypes::of_bits(types),
        description,
        enabled,
        disabled_because,
        secret: TargetSecret::new(secret),
        previous: unpack_secrets(last_secret, &older)?,
        created_at: time(created_at)?,
        updated_at: time(updated_at)?,
        last,
    })
}

/// The target that a statement returns, if it does.
fn one(
    connection: &mut SqliteConnection,
    sql: &str,
    binds: &[Bind<'_>],
) -> Result<Option<WebhookTarget>, StorageError> {
    let row = Statement::<Columns>::new(sql, binds)
        .get_result::<Row>(connection)
        .optional()
        .map_err(storage_error)?;
    row.map(target).transpose()
}

#[async_trait]
impl TargetStore for SqliteStore {
    async fn add_target(
        &self,
        new: &NewTarget,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError> {
        let NewTarget { url, types, description, enabled, secret } = new;
        let now = now.timestamp_micros();
        let row = json(&(url, types.bits(), description, u8::from(*enabled), secret.expose(), now))?;
        self.write(move |connection| {
            one(connection, sql::ADD_TARGET, &[Bind::Text(&row), Bind::Int(most.into())])
        })
        .await
    }

    async fn targets(&self) -> Result<Vec<WebhookTarget>, StorageError> {
        let load = |connection: &mut _| {
            Statement::<Columns>::new(sql::TARGETS, &[]).load::<Row>(connection).map_err(storage_error)
        };
        self.readers.run(load).await?.into_iter().map(target).collect()
    }

    async fn target(&self, id: TargetId) -> Result<Option<WebhookTarget>, StorageError> {
        self.readers.run(move |connection| one(connection, sql::TARGET, &[Bind::Int(id.0)])).await
    }

    async fn change_target(
        &self,
        id: TargetId,
        change: &TargetChange,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError> {
        let TargetChange { url, types, description, enabled } = change;
        let (types, enabled) = (types.map(EventTypes::bits), enabled.map(u8::from));
        let row = json(&(url, types, description, enabled, now.timestamp_micros()))?;
        self.write(move |connection| {
            one(connection, sql::CHANGE_TARGET, &[Bind::Text(&row), Bind::Int(id.0)])
        })
        .await
    }

    async fn rotate_secret(
        &self,
        id: TargetId,
        present: &TargetSecret,
        secret: &TargetSecret,
        previous: &[GoodUntil],
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError> {
        let (last, older) = pack_secrets(previous);
        let last = last.map(|(secret, until)| (secret.expose(), until.timestamp_micros())).unzip();
        let row = json(&(secret.expose(), last.0, last.1, older, now.timestamp_micros()))?;
        let present = present.clone();
        self.write(move |connection| {
            let present = Bind::Text(present.expose());
            one(connection, sql::ROTATE, &[Bind::Text(&row), Bind::Int(id.0), present])
        })
        .await
    }

    async fn remove_target(&self, id: TargetId) -> Result<bool, StorageError> {
        let remove = move |connection: &mut _| {
            Statement::<()>::new(sql::REMOVE_TARGET, &[Bind::Int(id.0)])
                .execute(connection)
                .map_err(storage_error)
        };
        Ok(self.write(remove).await? > 0)
    }

    async fn note_delivery(
        &self,
        id: TargetId,
        delivery: &LastDelivery,
        gone: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError> {
        let LastDelivery { at, event, status, error } = delivery;
        let gone = gone.map(|unchanged_since| unchanged_since.timestamp_micros());
        let row = json(&(at.timestamp_micros(), event, status, error, gone))?;
        let note = move |connection: &mut _| {
            Statement::<()>::new(sql::NOTE, &[Bind::Text(&row), Bind::Int(id.0)])
                .execute(connection)
                .map_err(storage_error)
        };
        self.write(note).await.map(drop)
    }
}
