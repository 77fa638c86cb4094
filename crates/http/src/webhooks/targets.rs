//! Targets: made, looked at, changed, removed.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::LOCATION},
    web::{Data, Payload},
};
use cartwright_events::TargetDraft;
use cartwright_storage::{EventTypes, TargetChange};

use super::{answer, id, private, wire};
use crate::{
    AppState,
    answer::Answer,
    body::{self, Fields},
};

/// Add a webhook target
///
/// The URL must lead to the public internet, by HTTPS; it is looked up. The secret is shown in this answer only.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "add_webhook",
    request_body = wire::NewTarget,
    responses((status = 201, description = "It is told from now on", body = wire::MadeTarget)))]
pub(crate) async fn add(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let body = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&body)?;
    let url = fields.url(true);
    let types = fields.event_types();
    let description = fields.description();
    let enabled = fields.enabled();
    fields.finish(false)?;
    let draft = TargetDraft {
        url: url.unwrap_or_default(),
        types: types.unwrap_or(EventTypes::ALL),
        description: description.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
    };
    let made = state.events.add_target(draft).await?;
    let location = format!("/api/v1/webhooks/{}", made.target.id);
    Ok(private(StatusCode::CREATED).insert_header((LOCATION, location)).json(wire::MadeTarget::from(made)))
}

/// Webhook targets
///
/// The oldest first.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, description = "All of them", body = wire::Targets)))]
pub(crate) async fn list(state: Data<AppState>) -> Answer {
    let items = state.events.targets().await?.into_iter().map(Into::into).collect();
    Ok(answer(StatusCode::OK, &wire::Targets { items, next_cursor: None }))
}

/// One webhook target
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "get_webhook",
    responses((status = 200, description = "The target", body = wire::Target)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let target = state.events.target(id(&request)?).await?;
    Ok(answer(StatusCode::OK, &wire::Target::from(target)))
}

/// Change a webhook target
///
/// What is left out stays. `enabled: true` lets one go on that was disabled because its receiver said 410 Gone; what happened
/// meanwhile can be replayed.
#[utoipa::path(patch, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "change_webhook",
    request_body = wire::TargetChange,
    responses((status = 200, description = "The target", body = wire::Target)))]
pub(crate) async fn change(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let id = id(&request)?;
    let body = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&body)?;
    let change = TargetChange {
        url: fields.url(false),
        types: fields.event_types(),
        description: fields.description(),
        enabled: fields.enabled(),
    };
    fields.finish(false)?;
    let target = state.events.change_target(id, &change).await?;
    Ok(answer(StatusCode::OK, &wire::Target::from(target)))
}

/// Remove a webhook target
///
/// Deliveries that wait are not made any more.
#[utoipa::path(delete, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "remove_webhook",
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn remove(request: HttpRequest, state: Data<AppState>) -> Answer {
    state.events.remove_target(id(&request)?).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}

/// Give a webhook target another secret
///
/// It is shown in this answer only. For some time (`webhooks.overlap_hours`) messages are signed with both, so that the
/// receiver can be changed meanwhile.
/// Whoever did not get the answer can ask again: every secret that was replaced, also one that nobody has seen, is good for as
/// long as that, up to ten of them; then the answer is 409 with code `too_many_secrets`.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks",
    operation_id = "rotate_webhook_secret",
    responses((status = 200, description = "The new secret", body = wire::MadeTarget)))]
pub(crate) async fn rotate(request: HttpRequest, state: Data<AppState>) -> Answer {
    let made = state.events.rotate_secret(id(&request)?).await?;
    Ok(answer(StatusCode::OK, &wire::MadeTarget::from(made)))
}
