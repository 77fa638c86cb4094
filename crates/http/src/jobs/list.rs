//! Many jobs.

use actix_web::{HttpRequest, web::Data};
use cartwright_storage::{JobFilter, JobId, JobState};

use super::{answer, failed, name, only_dead, wire};
use crate::{AppState, answer::Answer, query::Query};

/// How many on a page, when nobody says.
const SOME: u32 = 20;
/// How many are removed, or tried again, in one transaction.
const AT_ONCE: u32 = 1_000;

/// Jobs, latest first
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", operation_id = "list_jobs", params(wire::ListParams),
    responses((status = 200, description = "A page of jobs", body = wire::Jobs)))]
pub(crate) async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    let limit = query.limit(SOME);
    let states = JobState::ALL.map(|state| (state.as_str(), state));
    let wanted = query.choice("state", &states);
    let (queue, kind) = (name(&mut query, "queue"), name(&mut query, "kind"));
    let cursor = query.get("cursor").filter(|text| !text.is_empty()).map(str::parse::<JobId>);
    let before = cursor.and_then(|read| query.keep("cursor", read, |_| "invalid_cursor"));
    query.finish()?;
    // One more than wanted tells whether there is another page.
    let filter = JobFilter { queue, kind, state: wanted, before, limit: limit + 1 };
    let mut found = state.jobs.store().list_jobs(&filter).await.map_err(failed)?;
    let more = u32::try_from(found.len()).is_ok_and(|found| found > limit);
    if more {
        found.pop();
    }
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(answer(&wire::Jobs { items: found.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Remove dead letters
#[utoipa::path(delete, path = "/api/v1/jobs", tag = "jobs", operation_id = "purge_jobs", params(wire::DeadParams),
    responses((status = 200, description = "They are gone", body = wire::Purged)))]
pub(crate) async fn purge(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    only_dead(&mut query);
    let queue = name(&mut query, "queue");
    query.finish()?;
    let mut removed = 0;
    loop {
        let gone = state.jobs.store().purge_dead(queue.as_ref(), AT_ONCE).await.map_err(failed)?;
        removed += gone;
        if gone < u64::from(AT_ONCE) {
            state.jobs.changed().await;
            return Ok(answer(&wire::Purged { removed }));
        }
    }
}

/// Try dead letters again
///
/// All that there are, each with as many attempts before it as at first. One whose key another unfinished job has stays a
/// dead letter.
#[utoipa::path(post, path = "/api/v1/jobs/retry", tag = "jobs", operation_id = "retry_jobs", params(wire::DeadParams),
    responses((status = 200, description = "They wait", body = wire::RetriedJobs)))]
pub(crate) async fn retry(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    only_dead(&mut query);
    let queue = name(&mut query, "queue");
    query.finish()?;
    let (mut retried, mut duplicates, mut after) = (0, 0, JobId(0));
    loop {
        let now = state.jobs.clock().now();
        let portion =
            state.jobs.store().retry_dead(queue.as_ref(), after, AT_ONCE, now).await.map_err(failed)?;
        (retried, duplicates) = (retried + portion.retried, duplicates + portion.duplicates);
        state.jobs.wake();
        match portion.last {
            Some(last) => after = last,
            None => {
                state.jobs.changed().await;
                return Ok(answer(&wire::RetriedJobs { retried, duplicates }));
            }
        }
    }
}
