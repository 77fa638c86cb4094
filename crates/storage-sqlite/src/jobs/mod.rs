//! The queue of jobs.

mod admin;
mod counts;
mod failing;
mod insert;
#[cfg(test)]
mod plans;
pub(crate) mod sql;
mod work;

use async_trait::async_trait;
use cartwright_storage::{
    Attempt, Beat, Cancelling, Claim, Claimed, Enqueued, Finished, Heartbeat, Hold, JobCount, JobFilter,
    JobId, JobName, JobRecord, JobStore, NewJob, QueueFigures, Rate, Retried, RetriedDead, StorageError,
    TakenBack, Tick, WorkerRecord,
};
use chrono::{DateTime, Utc};
use diesel::{RunQueryDsl, SqliteConnection};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, json},
    statement::{Bind, Statement},
};
use work::{Sign, Wanted};

pub(crate) use insert::insert;

#[async_trait]
impl JobStore for SqliteStore {
    async fn enqueue(&self, jobs: &[NewJob], now: DateTime<Utc>) -> Result<Vec<Enqueued>, StorageError> {
        let jobs = jobs.to_vec();
        let enqueue = move |connection: &mut _| {
            let mut transaction = Transaction::begin(connection)?;
            let answers = insert(transaction.connection(), &jobs, now)?;
            transaction.commit()?;
            Ok(answers)
        };
        self.write(enqueue).await
    }

    async fn claim(&self, claim: &Claim<'_>, now: DateTime<Utc>) -> Result<Vec<Claimed>, StorageError> {
        let Claim { worker, queues, limit, lease } = *claim;
        let wanted = Wanted { worker: worker.clone(), queues: queues.to_vec(), limit, lease };
        self.write(move |connection| work::claim(connection, &wanted, now)).await
    }

    async fn heartbeat(&self, beat: &Heartbeat<'_>, now: DateTime<Utc>) -> Result<Vec<Beat>, StorageError> {
        let mut queues: Vec<&str> = beat.queues.iter().map(JobName::as_str).collect();
        queues.sort_unstable();
        let sign = Sign {
            worker: beat.worker.clone(),
            queues: queues.join(","),
            concurrency: beat.concurrency,
            lease: beat.lease,
            jobs: beat.jobs.to_vec(),
        };
        self.write(move |connection| work::beat(connection, &sign, now)).await
    }

    async fn to_cancel(&self, worker: &JobName) -> Result<Vec<Hold>, StorageError> {
        let worker = worker.clone();
        self.readers.run(move |connection| work::to_cancel(connection, &worker)).await
    }

    async fn finish(&self, finished: &[Finished], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError> {
        let finished = finished.to_vec();
        self.write(move |connection| work::finish(connection, &finished, now)).await
    }

    async fn take_back(&self, now: DateTime<Utc>, limit: u32) -> Result<TakenBack, StorageError> {
        self.write(move |connection| work::take_back(connection, now, limit)).await
    }

    async fn cancel_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Cancelling, StorageError> {
        self.write(move |connection| admin::cancel(connection, id, now)).await
    }

    async fn retry_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Retried, StorageError> {
        self.write(move |connection| admin::retry(connection, id, now)).await
    }

    async fn retry_dead(
        &self,
        queue: Option<&JobName>,
        after: JobId,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<RetriedDead, StorageError> {
        let queue = queue.cloned();
        self.write(move |connection| failing::retry_dead(connection, queue.as_ref(), after, limit, now)).await
    }

    async fn purge_dead(&self, queue: Option<&JobName>, limit: u32) -> Result<u64, StorageError> {
        let queue = queue.cloned();
        let purge = move |connection: &mut _| match &queue {
            Some(queue) => {
                run(connection, sql::PURGE_QUEUE, &[Bind::Text(queue.as_str()), Bind::Int(limit.into())])
            }
            None => run(connection, sql::PURGE, &[Bind::Int(limit.into())]),
        };
        self.write(purge).await
    }

    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobRecord>, StorageError> {
        let filter = filter.clone();
        self.readers.run(move |connection| admin::list(connection, &filter)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<(JobRecord, Vec<Attempt>)>, StorageError> {
        let found = self.readers.run(move |connection| admin::one(connection, id)).await?;
        Ok(found.map(|(record, failures)| (record, Attempt::read(&failures))))
    }

    async fn failing_jobs(
        &self,
        queue: Option<&JobName>,
        limit: u32,
    ) -> Result<Vec<(JobRecord, Attempt)>, StorageError> {
        let queue = queue.cloned();
        self.readers.run(move |connection| failing::list(connection, queue.as_ref(), limit)).await
    }

    async fn queue_figures(&self, now: DateTime<Utc>) -> Result<Vec<QueueFigures>, StorageError> {
        self.readers.run(move |connection| admin::figures(connection, now)).await
    }

    async fn pause_queue(&self, queue: &JobName, paused: bool) -> Result<(), StorageError> {
        let queue = queue.clone();
        let pause = move |connection: &mut _| {
            run(connection, sql::PAUSE, &[Bind::Text(queue.as_str()), Bind::Int(paused.into())])
        };
        self.write(pause).await.map(drop)
    }

    async fn limit_queue(
        &self,
        queue: &JobName,
        rate: Option<Rate>,
        now: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let queue = queue.clone();
        self.write(move |connection| admin::limit(connection, &queue, rate, now)).await
    }

    async fn add_counts(
        &self,
        counts: &[JobCount],
        forget_before: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let counts = counts.to_vec();
        self.write(move |connection| counts::add(connection, &counts, forget_before)).await
    }

    async fn counts_since(&self, slot: DateTime<Utc>) -> Result<Vec<JobCount>, StorageError> {
        self.readers.run(move |connection| counts::since(connection, slot)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StorageError> {
        self.readers.run(admin::workers).await
    }

    async fn forget_workers(
        &self,
        stopped: Option<&JobName>,
        before: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        // No worker is called nothing.
        let stopped = stopped.map(ToString::to_string).unwrap_or_default();
        let forget = move |connection: &mut _| {
            run(connection, sql::FORGET, &[Bind::Text(&stopped), Bind::Int(before.timestamp_micros())])
        };
        self.write(forget).await.map(drop)
    }

    async fn run_ticks(&self, ticks: &[Tick], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError> {
        let ticks = ticks.to_vec();
        self.write(move |connection| work::run_ticks(connection, &ticks, now)).await
    }

    async fn last_ticks(&self, schedules: &[&JobName]) -> Result<Vec<Option<DateTime<Utc>>>, StorageError> {
        let wanted: Vec<&str> = schedules.iter().map(|schedule| schedule.as_str()).collect();
        let wanted = json(&wanted)?;
        let found = self.readers.run(move |connection| work::last_ticks(connection, &wanted)).await?;
        Ok((0..).zip(schedules).map(|(at, _)| found.get(&at).copied()).collect())
    }

    async fn clean_finished(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let binds = [before.timestamp_micros(), i64::from(limit)];
        self.write(move |connection| run(connection, sql::CLEAN, &binds.map(Bind::Int))).await
    }
}

fn run(connection: &mut SqliteConnection, sql: &str, binds: &[Bind<'_>]) -> Result<u64, StorageError> {
    let rows = Statement::<()>::new(sql, binds).execute(connection).map_err(storage_error)?;
    u64::try_from(rows).map_err(|error| broken("a count", error))
}
