//! What workers and schedules do.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cartwright_storage::{
    Beat, Claimed, Finished, Hold, JobId, JobName, JobOutcome, LEASE_LOST, MAX_ERROR, MAX_NOTE, NewJob,
    Payload, Priority, Progress, StorageError, TakenBack, Tick, kept_text,
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Double, Integer, Nullable, Text},
};

use super::{insert, sql};
use crate::{
    connection::Transaction,
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
    write::put,
};

/// How many jobs whose time has come begin to wait for a worker with one claim.
const PROMOTED: i64 = 1_000;

const DEAD: u8 = 3;
const DONE: i64 = 4;
const CANCELLED: i64 = 5;

/// What a worker wants, as a value of its own.
pub(super) struct Wanted {
    pub(super) worker: JobName,
    pub(super) queues: Vec<JobName>,
    pub(super) limit: u32,
    pub(super) lease: Duration,
}

pub(super) fn until(now: DateTime<Utc>, lease: Duration) -> i64 {
    let until = TimeDelta::from_std(lease).ok().and_then(|lease| now.checked_add_signed(lease));
    until.unwrap_or(now).timestamp_micros()
}

pub(super) fn name(text: &str) -> Result<JobName, StorageError> {
    JobName::new(text).map_err(|error| broken("a name of a job", error))
}

pub(super) fn attempts(n: i32) -> Result<u16, StorageError> {
    u16::try_from(n).map_err(|error| broken("a number of attempts", error))
}

