//! Many jobs.

use actix_web::{HttpRequest, web::Data};
use cartwright_storage::{JobFilter, JobId, JobName, JobState};

use super::{answer, failed, wire};
use crate::{AppState, answer::Answer, query::Query};

/// How many on a page, when nobody says.
const SOME: u32 = 20;
/// How many are removed in one transaction.
const AT_ONCE: u32 = 1_000;

fn name(query: &mut Query, parameter: &str) -> Option<JobName> {
    let read = JobName::new(query.get(parameter)?);
    query.keep(parameter, read, |_| "invalid_name")
}

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
#[utoipa::path(delete, path = "/api/v1/jobs", tag = "jobs", operation_id = "purge_jobs", params(wire::PurgeParams),
    responses((status = 200, description = "They are gone", body = wire::Purged)))]
pub(crate) async fn purge(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    match query.get("state") {
        None => query.wrong("state", "missing", "say state=dead: nothing else can be removed"),
        Some(_) => {
            query.choice("state", &[("dead", ())]);
        }
    }
    let queue = name(&mut query, "queue");
    query.finish()?;
    let mut removed = 0;
    loop {
        let gone = state.jobs.store().purge_dead(queue.as_ref(), AT_ONCE).await.map_err(failed)?;
        removed += gone;
        if gone < u64::from(AT_ONCE) {
            return Ok(answer(&wire::Purged { removed }));
        }
    }
}
