use std::time::Duration;

use async_trait::async_trait;
use cartwright_domain::{Gate, GateState, OpenGate, ReadSet};
use cartwright_storage::{GateStore, StorageError};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, json},
    statement::{Bind, Statement},
};

const READ: &str = "\
    SELECT epoch, opening, reopen_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 \
    FROM cache_gate WHERE id = 1";

/// A closing within a minute of its opening doubles the pause of the one before, up to 15 s.
const CLOSE: &str = "\
    UPDATE cache_gate \
    SET epoch = epoch + 1, open = 0, opening = NULL, pause_ms = next.pause, reopen_at = now + next.pause * 1000 \
    FROM (\
        SELECT now, min(15000, CASE WHEN now - opened_at < 60000000 THEN 2 * max(asked, pause_ms) ELSE asked END) \
            AS pause \
        FROM cache_gate, \
            (SELECT ? AS asked, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 AS now)\
    ) AS next \
    WHERE id = 1 AND open = 1 AND epoch = ?";

const OPEN: &str = "\
    UPDATE cache_gate \
    SET epoch = epoch + 1, open = 1, opening = ?, \
        opened_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 \
    WHERE id = 1 AND open = 0 AND epoch = ?";

const CHANGE: &str = "UPDATE cache_gate SET opening = ? WHERE id = 1 AND open = 1 AND epoch = ?";

type GateRow = (i64, Option<String>, bool);

/// Reads the gate.
pub(crate) fn read(connection: &mut SqliteConnection) -> Result<Gate, StorageError> {
    let (epoch, opening, may_open): GateRow = Statement::<(BigInt, Nullable<Text>, Bool)>::new(READ, &[])
        .get_result(connection)
        .map_err(storage_error)?;
    let state = match opening {
        None => GateState::Closed { may_open },
        Some(opening) => GateState::Open(
            serde_json::from_str(&opening).map_err(|error| broken("an opening of the gate", error))?,
        ),
    };
    Ok(Gate { epoch, state })
}

/// Whether exactly the one row was changed.
fn changed(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: &[Bind<'_>],
) -> Result<bool, StorageError> {
    match Statement::<()>::new(sql, binds).execute(connection).map_err(storage_error)? {
        0 => Ok(false),
        1 => Ok(true),
        rows => Err(StorageError::unexpected(format!("{rows} gates"))),
    }
}

#[async_trait]
impl GateStore for SqliteStore {
    async fn gate(&self) -> Result<Gate, StorageError> {
        self.readers.run(read).await
    }

    async fn close_gate(&self, epoch: i64, pause: Duration) -> Result<bool, StorageError> {
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX).min(15_000);
        self.write(move |connection| changed(connection, CLOSE, &[Bind::Int(pause), Bind::Int(epoch)])).await
    }

    async fn open_gate(&self, epoch: i64, open: &OpenGate) -> Result<bool, StorageError> {
        let opening = json(&OpenGate { previous: None, ..open.clone() })?;
        self.write(move |connection| changed(connection, OPEN, &[Bind::Text(&opening), Bind::Int(epoch)]))
            .await
    }

    async fn change_replicas(
        &self,
        epoch: i64,
        from: &OpenGate,
        to: &ReadSet,
        previous: Option<&ReadSet>,
    ) -> Result<bool, StorageError> {
        let from = from.clone();
        let next = json(&OpenGate { replicas: to.clone(), previous: previous.cloned(), ..from.clone() })?;
        self.write(move |connection| {
            let mut transaction = Transaction::begin(connection)?;
            // Compared as values: the text of the same value may differ.
            let gate = read(transaction.connection())?;
            if gate.epoch != epoch || gate.open() != Some(&from) {
                return Ok(false);
            }
            let done = changed(transaction.connection(), CHANGE, &[Bind::Text(&next), Bind::Int(epoch)])?;
            transaction.commit().map(|()| done)
        })
        .await
    }
}