fn run(connection: &mut SqliteConnection, sql: &str, binds: &[Bind<'_>]) -> Result<usize, StorageError> {
    Statement::<()>::new(sql, binds).execute(connection).map_err(storage_error)
}

/// What may be taken of a queue.
struct Bucket {
    paused: bool,
    /// Whole tokens, and all of them. `None`: no limit.
    tokens: Option<f64>,
}

fn buckets(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
) -> Result<HashMap<String, Bucket>, StorageError> {
    type Columns = (Text, Bool, Nullable<Double>, BigInt, Double, BigInt);
    let rows = Statement::<Columns>::new(sql::SETTINGS, &[])
        .load::<(String, bool, Option<f64>, i64, f64, i64)>(connection)
        .map_err(storage_error)?;
    let bucket =
        |(queue, paused, per_second, burst, tokens, refilled_at): (_, _, Option<f64>, i64, f64, i64)| {
            let seconds = (now.timestamp_micros() - refilled_at).max(0) as f64 / 1e6;
            let tokens = per_second.map(|rate| (tokens + rate * seconds).min(burst as f64));
            (queue, Bucket { paused, tokens })
        };
    Ok(rows.into_iter().map(bucket).collect())
}

pub(super) fn claim(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let micros = now.timestamp_micros();
    run(connection, sql::PROMOTE, &[Bind::Int(micros), Bind::Int(PROMOTED)])?;
    let buckets = buckets(connection, now)?;
    let queues: HashSet<&JobName> = wanted.queues.iter().collect();
    let mut next: Vec<(i64, i64, &JobName)> = Vec::new();
    for queue in queues {
        let bucket = buckets.get(queue.as_str());
        if bucket.is_some_and(|bucket| bucket.paused) {
            continue;
        }
        let tokens = bucket.and_then(|bucket| bucket.tokens);
        let limit = tokens.map_or(i64::MAX, |tokens| (tokens + 1e-9).floor() as i64).min(wanted.limit.into());
        let binds = [Bind::Text(queue.as_str()), Bind::Int(limit)];
        let rows = Statement::<(BigInt, BigInt)>::new(sql::NEXT, &binds)
            .load::<(i64, i64)>(connection)
            .map_err(storage_error)?;
        next.extend(rows.into_iter().map(|(id, rank)| (rank, id, queue)));
    }
    if next.is_empty() {
        // Rolled back, what has come due comes due with the next claim.
        return Ok(Vec::new());
    }
    next.sort_unstable_by_key(|(rank, id, _)| (*rank, *id));
    next.truncate(usize::try_from(wanted.limit).unwrap_or(usize::MAX));
    let mut spent: HashMap<&str, u32> = HashMap::new();
    for (_, _, queue) in &next {
        *spent.entry(queue.as_str()).or_default() += 1;
    }
    let left = |(queue, n): (&str, u32)| {
        let tokens = buckets.get(queue)?.tokens?;
        Some((queue.to_owned(), (tokens - f64::from(n)).max(0.0), micros))
    };
    let left: Vec<_> = spent.into_iter().filter_map(left).collect();
    put(connection, sql::SPEND, &left)?;
    let ids: Vec<i64> = next.iter().map(|(_, id, _)| *id).collect();
    let taken = take(connection, wanted, now, &ids)?;
    transaction.commit()?;
    Ok(taken)
}

type TakenColumns = (BigInt, Integer, Text, Text, Text, Integer, Integer, Integer, BigInt, BigInt);
type TakenRow = (i64, i32, String, String, String, i32, i32, i32, i64, i64);

fn take(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    now: DateTime<Utc>,
    ids: &[i64],
) -> Result<Vec<Claimed>, StorageError> {
    let ids = json(ids)?;
    let binds = [
        Bind::Text(wanted.worker.as_str()),
        Bind::Int(now.timestamp_micros()),
        Bind::Int(until(now, wanted.lease)),
        Bind::Text(&ids),
    ];
    let mut rows = Statement::<TakenColumns>::new(sql::TAKE, &binds)
        .load::<TakenRow>(connection)
        .map_err(storage_error)?;
    rows.sort_unstable_by_key(|row| (row.9, row.0));
    let claimed = |(id, fence, queue, kind, payload, priority, attempt, max, run_at, _): TakenRow| {
        Ok(Claimed {
            hold: Hold { id: JobId(id), fence },
            queue: name(&queue)?,
            kind: name(&kind)?,
            payload: Payload::kept(payload),
            priority: Priority::new(priority.try_into().unwrap_or_default()),
            attempt: attempts(attempt)?,
            max_attempts: attempts(max)?,
            run_at: time(run_at)?,
        })
    };
    rows.into_iter().map(claimed).collect()
}

/// Which of these are still held, and whether somebody wants them cancelled.
fn held(connection: &mut SqliteConnection, holds: &[Hold]) -> Result<HashMap<Hold, bool>, StorageError> {
    let wanted: Vec<(i64, i32)> = holds.iter().map(|hold| (hold.id.0, hold.fence)).collect();
    let rows = Statement::<(BigInt, Integer, Bool)>::new(sql::HELD, &[Bind::Text(&json(&wanted)?)])
        .load::<(i64, i32, bool)>(connection)
        .map_err(storage_error)?;
    Ok(rows.into_iter().map(|(id, fence, unwanted)| (Hold { id: JobId(id), fence }, unwanted)).collect())
}

/// A worker's sign of life, as values of its own.
pub(super) struct Sign {
    pub(super) worker: JobName,
    pub(super) queues: String,
    pub(super) concurrency: u32,
    pub(super) lease: Duration,
    pub(super) jobs: Vec<(Hold, Option<Progress>)>,
}

pub(super) fn beat(
    connection: &mut SqliteConnection,
    sign: &Sign,
    now: DateTime<Utc>,
) -> Result<Vec<Beat>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let until = until(now, sign.lease);
    let worker = (sign.worker.as_str(), &sign.queues, sign.concurrency, now.timestamp_micros(), until);
    put(connection, sql::SEEN, &[worker])?;
    let holds: Vec<Hold> = sign.jobs.iter().map(|(hold, _)| *hold).collect();
    let held = held(connection, &holds)?;
    let row = |(hold, progress): &(Hold, Option<Progress>)| {
        let (percent, note) = progress
            .as_ref()
            .map(|progress| (progress.percent.min(100), kept_text(&progress.note, MAX_NOTE)))
            .unzip();
        held.contains_key(hold).then_some((hold.id.0, percent, note))
    };
    let rows: Vec<_> = sign.jobs.iter().filter_map(row).collect();
    if !rows.is_empty() {
        run(connection, sql::BEAT, &[Bind::Int(until), Bind::Text(&json(&rows)?)])?;
    }
    transaction.commit()?;
    let answer = |hold: &Hold| match held.get(hold) {
        Some(false) => Beat::Held,
        Some(true) => Beat::Cancel,
        None => Beat::Lost,
    };
    Ok(holds.iter().map(answer).collect())
}

pub(super) fn to_cancel(
    connection: &mut SqliteConnection,
    worker: &JobName,
) -> Result<Vec<Hold>, StorageError> {
    let rows = Statement::<(BigInt, Integer)>::new(sql::TO_CANCEL, &[Bind::Text(worker.as_str())])
        .load::<(i64, i32)>(connection)
        .map_err(storage_error)?;
    Ok(rows.into_iter().map(|(id, fence)| Hold { id: JobId(id), fence }).collect())
}

/// Moves jobs to those that are finished.
pub(super) fn move_finished(
    connection: &mut SqliteConnection,
    state: i64,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = json(ids)?;
    let binds = [Bind::Int(state), Bind::Int(now.timestamp_micros()), Bind::Text(&ids)];
    run(connection, sql::KEEP_FINISHED, &binds)?;
    run(connection, sql::REMOVE, &[Bind::Text(&ids)]).map(drop)
}

