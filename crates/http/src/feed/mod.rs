//! What happened: as a list, and as it happens.

mod stream;
pub(crate) mod wire;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, HeaderValue, VARY},
    web::Data,
};
use cartwright_domain::OwnerId;
use cartwright_events::{EventsError, Filter};
use cartwright_storage::{EventType, EventTypes};

use crate::{AppState, answer::Answer, headers::owner_named, problem::Problem, query::Query};

/// How many in a list, when nobody says.
const SOME: u32 = 20;

/// Events
///
/// In the order of their numbers, of everybody. As JSON: a part of those that are kept, after a number. With `Accept:
/// text/event-stream`: server-sent events, each with its number as `id` and its type as `event`, from now on or from after a
/// number; who loses the connection goes on with `Last-Event-ID`. When what comes after that is not there any more, an event
/// `reset` says so, and what follows is new.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "list_events", params(wire::EventsParams),
    responses((status = 200, description = "Events", content(
        (wire::Events = "application/json"), (wire::StreamedEvent = "text/event-stream")))))]
pub(crate) async fn all(request: HttpRequest, state: Data<AppState>) -> Answer {
    answer(&request, state, None).await
}

/// Events of a user
///
/// What happened to the cart, the orders and the holds of one user, likewise.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/events", tag = "events", operation_id = "list_user_events",
    params(wire::EventsParams),
    responses((status = 200, description = "Events", content(
        (wire::Events = "application/json"), (wire::StreamedEvent = "text/event-stream")))))]
pub(crate) async fn of_user(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    answer(&request, state, Some(owner)).await
}

async fn answer(request: &HttpRequest, state: Data<AppState>, owner: Option<OwnerId>) -> Answer {
    let mut query = Query::of(request)?;
    let types = types(&mut query);
    let after = number(&mut query, "after");
    let limit = query.limit(SOME);
    query.finish()?;
    // Browsers say where they were when they come again, to the same address.
    let heard = last_event_id(request)?;
    let filter = Filter { types, owner };
    if !wants_stream(request) {
        let listed = state.events.list(&filter, after, limit).await.map_err(of_query)?;
        let mut answer = HttpResponse::Ok();
        answer.insert_header(("cache-control", "no-store")).insert_header((VARY, "Accept"));
        return Ok(answer.json(wire::Events::of(&listed)?));
    }
    stream::answer(state, filter, heard.or(after)).await
}

/// Whether server-sent events are wanted.
fn wants_stream(request: &HttpRequest) -> bool {
    let accepts = |value: &HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|one| {
            one.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
        })
    };
    request.headers().get_all(ACCEPT).any(accepts)
}

fn last_event_id(request: &HttpRequest) -> Result<Option<u64>, Problem> {
    let Some(value) = request.headers().get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let bad = |_| {
        Problem::invalid("/header/Last-Event-ID", "not_an_integer", "the id of an event is a whole number")
    };
    text.parse().map(Some).map_err(bad)
}

/// The types that are asked for, by their names, separated by commas. All when none is named.
fn types(query: &mut Query) -> EventTypes {
    let Some(text) = query.get("types").filter(|text| !text.is_empty()).map(str::to_owned) else {
        return EventTypes::ALL;
    };
    let named: Result<EventTypes, _> = text.split(',').map(|name| name.trim().parse::<EventType>()).collect();
    query.keep("types", named, |_| "unknown").unwrap_or_default()
}

fn number(query: &mut Query, name: &str) -> Option<u64> {
    let read = query.get(name).filter(|text| !text.is_empty()).map(str::parse::<u64>)?;
    query.keep(name, read, |_| "not_an_integer")
}

fn of_query(error: EventsError) -> Problem {
    match error {
        EventsError::Ahead { last } => {
            Problem::invalid("/query/after", "too_far", format!("the last event is {last}"))
        }
        error => error.into(),
    }
}
