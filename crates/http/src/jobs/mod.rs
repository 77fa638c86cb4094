//! What an operator's scripts do with background jobs.

pub(crate) mod list;
pub(crate) mod one;
pub(crate) mod queues;
pub(crate) mod wire;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use cartwright_storage::{JobId, JobName, StorageError};
use serde::Serialize;

use crate::problem::{JobProblem, Problem};

/// What is shown changes all the time.
fn answer(body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(StatusCode::OK).insert_header(("cache-control", "no-store")).json(body)
}

fn failed(error: StorageError) -> Problem {
    JobProblem::Storage(error).into()
}

/// The job in the path.
fn id(request: &HttpRequest) -> Result<JobId, Problem> {
    let text = request.match_info().get("job_id").unwrap_or_default();
    text.parse().map_err(|_number| {
        Problem::invalid("/path/job_id", "not_an_integer", "the id of a job is a whole number")
    })
}

/// The queue in the path.
fn queue(request: &HttpRequest) -> Result<JobName, Problem> {
    let text = request.match_info().get("queue").unwrap_or_default();
    JobName::new(text).map_err(|error| Problem::invalid("/path/queue", "invalid_name", error))
}
