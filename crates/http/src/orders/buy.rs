//! What makes an order, and what takes it back.

use std::fmt::Write as _;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::LOCATION},
    web::{Data, Payload},
};
use cartwright_domain::{Order, OrderStatus, OwnerId, Purchase};
use cartwright_orders::OrdersError;
use cartwright_storage::OrderStep;

use super::{look::order_id, wire};
use crate::{
    AppState,
    answer::{Answer, plain, replayed, text},
    body::{self, Fields},
    headers::{claim, expected, owner, seen},
    problem::Problem,
};

/// The answer to who has bought. One that was given before says so.
fn made(order: &Order, again: bool) -> Answer {
    let mut response = plain(StatusCode::CREATED, wire::order(order)?);
    response.headers_mut().insert(LOCATION, text(format!("/api/v1/orders/{}", order.id)));
    Ok(if again { replayed(response) } else { response })
}

pub(crate) fn refused(error: cartwright_domain::OrderError) -> Problem {
    Problem::Orders(OrdersError::Refused { error, cart: None })
}

/// Buy
///
/// One product, or several in `lines`, for the user or guest who asks: all of it or nothing. Units are taken from stock at
/// once, in the order in which orders arrive; nothing is ever sold twice. Prices are those of the moment; with
/// `expected_total`, it is bought for that sum or not at all. With an `Idempotency-Key` there is one order, however often
/// the request is sent.
///
/// With `hold_id`, what the hold keeps is bought, at its prices. There is one order of a hold, however often and from wherever
/// this is called.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", operation_id = "create_order",
    request_body = wire::NewOrder,
    responses((status = 201, description = "The order; `Location` is its address", body = wire::Order)))]
pub(crate) async fn create(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let owner = owner(&request)?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let held = fields.hold_id();
    let lines = if held.is_none() { fields.order_lines() } else { None };
    let expected_total = fields.expected_total(state.settings.default_currency);
    fields.finish(false)?;
    // `finish` reports whatever is missing here
    let purchase = match held.flatten() {
        Some(id) => Purchase::Hold(id),
        None => Purchase::of_lines(lines.unwrap_or_default()).map_err(refused)?,
    };
    let mut what = String::from("order");
    // a string takes everything
    match &purchase {
        Purchase::Lines(lines) => {
            for (product, quantity) in lines {
                let _ = write!(what, "\n{product} {}", quantity.get());
            }
        }
        Purchase::Hold(id) => {
            let _ = write!(what, "\nhold {id}");
        }
        Purchase::Cart { .. } => {}
    }
    if let Some(total) = expected_total {
        let _ = write!(what, "\n= {total} {}", total.currency());
    }
    let claim = claim(&request, Some(&owner), &what)?;
    let (order, again) = state.orders.buy(owner, purchase, expected_total, claim).await?;
    made(&order, again)
}

/// Check out
///
/// Makes an order of all that is in the cart, and empties it, in one transaction. `cart_version` (or `If-Match`) is the
/// version that the buyer has seen: there is one order of it, however often and from wherever this is called. What is
/// dearer now than when it was put into the cart is not bought unless `expected_total` is the new sum.
#[utoipa::path(post, path = "/api/v1/carts/{user_id}/checkout", tag = "orders", operation_id = "checkout",
    request_body = wire::Checkout,
    responses((status = 201, description = "The order; `Location` is its address", body = wire::Order)))]
pub(crate) async fn checkout(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let owner = owner(&request)?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let said = fields.cart_version();
    let expected_total = fields.expected_total(state.settings.default_currency);
    fields.finish(false)?;
    let version = match (said, expected(&request)?.as_slice()) {
        (Some(said), []) => said,
        (Some(said), tags) if tags.contains(&said) => said,
        (None, [tag]) => *tag,
        (None, []) => {
            let detail = "say which version of the cart is bought, as in its ETag: cart_version, or If-Match";
            return Err(Problem::invalid("/cart_version", "missing", detail));
        }
        (_, _) => {
            let detail = "cart_version and If-Match name different versions";
            return Err(Problem::invalid("/cart_version", "contradiction", detail));
        }
    };
    let mut what = format!("checkout\n{version}");
    if let Some(total) = expected_total {
        let _ = write!(what, "\n= {total} {}", total.currency()); // as above
    }
    let claim = claim(&request, Some(&owner), &what)?;
    let purchase = Purchase::Cart { version };
    let (order, again) = state.orders.buy(owner, purchase, expected_total, claim).await?;
    made(&order, again)
}

/// Take an order further
///
/// For operators, and services that fulfil orders: to another status, or, with the same one, only to say how far it is.
#[utoipa::path(post, path = "/api/v1/orders/{order_id}/steps", tag = "orders", operation_id = "step_order",
    request_body(content = wire::NextStep),
    responses((status = 200, description = "How far it is now", body = wire::Progress)))]
pub(crate) async fn step(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let id = order_id(&request)?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let (to, reason, progress) = (fields.order_status(), fields.reason(), fields.progress());
    fields.finish(false)?;
    let to = to.unwrap_or(OrderStatus::Pending); // without a status we are not here
    let step = OrderStep { id, owner: None, to, reason };
    let after = state.orders.take_step(step, progress).await?;
    Ok(plain(StatusCode::OK, wire::progress(&after)?))
}

/// Cancel an order
///
/// As long as it is not completed. What it took is back in stock, once; cancelling again changes nothing.
#[utoipa::path(post, path = "/api/v1/orders/{order_id}/cancel", tag = "orders", operation_id = "cancel_order",
    request_body(content = Option<wire::Cancel>),
    responses((status = 200, description = "The order", body = wire::Order)))]
pub(crate) async fn cancel(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (id, owner): (_, Option<OwnerId>) = (order_id(&request)?, seen(&request)?);
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let reason = fields.reason();
    fields.finish(false)?;
    let order = state.orders.cancel(id, owner, reason).await?;
    Ok(plain(StatusCode::OK, wire::order(&order)?))
}
