//! Queues, and who works on them.

use actix_web::{HttpRequest, web::Data};

use super::{answer, failed, queue, wire};
use crate::{AppState, answer::Answer};

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
    Ok(answer(&wire::Paused { queue: queue.to_string(), paused }))
}

/// Who works on jobs
#[utoipa::path(get, path = "/api/v1/jobs/workers", tag = "jobs", operation_id = "job_workers",
    responses((status = 200, description = "Workers that were heard of", body = wire::Workers)))]
pub(crate) async fn workers(state: Data<AppState>) -> Answer {
    let (found, now) = (state.jobs.store().workers().await.map_err(failed)?, state.jobs.clock().now());
    let items = found.into_iter().map(|worker| wire::WorkerStats::of(worker, now)).collect();
    Ok(answer(&wire::Workers { items }))
}
