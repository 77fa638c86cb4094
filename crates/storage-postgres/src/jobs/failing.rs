//! Jobs that fail.

use cartwright_storage::{Attempt, JobId, JobName, JobRecord, MAX_ATTEMPT, RetriedDead, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    result::{DatabaseErrorKind, Error},
    sql_types::{BigInt, Nullable},
};
use diesel_async::RunQueryDsl;

use super::admin::record;
use crate::{
    read,
    sql::{
        Bind, Built,
        jobs::{RecordColumns, RecordRow, live_columns, retry_dead},
    },
    store::PostgresStore,
};

/// How much is read of what is kept of a job's attempts: the last one.
const KEPT: i64 = MAX_ATTEMPT.cast_signed() as i64;

/// How often dead letters are tried again whose key somebody takes at the same moment.
pub(super) const TRIES: u32 = 10;

impl PostgresStore {
    pub(super) async fn failing(
        &self,
        queue: Option<&JobName>,
        limit: u32,
    ) -> Result<Vec<(JobRecord, Attempt)>, StorageError> {
        let mut binds = vec![Bind::Int(limit.into()), Bind::Int(KEPT)];
        let mut of_queue = "";
        if let Some(queue) = queue {
            binds.push(Bind::Text(queue.as_str()));
            of_queue = " AND queue = $3";
        }
        let columns = live_columns!("'null'", "right(failures, $2::integer)");
        let sql = format!(
            "SELECT {columns} FROM jobs WHERE failed_at IS NOT NULL{of_queue} ORDER BY failed_at DESC LIMIT $1"
        );
        let statement: Built<'_, RecordColumns> = Built::new(sql, binds);
        let rows: Vec<RecordRow> = self.run(async |connection| statement.load(connection).await).await?;
        let failing = |row| {
            let (record, kept) = record(row)?;
            let attempt = record.last_attempt(&kept);
            Ok((record, attempt))
        };
        rows.into_iter().map(failing).collect()
    }

    /// One statement; again when a key was taken while it ran.
    pub(super) async fn retry_all_dead(
        &self,
        queue: Option<&JobName>,
        after: JobId,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<RetriedDead, StorageError> {
        let mut binds = vec![Bind::Int(after.0), Bind::Int(limit.into()), Bind::Time(now)];
        let mut sql = retry_dead!("");
        if let Some(queue) = queue {
            binds.push(Bind::Text(queue.as_str()));
            sql = retry_dead!(" AND queue = $4");
        }
        let statement: Built<'_, (BigInt, BigInt, Nullable<BigInt>)> = Built::new(sql.to_owned(), binds);
        let retry = async |connection: &mut _| {
            let mut tries = TRIES;
            loop {
                tries -= 1;
                match statement.clone().get_result::<(i64, i64, Option<i64>)>(connection).await {
                    Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if tries > 0 => {}
                    other => return other,
                }
            }
        };
        let (seen, retried, last) = self.run(retry).await?;
        let (seen, retried) = (read::count(seen)?, read::count(retried)?);
        Ok(RetriedDead { retried, duplicates: seen.saturating_sub(retried), last: last.map(JobId) })
    }
}
