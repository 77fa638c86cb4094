use cartwright_storage::{EventRow, EventTypes, NewEvents, StorageError, TargetId, delivery_jobs};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer},
};

use super::{sql, unsigned};
use crate::{
    error::storage_error,
    jobs,
    rows::time,
    statement::{Bind, Statement},
};

/// Writes events in the transaction of what they tell of, with their numbers, and the jobs that deliver them: there is one
/// writer, so the order of numbers is that in which transactions end.
pub(crate) fn insert(
    connection: &mut SqliteConnection,
    events: &NewEvents,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    if events.is_empty() {
        return Ok(());
    }
    let (count, types) = (i64::from(events.count()), events.types());
    let binds = [Bind::Int(count), Bind::Int(now.timestamp_micros())];
    let (last, numbered_at): (i64, i64) = Statement::<(BigInt, BigInt)>::new(sql::NUMBER, &binds)
        .get_result(connection)
        .map_err(storage_error)?;
    let first = last - count + 1;
    let binds = [
        Bind::Int(first),
        Bind::Int(count),
        Bind::Int(types.bits().into()),
        Bind::Int(now.timestamp_micros()),
        Bind::Int(numbered_at),
        Bind::Text(events.packed()),
    ];
    Statement::<()>::new(sql::INSERT, &binds).execute(connection).map_err(storage_error)?;

    let targets = Statement::<(BigInt, Integer)>::new(sql::LISTENING, &[Bind::Int(types.bits().into())])
        .load::<(i64, i32)>(connection)
        .map_err(storage_error)?;
    if targets.is_empty() {
        return Ok(());
    }
    let targets: Vec<(TargetId, EventTypes)> =
        targets.into_iter().map(|(id, types)| (TargetId(id), EventTypes::of_bits(types))).collect();
    let row = EventRow {
        first: unsigned(first)?,
        count: unsigned(count)?,
        at: time(now.timestamp_micros())?,
        packed: Some(events.packed().to_owned()),
    };
    jobs::insert(connection, &delivery_jobs(&targets, &[row])?, now).map(drop)
}
