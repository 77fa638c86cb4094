//! Profiles: what a shop keeps of a user for good.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::HeaderValue},
    web::{Data, Payload},
};
use cartwright_cache::Layer;

use super::wire;
use crate::{
    AppState,
    answer::{Answer, X_CACHE, versioned},
    body::{self, Fields},
    headers::{expected, not_modified, owner_named},
    problem::Problem,
};

/// The profile of a user
///
/// As it was when anybody was last told that it is written, or later; it may come from a cache (`X-Cache`). Of a user who has
/// none, an empty one at version 0.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/profile", tag = "users", operation_id = "get_profile",
    responses((status = 200, description = "The profile", body = wire::Profile)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let shown = state.people.profiles.profile::<Problem>(&owner, wire::profile).await?;
    let mut response = if not_modified(&request, shown.version) {
        versioned(StatusCode::NOT_MODIFIED, shown.version, bytes::Bytes::new())
    } else {
        versioned(StatusCode::OK, shown.version, shown.body)
    };
    let layer = shown.layer.map_or("database", Layer::name);
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(layer));
    Ok(response)
}

/// Write the profile of a user
///
/// All of it anew. With `If-Match` only if it is at one of these versions.
#[utoipa::path(put, path = "/api/v1/users/{user_id}/profile", tag = "users", operation_id = "put_profile",
    request_body = wire::NewData,
    responses((status = 200, description = "The profile", body = wire::Profile)))]
pub(crate) async fn put(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let data = fields.data();
    fields.finish(false)?;
    let profile = state.people.profiles.put(owner, data.unwrap_or_default(), expected(&request)?).await?;
    Ok(versioned(StatusCode::OK, profile.version, wire::profile(&profile)?))
}
