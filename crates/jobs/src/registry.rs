use std::{collections::HashMap, fmt, sync::Arc};

use cartwright_storage::{JobError, JobName, Payload};
use futures_util::{FutureExt, future::BoxFuture};

use crate::{Job, JobContext, JobFailure, Policy};

/// Runs one job.
type Run = Arc<dyn Fn(Payload, JobContext) -> BoxFuture<'static, Result<(), JobFailure>> + Send + Sync>;

/// What a worker does with jobs of one kind.
#[derive(Clone)]
pub(crate) struct Handler {
    /// The kind.
    pub(crate) kind: &'static str,
    pub(crate) policy: Policy,
    pub(crate) run: Run,
}

/// Which handler does which kind of job.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: HashMap<JobName, Handler>,
    queues: Vec<JobName>,
}

impl Registry {
    /// No handlers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has jobs of this kind done like this, instead of what was said of the kind before.
    ///
    /// # Errors
    /// [`JobError`] when kind or queue of the job are no names.
    pub fn on<J, F, R>(mut self, handle: F) -> Result<Self, JobError>
    where
        J: Job,
        F: Fn(J, JobContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobFailure>> + Send + 'static,
    {
        let (kind, queue) = (JobName::new(J::KIND)?, JobName::new(J::QUEUE)?);
        let handle = Arc::new(handle);
        let run: Run = Arc::new(move |payload, context| {
            let handle = Arc::clone(&handle);
            async move {
                // Another attempt would read the same.
                let job: J = payload.read().map_err(JobFailure::fatal)?;
                handle(job, context).await
            }
            .boxed()
        });
        self.handlers.insert(kind, Handler { kind: J::KIND, policy: J::policy(), run });
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
        Ok(self)
    }

    /// The queues of the jobs that there are handlers for.
    pub fn queues(&self) -> &[JobName] {
        &self.queues
    }

    pub(crate) fn handler(&self, kind: &JobName) -> Option<&Handler> {
        self.handlers.get(kind)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.handlers.keys()).finish()
    }
}
