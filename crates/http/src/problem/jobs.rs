//! Why nothing can be said or done about a job.

use actix_web::http::StatusCode;
use cartwright_storage::{JobId, StorageError};

use super::{Entry, entry, storage};

/// Why a request about jobs has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobProblem {
    #[error(transparent)]
    Storage(StorageError),
    #[error("there is no such job")]
    Unknown,
    #[error("the job has ended")]
    Ended,
    #[error("the job is no dead letter")]
    NotDead,
    #[error("job {0} has the same key")]
    Duplicate(JobId),
}

pub(super) fn of_jobs(problem: &JobProblem) -> Entry {
    match problem {
        JobProblem::Storage(error) => storage(error),
        JobProblem::Unknown => entry(
            StatusCode::NOT_FOUND,
            "job_not_found",
            "No such job",
            "There is no job with this id. Finished jobs are removed after a while.",
        ),
        JobProblem::Ended => entry(
            StatusCode::CONFLICT,
            "job_ended",
            "The job has ended",
            "The job is done, cancelled or a dead letter: there is nothing to cancel.",
        ),
        JobProblem::NotDead => entry(
            StatusCode::CONFLICT,
            "job_not_dead",
            "No dead letter",
            "Only a dead letter can be tried again; the job is in another state.",
        ),
        JobProblem::Duplicate(other) => entry(
            StatusCode::CONFLICT,
            "job_duplicate",
            "The same job is there",
            format!("Job {other} has the same key and is not finished. Try again when it is."),
        ),
    }
}
