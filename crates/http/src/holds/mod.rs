//! Holds: units that are kept for somebody for a while.

pub(crate) mod wire;

use std::{fmt::Write as _, time::Duration};

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::LOCATION},
    web::{Data, Payload},
};
use cartwright_domain::{Hold, HoldId, Purchase};

use crate::{
    AppState,
    answer::{Answer, plain, replayed, text},
    body::{self, Fields},
    headers::{claim, owner, seen},
    orders::buy::refused,
    problem::Problem,
};

/// The hold that the path names.
fn hold_id(request: &HttpRequest) -> Result<HoldId, Problem> {
    let id = request.match_info().get("hold_id").unwrap_or_default();
    id.parse::<HoldId>().map_err(|error| Problem::invalid("/path/hold_id", "invalid_id", error))
}

fn shown(hold: &Hold) -> Answer {
    Ok(plain(StatusCode::OK, wire::hold(hold)?))
}

/// Hold
///
/// Keeps units of one product, or of several in `lines`, for the user or guest who asks: all of it or nothing, at the prices of
/// the moment. They are out of stock until the hold is bought (`POST /api/v1/orders` with its `hold_id`), released, or
/// expired. With an `Idempotency-Key` there is one hold, however often the request is sent.
#[utoipa::path(post, path = "/api/v1/holds", tag = "holds", operation_id = "create_hold",
    request_body = wire::NewHold,
    responses((status = 201, description = "The hold; `Location` is its address", body = wire::Hold)))]
pub(crate) async fn create(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let owner = owner(&request)?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let lines = fields.order_lines();
    let seconds = fields.seconds();
    fields.finish(false)?;
    // `finish` reports whatever is missing here
    let Purchase::Lines(lines) = Purchase::of_lines(lines.unwrap_or_default()).map_err(refused)? else {
        return Err(refused(cartwright_domain::OrderError::NothingBought));
    };
    let mut what = String::from("hold");
    for (product, quantity) in &lines {
        let _ = write!(what, "\n{product} {}", quantity.get()); // a string takes everything
    }
    if let Some(seconds) = seconds {
        let _ = write!(what, "\n{seconds} s"); // as above
    }
    let claim = claim(&request, Some(&owner), &what)?;
    let (hold, again) = state.orders.reserve(owner, lines, seconds.map(Duration::from_secs), claim).await?;
    let mut response = plain(StatusCode::CREATED, wire::hold(&hold)?);
    response.headers_mut().insert(LOCATION, text(format!("/api/v1/holds/{}", hold.id)));
    Ok(if again { replayed(response) } else { response })
}

/// A hold
///
/// As it is now. Users and guests see their own only.
#[utoipa::path(get, path = "/api/v1/holds/{hold_id}", tag = "holds", operation_id = "get_hold",
    responses((status = 200, description = "The hold", body = wire::Hold)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (id, owner) = (hold_id(&request)?, seen(&request)?);
    shown(&state.orders.hold(id, owner.as_ref()).await?)
}

/// Renew a hold
///
/// It is kept for `seconds` from now, but not beyond its `renewable_until`. One that has expired takes its units again if they
/// are still there, at the prices that it had; if they are not, it stays expired.
#[utoipa::path(post, path = "/api/v1/holds/{hold_id}/renew", tag = "holds", operation_id = "renew_hold",
    request_body(content = Option<wire::RenewHold>),
    responses((status = 200, description = "The hold", body = wire::Hold)))]
pub(crate) async fn renew(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (id, owner) = (hold_id(&request)?, seen(&request)?);
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let seconds = fields.seconds();
    fields.finish(false)?;
    shown(&state.orders.renew(id, owner, seconds.map(Duration::from_secs)).await?)
}

/// Release a hold
///
/// Its units are back in stock, once; releasing again changes nothing.
#[utoipa::path(delete, path = "/api/v1/holds/{hold_id}", tag = "holds", operation_id = "release_hold",
    responses((status = 200, description = "The hold", body = wire::Hold)))]
pub(crate) async fn release(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (id, owner) = (hold_id(&request)?, seen(&request)?);
    shown(&state.orders.release(id, owner).await?)
}
