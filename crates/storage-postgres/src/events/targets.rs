//! Webhook targets.

use async_trait::async_trait;
use cartwright_storage::{
    EventTypes, GoodUntil, LastDelivery, NewTarget, StorageError, TargetChange, TargetId, TargetSecret,
    TargetStore, WebhookTarget, pack_secrets, unpack_secrets,
};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::RunQueryDsl;

use crate::{
    read::{bad, count},
    sql::{AddTarget, ChangeTarget, LoadTargets, NoteDelivery, RemoveTarget, RotateSecret, TargetRow},
    store::PostgresStore,
};

fn target(row: TargetRow) -> Result<WebhookTarget, StorageError> {
    let (head, (secret, last_secret, last_until, older, created_at, updated_at), last) = row;
    let (id, url, types, description, enabled, disabled_because) = head;
    let (last_at, last_event, last_status, last_error) = last;
    let last = match last_at.zip(last_event) {
        None => None,
        Some((at, event)) => Some(LastDelivery {
            at,
            event: count(event)?,
            status: last_status.map(u16::try_from).transpose().map_err(bad("a status that cannot be"))?,
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
        previous: unpack_secrets(last_secret.map(TargetSecret::new).zip(last_until), &older)?,
        created_at,
        updated_at,
        last,
    })
}

#[async_trait]
impl TargetStore for PostgresStore {
    async fn add_target(
        &self,
        new: &NewTarget,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError> {
        let statement = AddTarget {
            url: &new.url,
            types: new.types.bits(),
            description: &new.description,
            enabled: new.enabled,
            secret: new.secret.expose(),
            now,
            most: most.into(),
        };
        let row = self.run(async |connection| statement.get_result(connection).await.optional()).await?;
        row.map(target).transpose()
    }

    async fn targets(&self) -> Result<Vec<WebhookTarget>, StorageError> {
        let statement = LoadTargets { id: None };
        let rows: Vec<TargetRow> = self.run(async |connection| statement.load(connection).await).await?;
        rows.into_iter().map(target).collect()
    }

    async fn target(&self, id: TargetId) -> Result<Option<WebhookTarget>, StorageError> {
        let statement = LoadTargets { id: Some(id.0) };
        let row = self.run(async |connection| statement.get_result(connection).await.optional()).await?;
        row.map(target).transpose()
    }

    async fn change_target(
        &self,
        id: TargetId,
        change: &TargetChange,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookTarget>, StorageError> {
        let statement = ChangeTarget {
            id: id.0,
            url: change.url.as_deref(),
            types: change.types.map(EventTypes::bits),
            description: change.description.as_deref(),
            enabled: change.enabled,
            now,
        };
        let row = self.run(async |connection| statement.get_result(connection).await.optional()).await?;
        row.map(target).transpose()
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
        let statement = RotateSecret {
            id: id.0,
            present: present.expose(),
            secret: secret.expose(),
            previous: last.map(|(secret, _)| secret.expose()),
            until: last.map(|(_, until)| *until),
            older: &older,
            now,
        };
        let row = self.run(async |connection| statement.get_result(connection).await.optional()).await?;
        row.map(target).transpose()
    }

    async fn remove_target(&self, id: TargetId) -> Result<bool, StorageError> {
        let statement = RemoveTarget { id: id.0 };
        Ok(self.run(async |connection| statement.execute(connection).await).await? > 0)
    }

    async fn note_delivery(
        &self,
        id: TargetId,
        delivery: &LastDelivery,
        gone: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError> {
        let statement = NoteDelivery {
            id: id.0,
            at: delivery.at,
            event: i64::try_from(delivery.event).map_err(bad("a number too large"))?,
            status: delivery.status.map(i16::try_from).transpose().map_err(bad("a status too large"))?,
            error: delivery.error.as_deref(),
            gone,
        };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }
}