/// Moves a job that is cancelled.
pub(super) fn cancelled(
    connection: &mut SqliteConnection,
    id: JobId,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    move_finished(connection, CANCELLED, &[id.0], now)
}

/// Id, state, when it is due, and the error.
type FailedRow = (i64, u8, i64, Option<String>);

fn fail(
    connection: &mut SqliteConnection,
    failed: &[FailedRow],
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    if failed.is_empty() {
        return Ok(());
    }
    let now = Bind::Int(now.timestamp_micros());
    run(connection, sql::FAIL, &[now, now, Bind::Text(&json(failed)?)]).map(drop)
}

pub(super) fn finish(
    connection: &mut SqliteConnection,
    ended: &[Finished],
    now: DateTime<Utc>,
) -> Result<Vec<bool>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let holds: Vec<Hold> = ended.iter().map(|end| end.hold).collect();
    let held = held(connection, &holds)?;
    let (mut done, mut cancelled, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for Finished { hold, outcome } in ended {
        let Some(unwanted) = held.get(hold) else { continue };
        let waits = |at: DateTime<Utc>| (u8::from(at <= now), at.timestamp_micros());
        let (state, at, error) = match outcome {
            JobOutcome::Done => {
                done.push(hold.id.0);
                continue;
            }
            // Also when the worker has not heard of it.
            _ if *unwanted || *outcome == JobOutcome::Cancelled => {
                cancelled.push(hold.id.0);
                continue;
            }
            JobOutcome::Cancelled => continue,
            JobOutcome::Retry { at, error } => {
                let (state, at) = waits(*at);
                (state, at, Some(error))
            }
            JobOutcome::Returned { at } => {
                let (state, at) = waits(*at);
                (state, at, None)
            }
            JobOutcome::Dead { error } => (DEAD, now.timestamp_micros(), Some(error)),
        };
        failed.push((hold.id.0, state, at, error.map(|error| kept_text(error, MAX_ERROR))));
    }
    move_finished(connection, DONE, &done, now)?;
    move_finished(connection, CANCELLED, &cancelled, now)?;
    fail(connection, &failed, now)?;
    transaction.commit()?;
    Ok(holds.iter().map(|hold| held.contains_key(hold)).collect())
}

pub(super) fn take_back(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<TakenBack, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let micros = now.timestamp_micros();
    let binds = [Bind::Int(micros), Bind::Int(limit.into())];
    let rows = Statement::<(BigInt, Integer, Integer, Bool)>::new(sql::LOST, &binds)
        .load::<(i64, i32, i32, bool)>(connection)
        .map_err(storage_error)?;
    let (mut taken, mut failed, mut unwanted) = (TakenBack::default(), Vec::new(), Vec::new());
    for (id, attempt, max_attempts, cancel) in rows {
        if cancel {
            taken.cancelled += 1;
            unwanted.push(id);
            continue;
        }
        let state = if attempt < max_attempts { 1 } else { DEAD };
        *(if state == DEAD { &mut taken.dead } else { &mut taken.again }) += 1;
        failed.push((id, state, micros, Some(LEASE_LOST.to_owned())));
    }
    if taken.total() > 0 {
        move_finished(connection, CANCELLED, &unwanted, now)?;
        fail(connection, &failed, now)?;
        transaction.commit()?;
    }
    Ok(taken)
}

pub(super) fn run_ticks(
    connection: &mut SqliteConnection,
    ticks: &[Tick],
    now: DateTime<Utc>,
) -> Result<Vec<bool>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let rows: Vec<_> =
        ticks.iter().map(|tick| (tick.schedule.as_str(), tick.at.timestamp_micros())).collect();
    let won = Statement::<Text>::new(sql::TICK, &[Bind::Text(&json(&rows)?)])
        .load::<String>(connection)
        .map_err(storage_error)?;
    let is_won = |tick: &Tick| won.iter().any(|schedule| schedule == tick.schedule.as_str());
    let jobs: Vec<NewJob> =
        ticks.iter().filter(|tick| is_won(tick)).filter_map(|tick| tick.job.clone()).collect();
    insert::insert(connection, &jobs, now)?;
    transaction.commit()?;
    Ok(ticks.iter().map(is_won).collect())
}

/// The last ticks, by the position of their schedule.
pub(super) fn last_ticks(
    connection: &mut SqliteConnection,
    schedules: &str,
) -> Result<HashMap<i64, DateTime<Utc>>, StorageError> {
    let rows = Statement::<(BigInt, BigInt)>::new(sql::TICKS, &[Bind::Text(schedules)])
        .load::<(i64, i64)>(connection)
        .map_err(storage_error)?;
    rows.into_iter().map(|(at, tick)| Ok((at, time(tick)?))).collect()
}
