use std::collections::{HashMap, HashSet};

use cartwright_storage::{Enqueued, JobId, MAX_ATTEMPTS, NewJob, StorageError, UniqueKey};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use super::sql::{INSERT, UNFINISHED};
use crate::{
    error::storage_error,
    rows::json,
    statement::{Bind, Statement},
};

/// Makes jobs in the transaction of the connection: one answer for each, in order. Two statements, the first of them only
/// when a job is unique.
pub(crate) fn insert(
    connection: &mut SqliteConnection,
    jobs: &[NewJob],
    now: DateTime<Utc>,
) -> Result<Vec<Enqueued>, StorageError> {
    let mut taken = unfinished(connection, jobs)?;
    let mut keys: HashSet<&str> = taken.keys().map(String::as_str).collect();
    let mut new = Vec::with_capacity(jobs.len());
    for job in jobs {
        if job.unique_key.as_ref().is_none_or(|key| keys.insert(key.as_str())) {
            new.push(job);
        }
    }
    let rows: Vec<_> = new.iter().map(|job| row(job, now)).collect();
    let mut ids = Vec::new();
    if !rows.is_empty() {
        ids = Statement::<BigInt>::new(INSERT, &[Bind::Text(&json(&rows)?)])
            .load::<i64>(connection)
            .map_err(storage_error)?;
    }
    if ids.len() != new.len() {
        return Err(StorageError::unexpected(format!("{} jobs were made, not {}", ids.len(), new.len())));
    }
    // Numbers grow in the order of the array.
    ids.sort_unstable();
    let mut ids = ids.into_iter();
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let key = job.unique_key.as_ref().map(UniqueKey::as_str);
        let existing = key.and_then(|key| taken.get(key)).copied();
        let answer = match existing {
            Some(id) => Enqueued::Existing(JobId(id)),
            None => {
                let id = ids.next().ok_or_else(|| StorageError::unexpected("a job that was not made"))?;
                taken.extend(key.map(|key| (key.to_owned(), id)));
                Enqueued::New(JobId(id))
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

/// The unfinished jobs that have the keys of these.
fn unfinished(
    connection: &mut SqliteConnection,
    jobs: &[NewJob],
) -> Result<HashMap<String, i64>, StorageError> {
    let keys: Vec<&str> = jobs.iter().filter_map(|job| Some(job.unique_key.as_ref()?.as_str())).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Statement::<(Text, BigInt)>::new(UNFINISHED, &[Bind::Text(&json(&keys)?)])
        .load::<(String, i64)>(connection)
        .map_err(storage_error)?;
    Ok(rows.into_iter().collect())
}

/// Queue, kind, state, priority, attempts, due, rank, key, payload, made.
type Row<'a> = (&'a str, &'a str, u8, i16, u16, i64, i64, Option<&'a str>, &'a str, i64);

fn row(job: &NewJob, now: DateTime<Utc>) -> Row<'_> {
    let due = job.run_at.unwrap_or(now);
    (
        job.queue.as_str(),
        job.kind.as_str(),
        u8::from(due <= now),
        job.priority.get(),
        job.max_attempts.clamp(1, MAX_ATTEMPTS),
        due.timestamp_micros(),
        job.priority.rank(due).timestamp_micros(),
        job.unique_key.as_ref().map(UniqueKey::as_str),
        job.payload.as_str(),
        now.timestamp_micros(),
    )
}
