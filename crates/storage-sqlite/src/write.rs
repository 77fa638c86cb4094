//! What a batch writes: a statement for each table, whatever the number of rows.

use cartwright_storage::{CartChange, KeptLines, StorageError};
use chrono::{DateTime, Utc};
use diesel::{RunQueryDsl, SqliteConnection};

use crate::{
    error::storage_error,
    rows::json,
    statement::{Bind, Statement},
};

// `WHERE true` tells the parser that the `ON` which follows does not belong to a join.
pub(crate) const PUT_CARTS: &str = "\
    INSERT INTO carts (owner, version, created_at, updated_at, quantities, lines) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true \
    ON CONFLICT (owner) DO UPDATE SET \
        version = excluded.version, updated_at = excluded.updated_at, \
        quantities = excluded.quantities, lines = excluded.lines";

/// Writes the carts as they are after a batch.
pub(crate) fn carts(connection: &mut SqliteConnection, changed: &[CartChange]) -> Result<(), StorageError> {
    let rows = changed.iter().map(|CartChange { after, .. }| {
        let micros = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp_micros());
        let (created, updated) = (micros(after.created_at()), micros(after.updated_at()));
        let KeptLines { quantities, lines } = KeptLines::of(after.lines())?;
        Ok((after.owner(), after.version(), created, updated, quantities, lines))
    });
    let rows = rows.collect::<Result<Vec<_>, StorageError>>()?;
    exactly(put(connection, PUT_CARTS, &rows)?, rows.len(), "carts were written")
}

/// Runs a statement whose only parameter is an array of rows; with none of them, nothing. Returns how many rows it
/// changed.
pub(crate) fn put(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: &[impl serde::Serialize],
) -> Result<usize, StorageError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let rows = json(&rows)?;
    Statement::<()>::new(sql, &[Bind::Text(&rows)]).execute(connection).map_err(storage_error)
}

/// A row that was read under the lock is still there when it is written.
pub(crate) fn exactly(count: usize, expected: usize, what: &str) -> Result<(), StorageError> {
    if count == expected {
        return Ok(());
    }
    Err(StorageError::unexpected(format!("{count} {what}, not {expected}")))
}
