use std::time::Duration;

use async_trait::async_trait;
use cartwright_domain::{Gate, OpenGate as Opening, ReadSet};
use cartwright_storage::{GateStore, StorageError};
use diesel_async::RunQueryDsl;

use crate::{
    read,
    sql::{ChangeReplicas, CloseGate, OpenGate, ReadGate},
    store::PostgresStore,
};

#[async_trait]
impl GateStore for PostgresStore {
    async fn gate(&self) -> Result<Gate, StorageError> {
        read::gate(self.run(async |connection| ReadGate {}.load(connection).await).await?)
    }

    async fn close_gate(&self, epoch: i64, pause: Duration) -> Result<bool, StorageError> {
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let statement = CloseGate { epoch, pause_ms };
        did(self.run(async |connection| statement.execute(connection).await).await?)
    }

    async fn open_gate(&self, epoch: i64, open: &Opening) -> Result<bool, StorageError> {
        let opening = json(&Opening { previous: None, ..open.clone() })?;
        let statement = OpenGate { epoch, opening: &opening };
        did(self.run(async |connection| statement.execute(connection).await).await?)
    }

    async fn change_replicas(
        &self,
        epoch: i64,
        from: &Opening,
        to: &ReadSet,
        previous: Option<&ReadSet>,
    ) -> Result<bool, StorageError> {
        let changed = Opening { replicas: to.clone(), previous: previous.cloned(), ..from.clone() };
        let (from, to) = (json(from)?, json(&changed)?);
        let statement = ChangeReplicas { epoch, from: &from, to: &to };
        did(self.run(async |connection| statement.execute(connection).await).await?)
    }
}

/// The gate has one row, which a statement finds as it wants it or does not.
fn did(rows: usize) -> Result<bool, StorageError> {
    match rows {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(StorageError::unexpected("the cache gate has more than one row")),
    }
}

fn json(opening: &Opening) -> Result<String, StorageError> {
    serde_json::to_string(opening).map_err(|error| {
        StorageError::Unexpected("an opening cannot be written as JSON".into(), Some(Box::new(error)))
    })
}
