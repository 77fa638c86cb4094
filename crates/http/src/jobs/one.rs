//! One job.

use actix_web::{HttpRequest, web::Data};
use cartwright_storage::{Cancelling, Retried, StorageError};
use serde_json::value::RawValue;

use super::{answer, failed, id, wire};
use crate::{AppState, answer::Answer, problem::JobProblem};

/// One job
///
/// With what it is about, and its attempts that did not end well.
#[utoipa::path(get, path = "/api/v1/jobs/{job_id}", tag = "jobs", operation_id = "get_job",
    responses((status = 200, description = "The job", body = wire::JobDetails)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let found = state.jobs.store().job(id(&request)?).await.map_err(failed)?;
    let (job, attempts) = found.ok_or(JobProblem::Unknown)?;
    let payload = RawValue::from_string(job.payload.as_str().to_owned()).map_err(|error| {
        failed(StorageError::Unexpected("a payload that is no JSON".into(), Some(error.into())))
    })?;
    let attempts = attempts.into_iter().map(Into::into).collect();
    Ok(answer(&wire::JobDetails { job: job.into(), payload, attempts }))
}

/// Try a dead letter again
///
/// With as many attempts before it as at first.
#[utoipa::path(post, path = "/api/v1/jobs/{job_id}/retry", tag = "jobs", operation_id = "retry_job",
    responses((status = 200, description = "It waits", body = wire::JobOutcome)))]
pub(crate) async fn retry(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = id(&request)?;
    let now = state.jobs.clock().now();
    match state.jobs.store().retry_job(id, now).await.map_err(failed)? {
        Retried::Queued => {
            state.jobs.wake();
            state.jobs.changed().await;
            Ok(answer(&wire::JobOutcome { id: id.to_string(), outcome: "queued" }))
        }
        Retried::NotDead => Err(JobProblem::NotDead.into()),
        Retried::Duplicate(other) => Err(JobProblem::Duplicate(other).into()),
        Retried::Unknown => Err(JobProblem::Unknown.into()),
    }
}

/// Cancel a job
///
/// One that waits never begins; one that runs is told to stop, and does within a second.
#[utoipa::path(post, path = "/api/v1/jobs/{job_id}/cancel", tag = "jobs", operation_id = "cancel_job",
    responses((status = 200, description = "It is cancelled, or told to stop", body = wire::JobOutcome)))]
pub(crate) async fn cancel(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = id(&request)?;
    let outcome = match state.jobs.cancel(id).await.map_err(failed)? {
        Cancelling::Cancelled => "cancelled",
        Cancelling::Requested => "requested",
        Cancelling::Ended => return Err(JobProblem::Ended.into()),
        Cancelling::Unknown => return Err(JobProblem::Unknown.into()),
    };
    state.jobs.changed().await;
    Ok(answer(&wire::JobOutcome { id: id.to_string(), outcome }))
}
