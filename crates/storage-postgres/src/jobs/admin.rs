//! What people do.

use std::collections::BTreeMap;

use cartwright_storage::{
    Attempt, Cancelling, JobFilter, JobId, JobName, JobRecord, JobState, Payload, Priority, Progress,
    QueueFigures, Rate, Retried, StorageError, WorkerRecord,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension,
    result::{DatabaseErrorKind, Error},
};
use diesel_async::RunQueryDsl;
use futures_util::join;

use super::{
    failing::TRIES,
    work::{attempts, name},
};
use crate::{
    orders::collided,
    products::finished,
    read,
    sql::{
        Bind, Built,
        jobs::{
            CancelJob, CountQueues, ListWorkers, LockJob, QueueRow, RecordColumns, RecordRow, RetryJob,
            StateOfJob, finished_columns, live_columns,
        },
    },
    store::PostgresStore,
    transaction::Failure,
};

const DEAD: i16 = 3;

pub(super) fn record(row: RecordRow) -> Result<(JobRecord, String), StorageError> {
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
    let state = JobState::of_number(state)
        .ok_or_else(|| StorageError::unexpected("a state of a job that is none"))?;
    let percent = |percent: i16| u8::try_from(percent).map_err(read::bad("a progress that cannot be"));
    let progress = progress.map(percent).transpose()?;
    let record = JobRecord {
        id: JobId(id),
        queue: name(&queue)?,
        kind: name(&kind)?,
        payload: Payload::kept(payload),
        state,
        priority: Priority::new(priority),
        created_at,
        run_at,
        attempt: attempts(attempt)?,
        max_attempts: attempts(max_attempts)?,
        unique_key,
        worker,
        started_at,
        lease_until,
        progress: progress.map(|percent| Progress { percent, note: note.unwrap_or_default() }),
        cancel_requested: cancel,
        finished_at,
    };
    Ok((record, failures))
}

/// Of each of the two tables so many as wanted, along their ids, and of those the latest. Jobs that run are few among those
/// that wait: they are looked up by their state, and then sorted.
fn listing(filter: &JobFilter) -> Built<'_, RecordColumns> {
    let mut binds = vec![Bind::Int(filter.limit.into())];
    let mut conditions = String::from("true");
    let mut and = |column: &str, bind| {
        binds.push(bind);
        conditions.push_str(&format!(" AND {column} ${}", binds.len()));
    };
    if let Some(before) = filter.before {
        and("id <", Bind::Int(before.0));
    }
    if let Some(queue) = &filter.queue {
        and("queue =", Bind::Text(queue.as_str()));
    }
    if let Some(kind) = &filter.kind {
        and("kind =", Bind::Text(kind.as_str()));
    }
    let order = if filter.state == Some(JobState::Running) { "id + 0" } else { "id" };
    let side = |table: &str, columns: &str, states: Option<&[i16]>| {
        let states = match states {
            None => String::new(),
            Some([]) => return None,
            Some(states) => {
                let states: Vec<String> = states.iter().map(ToString::to_string).collect();
                format!(" AND state IN ({})", states.join(", "))
            }
        };
        Some(format!(
            "SELECT * FROM (SELECT {columns} FROM {table} WHERE {conditions}{states} ORDER BY {order} DESC LIMIT $1) AS {table}"
        ))
    };
    let states = filter.state.map(JobState::numbers);
    let sides = [
        side("jobs", live_columns!("'null'", "''"), states.map(|(live, _)| live)),
        side("finished_jobs", finished_columns!("'null'", "''"), states.map(|(_, finished)| finished)),
    ];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    Built::new(format!("{} ORDER BY 1 DESC LIMIT $1", sides.join(" UNION ALL ")), binds)
}

impl PostgresStore {
    /// One round trip: the lock is a statement of its own, so that what is decided by it is what is changed.
    pub(super) async fn cancel_one(&self, id: JobId, now: DateTime<Utc>) -> Result<Cancelling, StorageError> {
        let transaction = self.transaction().await?;
        let (begun, locked, cancelled, state, committed) = join!(
            transaction.begin(),
            LockJob { id: id.0 }.load::<(i16, Option<i64>)>(&mut transaction.pipe()),
            CancelJob { id: id.0, now }.get_result::<(i64, i64)>(&mut transaction.pipe()),
            StateOfJob { id: id.0 }.load::<(i16,)>(&mut transaction.pipe()),
            transaction.pipe_commit(),
        );
        let all = begun.and_then(|()| Ok((locked?, cancelled?, state?)));
        let (locked, cancelled, state) = finished(transaction, all, committed).await?;
        Ok(match cancelled {
            (1, _) => Cancelling::Cancelled,
            (_, 1) => Cancelling::Requested,
            _ if locked.is_empty() && state.is_empty() => Cancelling::Unknown,
            _ => Cancelling::Ended,
        })
    }

    /// Begun anew when its key was taken between two statements.
    pub(super) async fn retry_one(&self, id: JobId, now: DateTime<Utc>) -> Result<Retried, StorageError> {
        for _ in 0..TRIES {
            if let Some(retried) = self.try_retry(id, now).await? {
                return Ok(retried);
            }
        }
        Err(collided())
    }

