//! What operators do with background jobs, by scripts and on a page.

pub(crate) mod figures;
pub(crate) mod list;
pub(crate) mod one;
pub(crate) mod overview;
pub(crate) mod page;
pub(crate) mod queues;
pub(crate) mod wire;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use cartwright_storage::{JobId, JobName, StorageError};
use serde::Serialize;

use crate::{
    problem::{JobProblem, Problem},
    query::Query,
};

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

/// A queue or a kind in the query.
fn name(query: &mut Query, parameter: &str) -> Option<JobName> {
    let read = JobName::new(query.get(parameter)?);
    query.keep(parameter, read, |_| "invalid_name")
}

/// Only what is dead can be dealt with by the dozen; and whoever does so says that he means it.
fn only_dead(query: &mut Query) {
    match query.get("state") {
        None => query.wrong("state", "missing", "say state=dead: this is for dead letters only"),
        Some(_) => {
            query.choice("state", &[("dead", ())]);
        }
    }
}

/// The queue in the path.
fn queue(request: &HttpRequest) -> Result<JobName, Problem> {
    let text = request.match_info().get("queue").unwrap_or_default();
    JobName::new(text).map_err(|error| Problem::invalid("/path/queue", "invalid_name", error))
}
