//! Guests: shoppers who have not said who they are.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue, SET_COOKIE},
    },
    web::Data,
};
use cartwright_identity::GuestToken;

use crate::{
    AppState,
    access::{GUEST_COOKIE, sent_by_another_site},
    answer::{Answer, plain, text},
    headers::query_flag,
    problem::Refusal,
    wire,
};

/// Browsers keep it for as long as carts of guests are kept by default, and some more.
const KEPT: Duration = Duration::days(90);

/// A new guest.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Guest {
    /// By what name his cart and orders go: `/api/v1/carts/{guest_id}`. No secret.
    #[schema(example = "guest-f443f663e317e3e74f8ad9f8e9521987b33c3e77")]
    guest_id: String,
    /// Who has it is the guest. To be sent in `X-Guest-Token`. Absent when it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "p7tGkqf8mKQW1q0c3yV0m2o0bq9mJ5w0yXbY0p2mG1c")]
    token: Option<String>,
}

/// Become a guest
///
/// Makes a token by which a shopper who has not logged in has a cart, orders and holds of his own. With `cookie=true` it comes
/// in a cookie that scripts cannot read, and not in the body. At login, `POST /api/v1/carts/{user_id}/merge` as the user, with
/// the guest's token, brings the guest's cart over.
#[utoipa::path(post, path = "/api/v1/guests", tag = "guests", operation_id = "create_guest",
    params(("cookie" = Option<bool>, Query, description = "Set a cookie")),
    responses((status = 201, description = "The guest", body = Guest)))]
pub(crate) async fn create(request: HttpRequest, state: Data<AppState>) -> Answer {
    let in_cookie = query_flag(&request, "cookie")?;
    // It would take the place of the cookie by which he has a cart already.
    if in_cookie && sent_by_another_site(&request, &state.settings.cors_origins) {
        return Err(Refusal::CrossSite.into());
    }
    let token = GuestToken::generate();
    let guest_id = token.owner().as_str().to_owned();
    let shown = (!in_cookie).then(|| token.expose());
    let mut response = plain(StatusCode::CREATED, wire::json(&Guest { guest_id, token: shown })?);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if in_cookie {
        let cookie = Cookie::build(GUEST_COOKIE, token.expose())
            .path("/")
            .http_only(true)
            .secure(true)
            .same_site(SameSite::Lax)
            .max_age(KEPT)
            .finish();
        headers.insert(SET_COOKIE, text(cookie.to_string()));
    }
    Ok(response)
}