    /// `None`: somebody took the key meanwhile.
    async fn try_retry(&self, id: JobId, now: DateTime<Utc>) -> Result<Option<Retried>, StorageError> {
        let transaction = self.transaction().await?;
        let (begun, locked, state) = join!(
            transaction.begin(),
            LockJob { id: id.0 }.get_result::<(i16, Option<i64>)>(&mut transaction.pipe()),
            StateOfJob { id: id.0 }.load::<(i16,)>(&mut transaction.pipe()),
        );
        let read = begun.and_then(|()| Ok((locked.optional()?, state?)));
        let (locked, state) = match read {
            Ok(read) => read,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let refused = match locked {
            Some((DEAD, None)) => None,
            Some((DEAD, Some(other))) => Some(Retried::Duplicate(JobId(other))),
            Some(_) => Some(Retried::NotDead),
            None if state.is_empty() => Some(Retried::Unknown),
            None => Some(Retried::NotDead),
        };
        if refused.is_some() {
            transaction.commit().await?;
            return Ok(refused);
        }
        let (retried, committed) =
            join!(RetryJob { id: id.0, now }.execute(&mut transaction.pipe()), transaction.pipe_commit());
        if let Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) = retried {
            return transaction.roll_back_for_another_try(Failure::Overtaken).await.map(|()| None);
        }
        finished(transaction, retried, committed).await.map(|_| Some(Retried::Queued))
    }

    pub(super) async fn listed_jobs(&self, filter: &JobFilter) -> Result<Vec<JobRecord>, StorageError> {
        let statement = listing(filter);
        let rows: Vec<RecordRow> = self.run(async |connection| statement.load(connection).await).await?;
        rows.into_iter().map(|row| record(row).map(|(record, _)| record)).collect()
    }

    pub(super) async fn job_with_attempts(
        &self,
        id: JobId,
    ) -> Result<Option<(JobRecord, Vec<Attempt>)>, StorageError> {
        let sql = concat!(
            "SELECT ",
            live_columns!("payload", "failures"),
            " FROM jobs WHERE id = $1 UNION ALL SELECT ",
            finished_columns!("payload", "failures"),
            " FROM finished_jobs WHERE id = $1"
        );
        let statement: Built<'_, RecordColumns> = Built::new(sql.to_owned(), vec![Bind::Int(id.0)]);
        let row: Option<RecordRow> =
            self.run(async |connection| statement.get_result(connection).await.optional()).await?;
        let Some(row) = row else { return Ok(None) };
        let (record, failures) = record(row)?;
        Ok(Some((record, Attempt::read(&failures))))
    }

    pub(super) async fn figures_of_queues(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<QueueFigures>, StorageError> {
        let most = i64::try_from(cartwright_storage::MAX_COUNTED).unwrap_or(i64::MAX);
        let statement = CountQueues { now, most };
        let rows: Vec<QueueRow> = self.run(async |connection| statement.load(connection).await).await?;
        let mut queues: BTreeMap<String, QueueFigures> = BTreeMap::new();
        for (queue, what, n, first, second) in rows {
            let figures = match queues.entry(queue) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let queue = name(entry.key())?;
                    entry.insert(QueueFigures::of_none(queue))
                }
            };
            let n = read::count(n)?;
            match what {
                0 => {
                    figures.paused = n > 0;
                    figures.rate =
                        first.map(|per_second| Rate { per_second, burst: second.unwrap_or(1.0) as u32 });
                }
                1 => figures.add_due(n, first),
                2 => figures.queued += n,
                3 => figures.running = n,
                4 => figures.dead = n,
                _ => figures.set_done(n, first, second),
            }
        }
        Ok(queues.into_values().collect())
    }

    pub(super) async fn known_workers(&self) -> Result<Vec<WorkerRecord>, StorageError> {
        type Row = (String, String, i32, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, i64);
        let rows: Vec<Row> = self.run(async |connection| ListWorkers {}.load(connection).await).await?;
        let worker = |(worker, queues, concurrency, started_at, seen_at, alive_until, running): Row| {
            Ok(WorkerRecord {
                worker: name(&worker)?,
                queues: queues.split(',').map(str::to_owned).collect(),
                concurrency: u32::try_from(concurrency).map_err(read::bad("a concurrency that cannot be"))?,
                running: read::count(running)?,
                started_at,
                seen_at,
                alive_until,
            })
        };
        rows.into_iter().map(worker).collect()
    }

    pub(super) async fn limit_one(
        &self,
        queue: &JobName,
        rate: Option<Rate>,
        now: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let burst = rate.map_or(1, |rate| i32::try_from(rate.burst.max(1)).unwrap_or(i32::MAX));
        let statement = crate::sql::jobs::LimitQueue {
            queue: queue.as_str(),
            per_second: rate.map(|rate| rate.per_second.max(0.0)),
            burst,
            now,
        };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }
}
