use std::{error::Error, fmt, time::Duration};

use cartwright_storage::{JobError, StorageError};

/// Why an attempt failed. Any error turns into one that is tried again, so that handlers may use `?`.
pub struct JobFailure {
    error: Box<dyn Error + Send + Sync>,
    fatal: bool,
    after: Option<Duration>,
}

impl JobFailure {
    /// Trying again is of no use: the job becomes a dead letter at once.
    pub fn fatal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), fatal: true, after: None }
    }

    /// It is tried again, if it may be, after just so long; as when a service says when to come back.
    pub fn retry_after(after: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), fatal: false, after: Some(after) }
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub(crate) fn after(&self) -> Option<Duration> {
        self.after
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for JobFailure {
    fn from(error: E) -> Self {
        Self { error: error.into(), fatal: false, after: None }
    }
}

/// The error and its causes.
impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut next = self.error.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobFailure").field("error", &self.error).field("fatal", &self.fatal).finish()
    }
}

/// Why a job could not be put into the queue.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// It is no job.
    #[error("this cannot be a job")]
    Job(#[from] JobError),
    /// It could not be written.
    #[error("the job could not be written")]
    Storage(#[from] StorageError),
}

/// A schedule that is none.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Of its name.
    #[error("this is no name of a schedule")]
    Name(#[source] JobError),
    /// Of its expression.
    #[error("{expression:?} is no cron expression")]
    Expression {
        /// What it was to be.
        expression: String,
        /// What is wrong with it.
        #[source]
        source: croner::errors::CronError,
    },
}
