//! What workers have counted.

use cartwright_storage::{Counted, JobCount, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer, Text},
};

use super::{run, sql, work::name};
use crate::{
    connection::Transaction,
    error::storage_error,
    rows::{broken, time},
    statement::{Bind, Statement},
    write::put,
};

pub(super) fn add(
    connection: &mut SqliteConnection,
    counts: &[JobCount],
    forget_before: DateTime<Utc>,
) -> Result<(), StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    run(connection, sql::FORGET_COUNTS, &[Bind::Int(forget_before.timestamp_micros())])?;
    let row = |JobCount { slot, queue, what, n }: &JobCount| {
        let (what, bucket) = what.numbers();
        (
            slot.timestamp_micros(),
            queue.as_str().to_owned(),
            what,
            bucket,
            i64::try_from(*n).unwrap_or(i64::MAX),
        )
    };
    put(connection, sql::ADD_COUNTS, &counts.iter().map(row).collect::<Vec<_>>())?;
    transaction.commit()
}

pub(super) fn since(
    connection: &mut SqliteConnection,
    slot: DateTime<Utc>,
) -> Result<Vec<JobCount>, StorageError> {
    type Columns = (BigInt, Text, Integer, Integer, BigInt);
    let rows = Statement::<Columns>::new(sql::COUNTS, &[Bind::Int(slot.timestamp_micros())])
        .load::<(i64, String, i32, i32, i64)>(connection)
        .map_err(storage_error)?;
    let count = |(slot, queue, what, bucket, n): (i64, String, i32, i32, i64)| {
        let numbers = i16::try_from(what).ok().zip(i16::try_from(bucket).ok());
        let what = numbers
            .and_then(|(what, bucket)| Counted::of_numbers(what, bucket))
            .ok_or_else(|| StorageError::unexpected("a count of what is not counted"))?;
        let n = u64::try_from(n).map_err(|error| broken("a count", error))?;
        Ok(JobCount { slot: time(slot)?, queue: name(&queue)?, what, n })
    };
    rows.into_iter().map(count).collect()
}
