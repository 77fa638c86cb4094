//! What people do.

use std::collections::BTreeMap;

use cartwright_storage::{
    Cancelling, JobFilter, JobId, JobName, JobRecord, JobState, MAX_COUNTED, Payload, Priority, Progress,
    QueueFigures, Rate, Retried, StorageError, WorkerRecord,
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Double, Integer, Nullable, Text},
};

use super::{
    sql,
    work::{attempts, cancelled, name},
};
use crate::{
    connection::Transaction,
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
    write::put,
};

pub(super) type Columns = (
    (BigInt, Text, Text, Text, Integer, Integer, BigInt, BigInt, Integer, Integer, Nullable<Text>, Bool),
    (
        Nullable<Text>,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<Integer>,
        Nullable<Text>,
        Nullable<BigInt>,
        Text,
    ),
);

pub(super) type Row = (
    (i64, String, String, String, i32, i32, i64, i64, i32, i32, Option<String>, bool),
    (Option<String>, Option<i64>, Option<i64>, Option<i32>, Option<String>, Option<i64>, String),
);

/// What follows id, queue, kind and payload; the last column follows it.
pub(super) const LIVE: &str = "state, priority, created_at, run_at, attempt, max_attempts, \
    unique_key, state = 2 AND cancel_requested, worker, started_at, lease_until, progress, note, NULL, ";
const FINISHED: &str = "state, priority, created_at, run_at, attempt, max_attempts, \
    unique_key, 0, worker, started_at, NULL, progress, note, finished_at, ";

pub(super) fn record(row: Row) -> Result<(JobRecord, String), StorageError> {
    let (head, (worker, started_at, lease_until, progress, note, finished_at, failures)) = row;
    let (
        id,
        queue,
        kind,
        payload,
        state,
        priority,
        created_at,
        run_at,
        attempt,
        max_attempts,
        unique_key,
        cancel,
    ) = head;
    let state = i16::try_from(state).ok().and_then(JobState::of_number);
    let progress = progress
        .map(|percent| u8::try_from(percent).map_err(|error| broken("a progress", error)))
        .transpose()?;
    let record = JobRecord {
        id: JobId(id),
        queue: name(&queue)?,
        kind: name(&kind)?,
        payload: Payload::kept(payload),
        state: state.ok_or_else(|| StorageError::unexpected("a state of a job that is none"))?,
        priority: Priority::new(priority.try_into().unwrap_or_default()),
        created_at: time(created_at)?,
        run_at: time(run_at)?,
        attempt: attempts(attempt)?,
        max_attempts: attempts(max_attempts)?,
        unique_key,
        worker,
        started_at: started_at.map(time).transpose()?,
        lease_until: lease_until.map(time).transpose()?,
        progress: progress.map(|percent| Progress { percent, note: note.unwrap_or_default() }),
        cancel_requested: cancel,
        finished_at: finished_at.map(time).transpose()?,
    };
    Ok((record, failures))
}

/// Of each of the two tables so many as wanted, along their ids, and of those the latest. The values are bound once for
/// each of the two.
fn listing(filter: &JobFilter) -> (String, usize) {
    let mut conditions = String::from("true");
    for (column, wanted) in [
        ("id < ?", filter.before.is_some()),
        ("queue = ?", filter.queue.is_some()),
        ("kind = ?", filter.kind.is_some()),
    ] {
        if wanted {
            conditions = format!("{conditions} AND {column}");
        }
    }
    // Jobs that run, and dead letters, may be few among those that wait.
    let by_state = match (filter.state, &filter.queue) {
        (Some(JobState::Running), _) => Some("INDEXED BY jobs_running WHERE state = 2 AND"),
        (Some(JobState::Dead), None) => Some("INDEXED BY jobs_buried WHERE state = 3 AND"),
        (Some(JobState::Dead), Some(_)) => Some("INDEXED BY jobs_dead WHERE state = 3 AND"),
        _ => None,
    };
    let side = |table: &str, columns: &str, states: Option<&[i16]>| {
        let states = match states {
            Some([]) => return None,
            Some(states) if by_state.is_none() => {
                let states: Vec<String> = states.iter().map(ToString::to_string).collect();
                // `+`: along the ids.
                format!(" AND +state IN ({})", states.join(", "))
            }
            _ => String::new(),
        };
        let found = by_state.unwrap_or("WHERE");
        Some(format!(
            "SELECT * FROM (SELECT id, queue, kind, 'null', {columns}'' FROM {table} {found} {conditions}{states} ORDER BY id DESC LIMIT ?)"
        ))
    };
    let states = filter.state.map(JobState::numbers);
    let sides = [
        side("jobs", LIVE, states.map(|(live, _)| live)),
        side("finished_jobs", FINISHED, states.map(|(_, finished)| finished)),
    ];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    (format!("{} ORDER BY 1 DESC LIMIT ?", sides.join(" UNION ALL ")), sides.len())
}

