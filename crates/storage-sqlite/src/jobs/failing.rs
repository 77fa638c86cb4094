//! Jobs that fail.

use std::collections::HashSet;

use cartwright_storage::{Attempt, JobId, JobName, JobRecord, MAX_ATTEMPT, RetriedDead, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    admin::{Columns, LIVE, Row, record},
    run, sql,
};
use crate::{
    connection::Transaction,
    error::storage_error,
    rows::json,
    statement::{Bind, Statement},
};

pub(super) fn list(
    connection: &mut SqliteConnection,
    queue: Option<&JobName>,
    limit: u32,
) -> Result<Vec<(JobRecord, Attempt)>, StorageError> {
    let of_queue = if queue.is_some() { " AND queue = ?" } else { "" };
    let statement = format!(
        "SELECT id, queue, kind, 'null', {LIVE}substr(failures, -{MAX_ATTEMPT}) FROM jobs INDEXED BY jobs_failed \
         WHERE failed_at IS NOT NULL{of_queue} ORDER BY failed_at DESC LIMIT ?"
    );
    let mut binds: Vec<Bind<'_>> = queue.iter().map(|queue| Bind::Text(queue.as_str())).collect();
    binds.push(Bind::Int(limit.into()));
    let rows =
        Statement::<Columns>::new(&statement, &binds).load::<Row>(connection).map_err(storage_error)?;
    let failing = |row| {
        let (record, kept) = record(row)?;
        let attempt = record.last_attempt(&kept);
        Ok((record, attempt))
    };
    rows.into_iter().map(failing).collect()
}

pub(super) fn retry_dead(
    connection: &mut SqliteConnection,
    queue: Option<&JobName>,
    after: JobId,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<RetriedDead, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let (after, limit) = (Bind::Int(after.0), Bind::Int(limit.into()));
    let (statement, binds) = match queue {
        None => (sql::DEAD, vec![after, limit]),
        Some(queue) => (sql::DEAD_OF_QUEUE, vec![after, Bind::Text(queue.as_str()), limit]),
    };
    let dead = Statement::<(BigInt, Nullable<Text>, Bool)>::new(statement, &binds)
        .load::<(i64, Option<String>, bool)>(connection)
        .map_err(storage_error)?;
    // Of several with one key the first.
    let mut keys: HashSet<&str> = HashSet::new();
    let mut ids: Vec<i64> = Vec::with_capacity(dead.len());
    for (id, key, taken) in &dead {
        if key.as_deref().is_none_or(|key| !taken && keys.insert(key)) {
            ids.push(*id);
        }
    }
    let now = Bind::Int(now.timestamp_micros());
    let retried = run(connection, sql::RETRY_ALL, &[now, now, Bind::Text(&json(&ids)?)])?;
    transaction.commit()?;
    Ok(RetriedDead {
        retried,
        duplicates: (dead.len() as u64).saturating_sub(retried),
        last: dead.last().map(|(id, ..)| JobId(*id)),
    })
}
