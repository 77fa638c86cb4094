//! All that is kept of somebody: erased, or handed out.

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue},
    },
    web::Data,
};

use super::wire;
use crate::{
    AppState,
    answer::{Answer, plain},
    headers::owner_named,
};

/// Erase a user
///
/// His cart, profile, sessions and holds are gone, and his orders are somebody's without a name. Erasing again changes nothing;
/// when the answer does not come, ask again. What stays for a while is in docs/OPERATIONS.md.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}", tag = "users", operation_id = "erase_user",
    responses((status = 200, description = "What there was", body = wire::Erased)))]
pub(crate) async fn erase(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let erased = state.people.people.erase(owner).await?;
    Ok(plain(StatusCode::OK, wire::erased(&erased)?))
}

/// All that is kept of a user
///
/// His cart, profile, sessions, holds and orders, as of one moment.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/export", tag = "users", operation_id = "export_user",
    responses((status = 200, description = "What there is", body = wire::Kept)))]
pub(crate) async fn export(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let mut response = plain(StatusCode::OK, wire::kept(&state.people.people.kept(&owner).await?)?);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"export.json\""));
    Ok(response)
}