pub(super) fn list(
    connection: &mut SqliteConnection,
    filter: &JobFilter,
) -> Result<Vec<JobRecord>, StorageError> {
    let (statement, sides) = listing(filter);
    let mut one: Vec<Bind<'_>> = Vec::new();
    one.extend(filter.before.map(|id| Bind::Int(id.0)));
    one.extend(filter.queue.as_ref().map(|queue| Bind::Text(queue.as_str())));
    one.extend(filter.kind.as_ref().map(|kind| Bind::Text(kind.as_str())));
    one.push(Bind::Int(filter.limit.into()));
    let mut binds = one.repeat(sides);
    binds.push(Bind::Int(filter.limit.into()));
    let rows =
        Statement::<Columns>::new(&statement, &binds).load::<Row>(connection).map_err(storage_error)?;
    rows.into_iter().map(|row| record(row).map(|(record, _)| record)).collect()
}

/// A job, and what is kept of its attempts.
pub(super) fn one(
    connection: &mut SqliteConnection,
    id: JobId,
) -> Result<Option<(JobRecord, String)>, StorageError> {
    let statement = format!(
        "SELECT id, queue, kind, payload, {LIVE}failures FROM jobs WHERE id = ? \
         UNION ALL SELECT id, queue, kind, payload, {FINISHED}failures FROM finished_jobs WHERE id = ?"
    );
    let row = Statement::<Columns>::new(&statement, &[Bind::Int(id.0), Bind::Int(id.0)])
        .get_result::<Row>(connection)
        .optional()
        .map_err(storage_error)?;
    row.map(record).transpose()
}

fn state(
    connection: &mut SqliteConnection,
    id: JobId,
) -> Result<Option<(i32, Option<String>)>, StorageError> {
    Statement::<(Integer, Nullable<Text>)>::new(sql::STATE, &[Bind::Int(id.0), Bind::Int(id.0)])
        .get_result(connection)
        .optional()
        .map_err(storage_error)
}

pub(super) fn cancel(
    connection: &mut SqliteConnection,
    id: JobId,
    now: DateTime<Utc>,
) -> Result<Cancelling, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let answer = match state(connection, id)? {
        None => return Ok(Cancelling::Unknown),
        Some((0 | 1, _)) => {
            cancelled(connection, id, now)?;
            Cancelling::Cancelled
        }
        Some((2, _)) => {
            Statement::<()>::new(sql::ASK, &[Bind::Int(id.0)]).execute(connection).map_err(storage_error)?;
            Cancelling::Requested
        }
        Some(_) => return Ok(Cancelling::Ended),
    };
    transaction.commit()?;
    Ok(answer)
}

pub(super) fn retry(
    connection: &mut SqliteConnection,
    id: JobId,
    now: DateTime<Utc>,
) -> Result<Retried, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let key = match state(connection, id)? {
        None => return Ok(Retried::Unknown),
        Some((3, key)) => key,
        Some(_) => return Ok(Retried::NotDead),
    };
    if let Some(key) = key {
        let other = Statement::<(Text, BigInt)>::new(sql::UNFINISHED, &[Bind::Text(&json(&[key])?)])
            .get_result::<(String, i64)>(connection)
            .optional()
            .map_err(storage_error)?;
        if let Some((_, other)) = other {
            return Ok(Retried::Duplicate(JobId(other)));
        }
    }
    let now = now.timestamp_micros();
    Statement::<()>::new(sql::RETRY, &[now, now, id.0].map(Bind::Int))
        .execute(connection)
        .map_err(storage_error)?;
    transaction.commit()?;
    Ok(Retried::Queued)
}

pub(super) fn limit(
    connection: &mut SqliteConnection,
    queue: &JobName,
    rate: Option<Rate>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let per_second = rate.map(|rate| rate.per_second.max(0.0));
    let burst = rate.map_or(1, |rate| rate.burst.max(1));
    put(connection, sql::LIMIT, &[(queue.as_str(), per_second, burst, now.timestamp_micros())]).map(drop)
}

type Queues = BTreeMap<String, QueueFigures>;

fn entry(queues: &mut Queues, queue: String) -> Result<&mut QueueFigures, StorageError> {
    Ok(match queues.entry(queue) {
        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
        std::collections::btree_map::Entry::Vacant(entry) => {
            let queue = name(entry.key())?;
            entry.insert(QueueFigures::of_none(queue))
        }
    })
}

fn unsigned(n: i64) -> Result<u64, StorageError> {
    u64::try_from(n).map_err(|error| broken("a count", error))
}

