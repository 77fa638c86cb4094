//! How the jobs are doing.

use actix_web::{HttpRequest, web::Data};

use super::{answer, failed, figures, name, wire};
use crate::{AppState, answer::Answer, query::Query};

/// How many failing jobs, when nobody says.
const SOME: u32 = 20;

/// All figures at a glance
///
/// Queues, workers, rates and latencies of the last ten minutes, and what fails: what the page at `/jobs` shows. It is
/// counted once a second at most, however many ask.
#[utoipa::path(get, path = "/api/v1/jobs/overview", tag = "jobs", operation_id = "jobs_overview",
    responses((status = 200, description = "The figures", body = figures::Overview)))]
pub(crate) async fn overview(state: Data<AppState>) -> Answer {
    let overview = state.jobs.overview().await.map_err(failed)?;
    Ok(answer(&figures::Overview::of(&overview)))
}

/// What fails at present
///
/// Jobs that are not finished and whose last attempt failed, latest failure first: dead letters, and those that are to be
/// tried again.
#[utoipa::path(get, path = "/api/v1/jobs/failures", tag = "jobs", operation_id = "failing_jobs",
    params(wire::FailuresParams),
    responses((status = 200, description = "The latest of them", body = figures::Failures)))]
pub(crate) async fn failures(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    let (limit, queue) = (query.limit(SOME), name(&mut query, "queue"));
    query.finish()?;
    let found = state.jobs.store().failing_jobs(queue.as_ref(), limit).await.map_err(failed)?;
    let items = found.into_iter().map(figures::Failing::of).collect();
    Ok(answer(&figures::Failures { items }))
}
