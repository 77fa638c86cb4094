use std::collections::{HashMap, HashSet};

use cartwright_storage::{Enqueued, JobId, MAX_ATTEMPTS, NewJob, StorageError, UniqueKey};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    products::finished,
    sql::jobs::{InsertJobs, JobRows, LoadUnfinished},
    store::PostgresStore,
};

/// How often a key is tried whose job ends each time before it is looked at.
const TRIES: usize = 100;

/// Makes jobs in the transaction of the connection: one statement, which can be pipelined with others. One answer for
/// each, in order; `None`: its key belongs to an unfinished job (or to one before it), and it was not made.
///
/// A key that another transaction is about to take is waited for.
pub(crate) async fn insert(
    mut pipe: &AsyncPgConnection,
    jobs: &[NewJob],
    now: DateTime<Utc>,
) -> QueryResult<Vec<Option<JobId>>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let statement = InsertJobs { jobs: rows(jobs, now), now };
    let (ids, made): (Vec<i64>, Vec<i64>) = statement.get_result(&mut pipe).await?;
    let made: HashSet<i64> = made.into_iter().collect();
    Ok(ids.into_iter().map(|id| made.contains(&id).then_some(JobId(id))).collect())
}

/// Jobs as statements take them.
pub(crate) fn rows(jobs: &[NewJob], now: DateTime<Utc>) -> JobRows<'_> {
    let due = |job: &NewJob| job.run_at.unwrap_or(now);
    JobRows {
        queues: jobs.iter().map(|job| job.queue.as_str()).collect(),
        kinds: jobs.iter().map(|job| job.kind.as_str()).collect(),
        states: jobs.iter().map(|job| i16::from(due(job) <= now)).collect(),
        priorities: jobs.iter().map(|job| job.priority.get()).collect(),
        attempts: jobs.iter().map(attempts).collect(),
        run_at: jobs.iter().map(due).collect(),
        ranks: jobs.iter().map(|job| job.priority.rank(due(job))).collect(),
        keys: jobs.iter().map(|job| job.unique_key.as_ref().map(UniqueKey::as_str)).collect(),
        payloads: jobs.iter().map(|job| job.payload.as_str()).collect(),
    }
}

fn attempts(job: &NewJob) -> i16 {
    i16::try_from(job.max_attempts.clamp(1, MAX_ATTEMPTS)).unwrap_or(i16::MAX)
}

/// The unfinished jobs with these keys, each with the position of its key from 1.
async fn unfinished(mut pipe: &AsyncPgConnection, keys: Vec<&str>) -> QueryResult<Vec<(i64, i64)>> {
    LoadUnfinished { keys }.load(&mut pipe).await
}

impl PostgresStore {
    /// One statement when no job is unique. Else a transaction of two round trips: jobs are made and looked up together,
    /// again as long as one that is in the way ends in between, and then committed.
    pub(super) async fn enqueue_all(
        &self,
        jobs: &[NewJob],
        now: DateTime<Utc>,
    ) -> Result<Vec<Enqueued>, StorageError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        if jobs.iter().all(|job| job.unique_key.is_none()) {
            let ids = self.run(async |connection| insert(connection, jobs, now).await).await?;
            let missing = || StorageError::unexpected("a job without a key that was not made");
            return ids.into_iter().map(|id| id.map(Enqueued::New).ok_or_else(missing)).collect();
        }
        let transaction = self.transaction().await?;
        let mut answers: Vec<Option<Enqueued>> = vec![None; jobs.len()];
        let mut begun = false;
        for _ in 0..TRIES {
            let open: Vec<(usize, NewJob)> = (answers.iter().zip(jobs).enumerate())
                .filter(|(_, (answer, _))| answer.is_none())
                .map(|(at, (_, job))| (at, job.clone()))
                .collect();
            if open.is_empty() {
                transaction.commit().await?;
                return Ok(answers.into_iter().flatten().collect());
            }
            let (places, again): (Vec<usize>, Vec<NewJob>) = open.into_iter().unzip();
            let keys =
                again.iter().map(|job| job.unique_key.as_ref().map_or("", UniqueKey::as_str)).collect();
            let begin = async { if begun { Ok(()) } else { transaction.begin().await } };
            let (began, made, found) =
                join!(begin, insert(transaction.pipe(), &again, now), unfinished(transaction.pipe(), keys),);
            begun = true;
            let (made, found) = match began.and(made).and_then(|made| found.map(|found| (made, found))) {
                Ok(both) => both,
                Err(error) => return Err(transaction.roll_back(error.into()).await),
            };
            let found: HashMap<i64, i64> = found.into_iter().collect();
            for ((at, made), position) in places.into_iter().zip(made).zip(1..) {
                let existing = || found.get(&position).map(|id| Enqueued::Existing(JobId(*id)));
                if let Some(answer) = answers.get_mut(at) {
                    *answer = made.map(Enqueued::New).or_else(existing);
                }
            }
        }
        let error = StorageError::unexpected("a key was taken each time and never seen");
        Err(transaction.roll_back(error.into()).await)
    }
}

/// Ends a transaction in which jobs were the last that was written, and `COMMIT` was pipelined.
pub(super) async fn made(
    transaction: crate::transaction::Transaction<'_>,
    jobs: &[NewJob],
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let (made, committed) = join!(insert(transaction.pipe(), jobs, now), transaction.pipe_commit());
    finished(transaction, made, committed).await.map(drop)
}
