//! The queue of jobs.

mod admin;
mod counts;
mod failing;
mod floors;
mod insert;
mod work;

use async_trait::async_trait;
use cartwright_storage::{
    Attempt, Beat, Cancelling, Claim, Claimed, Enqueued, Finished, Heartbeat, Hold, JobCount, JobFilter,
    JobId, JobName, JobRecord, JobStore, NewJob, QueueFigures, Rate, Retried, RetriedDead, StorageError,
    TakenBack, Tick, WorkerRecord,
};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;

use crate::{
    read,
    sql::jobs::{CleanFinished, ForgetWorkers, PauseQueue, PurgeDead},
    store::PostgresStore,
};

pub(crate) use floors::Floors;
pub(crate) use insert::{insert, rows};

#[async_trait]
impl JobStore for PostgresStore {
    async fn enqueue(&self, jobs: &[NewJob], now: DateTime<Utc>) -> Result<Vec<Enqueued>, StorageError> {
        self.in_time(self.enqueue_all(jobs, now)).await
    }

    async fn claim(&self, claim: &Claim<'_>, now: DateTime<Utc>) -> Result<Vec<Claimed>, StorageError> {
        self.in_time(self.claim_jobs(claim, now)).await
    }

    async fn heartbeat(&self, beat: &Heartbeat<'_>, now: DateTime<Utc>) -> Result<Vec<Beat>, StorageError> {
        self.beat_for(beat, now).await
    }

    async fn to_cancel(&self, worker: &JobName) -> Result<Vec<Hold>, StorageError> {
        self.wanted_cancelled(worker).await
    }

    async fn finish(&self, finished: &[Finished], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError> {
        self.in_time(self.finish_jobs(finished, now)).await
    }

    async fn take_back(&self, now: DateTime<Utc>, limit: u32) -> Result<TakenBack, StorageError> {
        self.take_back_jobs(now, limit).await
    }

    async fn cancel_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Cancelling, StorageError> {
        self.in_time(self.cancel_one(id, now)).await
    }

    async fn retry_job(&self, id: JobId, now: DateTime<Utc>) -> Result<Retried, StorageError> {
        self.in_time(self.retry_one(id, now)).await
    }

    async fn retry_dead(
        &self,
        queue: Option<&JobName>,
        after: JobId,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<RetriedDead, StorageError> {
        self.retry_all_dead(queue, after, limit, now).await
    }

    async fn purge_dead(&self, queue: Option<&JobName>, limit: u32) -> Result<u64, StorageError> {
        let statement = PurgeDead { queue: queue.map(JobName::as_str), limit: limit.into() };
        count(self.run(async |connection| statement.execute(connection).await).await?)
    }

    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobRecord>, StorageError> {
        self.listed_jobs(filter).await
    }

    async fn job(&self, id: JobId) -> Result<Option<(JobRecord, Vec<Attempt>)>, StorageError> {
        self.job_with_attempts(id).await
    }

    async fn failing_jobs(
        &self,
        queue: Option<&JobName>,
        limit: u32,
    ) -> Result<Vec<(JobRecord, Attempt)>, StorageError> {
        self.failing(queue, limit).await
    }

    async fn queue_figures(&self, now: DateTime<Utc>) -> Result<Vec<QueueFigures>, StorageError> {
        self.figures_of_queues(now).await
    }

    async fn pause_queue(&self, queue: &JobName, paused: bool) -> Result<(), StorageError> {
        let statement = PauseQueue { queue: queue.as_str(), paused };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }

    async fn limit_queue(
        &self,
        queue: &JobName,
        rate: Option<Rate>,
        now: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        self.limit_one(queue, rate, now).await
    }

    async fn add_counts(
        &self,
        counts: &[JobCount],
        forget_before: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        self.add_all_counts(counts, forget_before).await
    }

    async fn counts_since(&self, slot: DateTime<Utc>) -> Result<Vec<JobCount>, StorageError> {
        self.counted_since(slot).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StorageError> {
        self.known_workers().await
    }

    async fn forget_workers(
        &self,
        stopped: Option<&JobName>,
        before: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let statement = ForgetWorkers { worker: stopped.map(JobName::as_str), before };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }

    async fn run_ticks(&self, ticks: &[Tick], now: DateTime<Utc>) -> Result<Vec<bool>, StorageError> {
        self.in_time(self.tick_schedules(ticks, now)).await
    }

    async fn last_ticks(&self, schedules: &[&JobName]) -> Result<Vec<Option<DateTime<Utc>>>, StorageError> {
        self.ticks_of(schedules).await
    }

    async fn clean_finished(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let statement = CleanFinished { before, limit: limit.into() };
        count(self.run(async |connection| statement.execute(connection).await).await?)
    }
}

fn count(rows: usize) -> Result<u64, StorageError> {
    u64::try_from(rows).map_err(read::bad("a count that cannot be"))
}
