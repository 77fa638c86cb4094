use std::sync::Arc;

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{
    Cancelling, Enqueued, JobError, JobId, JobName, JobStore, NewJob, Payload, StorageError, UniqueKey,
};
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::{
    EnqueueError, Job,
    overview::{Overview, Overviews},
};

/// Where jobs are put. A clone is the same queue.
#[derive(Debug, Clone)]
pub struct JobQueue {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    /// Changes when there may be work: workers of this process need not wait until they look again.
    news: watch::Sender<()>,
    overviews: Arc<Overviews>,
}

impl JobQueue {
    /// The queue of a store.
    pub fn new(store: Arc<dyn JobStore>) -> Self {
        Self::with_clock(store, Arc::new(SystemClock))
    }

    /// The same by another clock.
    pub fn with_clock(store: Arc<dyn JobStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, news: watch::Sender::new(()), overviews: Arc::default() }
    }

    /// What is to be put into the queue for a job: for stores that do so together with something else. Call
    /// [`wake`](Self::wake) when that is committed.
    ///
    /// # Errors
    /// [`JobError`] when kind, queue or key have characters that they may not have, or the job is too large.
    pub fn prepare<J: Job>(job: &J) -> Result<NewJob, JobError> {
        let policy = J::policy();
        Ok(NewJob {
            queue: JobName::new(J::QUEUE)?,
            kind: JobName::new(J::KIND)?,
            payload: Payload::of(job)?,
            priority: policy.priority,
            run_at: None,
            max_attempts: policy.max_attempts,
            unique_key: job.unique_key().map(UniqueKey::new).transpose()?,
        })
    }

    /// Has a job done as soon as possible.
    ///
    /// # Errors
    /// [`EnqueueError`]: then it is not, except that it may be when the database went away at the commit.
    pub async fn enqueue<J: Job>(&self, job: &J) -> Result<Enqueued, EnqueueError> {
        self.put(Self::prepare(job)?).await
    }

    /// Has a job done, and not before this time.
    ///
    /// # Errors
    /// Those of [`enqueue`](Self::enqueue).
    pub async fn enqueue_at<J: Job>(&self, job: &J, at: DateTime<Utc>) -> Result<Enqueued, EnqueueError> {
        self.put(NewJob { run_at: Some(at), ..Self::prepare(job)? }).await
    }

    /// Has jobs done, all or none.
    ///
    /// # Errors
    /// Those of [`enqueue`](Self::enqueue).
    pub async fn enqueue_all<J: Job>(&self, jobs: &[J]) -> Result<Vec<Enqueued>, EnqueueError> {
        let jobs: Vec<NewJob> = jobs.iter().map(Self::prepare).collect::<Result<_, _>>()?;
        let made = self.store.enqueue(&jobs, self.clock.now()).await?;
        self.wake();
        Ok(made)
    }

    async fn put(&self, job: NewJob) -> Result<Enqueued, EnqueueError> {
        let made = self.store.enqueue(&[job], self.clock.now()).await?;
        self.wake();
        let one = made.into_iter().next();
        one.ok_or_else(|| StorageError::unexpected("a job without an answer").into())
    }

    /// Cancels a job; one that runs stops within a second, if it lets itself be stopped.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be written.
    pub async fn cancel(&self, id: JobId) -> Result<Cancelling, StorageError> {
        self.store.cancel_job(id, self.clock.now()).await
    }

    /// How the jobs are doing. Counted anew once a second at most, and once for all who ask at the same time.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be read.
    pub async fn overview(&self) -> Result<Arc<Overview>, StorageError> {
        self.overviews.get(&*self.store, &*self.clock).await
    }

    /// Something was changed in the store itself: the next [`overview`](Self::overview) is a new one.
    pub async fn changed(&self) {
        self.overviews.forget().await;
    }

    /// Has the workers of this process look for jobs now.
    pub fn wake(&self) {
        self.news.send_replace(());
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn JobStore> {
        &self.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}
