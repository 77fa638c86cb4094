//! What is sent to a target.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Payload},
};
use cartwright_storage::{JobId, JobState};

use super::{answer, id, wire};
use crate::{
    AppState,
    answer::Answer,
    body::{self, Fields},
    problem::Problem,
    query::Query,
};

/// How many on a page, when nobody says.
const SOME: u32 = 20;

/// Send a webhook target a message
///
/// At once, and once: a message of type `webhook.test`, which is no event. The answer says how that went.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/test", tag = "webhooks", operation_id = "test_webhook",
    responses((status = 200, description = "How it went", body = wire::Tried)))]
pub(crate) async fn test(request: HttpRequest, state: Data<AppState>) -> Answer {
    let tried = state.events.try_target(id(&request)?).await?;
    Ok(answer(StatusCode::OK, &wire::Tried::from(tried)))
}

/// Send events again
///
/// All that the target wants, after one event and up to another, or to the last that there is. They come with the ids that
/// they had before, in the background.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/replay", tag = "webhooks", operation_id = "replay_webhook",
    request_body = wire::Replay,
    responses((status = 202, description = "They will be sent", body = wire::Replaying)))]
pub(crate) async fn replay(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let id = id(&request)?;
    let body = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&body)?;
    let (after, until) = (fields.event_number("after", true), fields.event_number("until", false));
    fields.finish(false)?;
    let after = after.unwrap_or_default();
    if until.is_some_and(|until| until < after) {
        return Err(Problem::invalid("/until", "contradiction", "until is not before after"));
    }
    let job = state.events.replay(id, after, until).await?;
    Ok(answer(StatusCode::ACCEPTED, &wire::Replaying { job_id: job.to_string() }))
}

/// Deliveries to a webhook target
///
/// The latest first, as long as their jobs are kept. Those that failed for good can be tried again at `/api/v1/jobs`.
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks",
    operation_id = "list_webhook_deliveries", params(wire::DeliveriesParams),
    responses((status = 200, description = "A page of deliveries", body = wire::Deliveries)))]
pub(crate) async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = id(&request)?;
    let mut query = Query::of(&request)?;
    let limit = query.limit(SOME);
    let states = JobState::ALL.map(|state| (state.as_str(), state));
    let wanted = query.choice("state", &states);
    let cursor = query.get("cursor").filter(|text| !text.is_empty()).map(str::parse::<JobId>);
    let before = cursor.and_then(|read| query.keep("cursor", read, |_| "invalid_cursor"));
    query.finish()?;
    let found = state.events.deliveries(id, wanted, before, limit).await?;
    Ok(answer(StatusCode::OK, &wire::Deliveries::from(found)))
}
