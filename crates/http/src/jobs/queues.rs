//! Queues, and who works on them.

use actix_web::{
    HttpRequest,
    web::{Data, Payload},
};
use cartwright_storage::Rate;

use super::{answer, failed, queue, wire};
use crate::{
    AppState,
    answer::Answer,
    body::{self, Fields},
};

/// How the queues are doing
#[utoipa::path(get, path = "/api/v1/jobs/queues", tag = "jobs", operation_id = "job_queues",
    responses((status = 200, description = "Queues that have jobs or settings", body = wire::Queues)))]
pub(crate) async fn all(state: Data<AppState>) -> Answer {
    let figures = state.jobs.store().queue_figures(state.jobs.clock().now()).await.map_err(failed)?;
    Ok(answer(&wire::Queues { items: figures.into_iter().map(Into::into).collect() }))
}

/// Pause a queue
///
/// Nothing of it is begun any more; what runs goes on.
#[utoipa::path(post, path = "/api/v1/jobs/queues/{queue}/pause", tag = "jobs", operation_id = "pause_queue",
    responses((status = 200, description = "It is paused", body = wire::Paused)))]
pub(crate) async fn pause(request: HttpRequest, state: Data<AppState>) -> Answer {
    set(&request, &state, true).await
}

/// Let a queue go on
#[utoipa::path(post, path = "/api/v1/jobs/queues/{queue}/resume", tag = "jobs", operation_id = "resume_queue",
    responses((status = 200, description = "It goes on", body = wire::Paused)))]
pub(crate) async fn resume(request: HttpRequest, state: Data<AppState>) -> Answer {
    let resumed = set(&request, &state, false).await;
    state.jobs.wake();
    resumed
}

async fn set(request: &HttpRequest, state: &AppState, paused: bool) -> Answer {
    let queue = queue(request)?;
    state.jobs.store().pause_queue(&queue, paused).await.map_err(failed)?;
    state.jobs.changed().await;
    Ok(answer(&wire::Paused { queue: queue.to_string(), paused }))
}

/// Limit a queue
///
/// So many of its jobs are begun in a second, by all workers together; after a pause as many as `burst` at once, which is
/// a second's worth unless it is given.
#[utoipa::path(put, path = "/api/v1/jobs/queues/{queue}/rate", tag = "jobs", operation_id = "limit_queue",
    request_body = wire::NewRate,
    responses((status = 200, description = "It is limited", body = wire::Limited)))]
pub(crate) async fn limit(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let rate = fields.rate();
    fields.finish(false)?;
    set_rate(&request, &state, rate).await
}

/// Limit a queue no longer
#[utoipa::path(delete, path = "/api/v1/jobs/queues/{queue}/rate", tag = "jobs", operation_id = "unlimit_queue",
    responses((status = 200, description = "It is not limited", body = wire::Limited)))]
pub(crate) async fn unlimit(request: HttpRequest, state: Data<AppState>) -> Answer {
    set_rate(&request, &state, None).await
}

async fn set_rate(request: &HttpRequest, state: &AppState, rate: Option<Rate>) -> Answer {
    let (queue, now) = (queue(request)?, state.jobs.clock().now());
    state.jobs.store().limit_queue(&queue, rate, now).await.map_err(failed)?;
    state.jobs.changed().await;
    state.jobs.wake();
    Ok(answer(&wire::Limited {
        queue: queue.to_string(),
        rate_per_second: rate.map(|rate| rate.per_second),
        burst: rate.map(|rate| rate.burst),
    }))
}

/// Who works on jobs
#[utoipa::path(get, path = "/api/v1/jobs/workers", tag = "jobs", operation_id = "job_workers",
    responses((status = 200, description = "Workers that were heard of", body = wire::Workers)))]
pub(crate) async fn workers(state: Data<AppState>) -> Answer {
    let (found, now) = (state.jobs.store().workers().await.map_err(failed)?, state.jobs.clock().now());
    let items = found.into_iter().map(|worker| wire::WorkerStats::of(worker, now)).collect();
    Ok(answer(&wire::Workers { items }))
}