/// The queues that have jobs in a state, by skipping along the index from one to the next.
fn each_queue(
    connection: &mut SqliteConnection,
    next: &'static str,
    mut with: impl FnMut(&mut SqliteConnection, &str) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut queue = String::new();
    loop {
        let found: Option<String> = Statement::<Nullable<Text>>::new(next, &[Bind::Text(&queue)])
            .get_result(connection)
            .map_err(storage_error)?;
        let Some(found) = found else { return Ok(()) };
        with(connection, &found)?;
        queue = found;
    }
}

fn count(connection: &mut SqliteConnection, sql: &str, queue: &str) -> Result<u64, StorageError> {
    let n: i64 = Statement::<BigInt>::new(sql, &[Bind::Text(queue), Bind::Int(MOST)])
        .get_result(connection)
        .map_err(storage_error)?;
    unsigned(n)
}

const MOST: i64 = MAX_COUNTED.cast_signed();

pub(super) fn figures(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
) -> Result<Vec<QueueFigures>, StorageError> {
    let mut queues = Queues::new();
    let seconds = |at: i64| (now.timestamp_micros() - at) as f64 / 1e6;
    let rows = Statement::<(Text, Bool, Nullable<Double>, BigInt, Double, BigInt)>::new(sql::SETTINGS, &[])
        .load::<(String, bool, Option<f64>, i64, f64, i64)>(connection)
        .map_err(storage_error)?;
    for (queue, paused, per_second, burst, ..) in rows {
        let figures = entry(&mut queues, queue)?;
        let burst = u32::try_from(burst).map_err(|error| broken("a burst", error))?;
        figures.paused = paused;
        figures.rate = per_second.map(|per_second| Rate { per_second, burst });
    }
    each_queue(connection, sql::NEXT_WAITING, |connection, queue| {
        let n = count(connection, sql::COUNT_WAITING, queue)?;
        let oldest: Option<i64> = Statement::<BigInt>::new(sql::OLDEST, &[Bind::Text(queue)])
            .get_result(connection)
            .optional()
            .map_err(storage_error)?;
        entry(&mut queues, queue.to_owned())?.add_due(n, oldest.map(seconds));
        Ok(())
    })?;
    let binds = [Bind::Int(now.timestamp_micros()), Bind::Int(MOST)];
    let rows = Statement::<(Text, Bool, BigInt, BigInt)>::new(sql::SCHEDULED, &binds)
        .load::<(String, bool, i64, i64)>(connection)
        .map_err(storage_error)?;
    for (queue, due, n, oldest) in rows {
        let (figures, n) = (entry(&mut queues, queue)?, unsigned(n)?);
        if due { figures.add_due(n, Some(seconds(oldest))) } else { figures.queued += n }
    }
    let rows = Statement::<(Text, BigInt)>::new(sql::RUNNING, &[Bind::Int(MOST)])
        .load::<(String, i64)>(connection)
        .map_err(storage_error)?;
    for (queue, n) in rows {
        entry(&mut queues, queue)?.running = unsigned(n)?;
    }
    each_queue(connection, sql::NEXT_BURIED, |connection, queue| {
        entry(&mut queues, queue.to_owned())?.dead = count(connection, sql::COUNT_BURIED, queue)?;
        Ok(())
    })?;
    let since = (now - TimeDelta::minutes(1)).timestamp_micros();
    let binds = [Bind::Int(since), Bind::Int(MOST)];
    let rows = Statement::<(Text, BigInt, Nullable<Double>, Nullable<Double>)>::new(sql::DONE, &binds)
        .load::<(String, i64, Option<f64>, Option<f64>)>(connection)
        .map_err(storage_error)?;
    for (queue, n, run, wait) in rows {
        entry(&mut queues, queue)?.set_done(unsigned(n)?, run, wait);
    }
    Ok(queues.into_values().collect())
}

pub(super) fn workers(connection: &mut SqliteConnection) -> Result<Vec<WorkerRecord>, StorageError> {
    type Row = (String, String, i64, i64, i64, i64, i64);
    let rows = Statement::<(Text, Text, BigInt, BigInt, BigInt, BigInt, BigInt)>::new(sql::WORKERS, &[])
        .load::<Row>(connection)
        .map_err(storage_error)?;
    let worker = |(worker, queues, concurrency, started_at, seen_at, alive_until, running): Row| {
        Ok(WorkerRecord {
            worker: name(&worker)?,
            queues: queues.split(',').map(str::to_owned).collect(),
            concurrency: u32::try_from(concurrency).map_err(|error| broken("a concurrency", error))?,
            running: unsigned(running)?,
            started_at: time(started_at)?,
            seen_at: time(seen_at)?,
            alive_until: time(alive_until)?,
        })
    };
    rows.into_iter().map(worker).collect()
}
