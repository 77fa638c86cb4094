//! Orders that are there.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::HeaderValue},
    web::Data,
};
use cartwright_cache::Layer;
use cartwright_domain::{OrderId, OrderPaging, OrderQuery, OrderStatus, OwnerId};
use cartwright_orders::History;

use super::wire;
use crate::{
    AppState,
    answer::{Answer, X_CACHE, plain},
    headers::{owner_named, seen},
    problem::Problem,
    query::{Part, Query},
};

/// The order that the path names.
pub(super) fn order_id(request: &HttpRequest) -> Result<OrderId, Problem> {
    let id = request.match_info().get("order_id").unwrap_or_default();
    id.parse::<OrderId>().map_err(|error| Problem::invalid("/path/order_id", "invalid_id", error))
}

/// An order
///
/// Users and guests see their own only.
#[utoipa::path(get, path = "/api/v1/orders/{order_id}", tag = "orders", operation_id = "get_order",
    responses((status = 200, description = "The order", body = wire::Order)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (id, owner) = (order_id(&request)?, seen(&request)?);
    let order = state.orders.order(id, owner.as_ref()).await?;
    Ok(plain(StatusCode::OK, wire::order(&order)?))
}

/// How far an order is
///
/// With every step it has taken, the oldest first.
#[utoipa::path(get, path = "/api/v1/orders/{order_id}/status", tag = "orders", operation_id = "get_order_status",
    responses((status = 200, description = "The status", body = wire::Progress)))]
pub(crate) async fn status(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (id, owner) = (order_id(&request)?, seen(&request)?);
    let order = state.orders.progress(id, owner.as_ref()).await?;
    Ok(plain(StatusCode::OK, wire::progress(&order)?))
}

/// Orders
///
/// The newest first: a user's or guest's own; everybody's for operators and services. By numbered pages with a total
/// (`page`, `page_size`), or from one to the next with a cursor (`cursor`, `limit`).
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", operation_id = "list_orders",
    params(wire::OrdersParams),
    responses((status = 200, description = "Orders", body = wire::Orders)))]
pub(crate) async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = seen(&request)?;
    answer_list(&request, &state, owner).await
}

/// Orders of a user
///
/// The newest first. The first page of 20, with all statuses, may come from a cache (`X-Cache`); it always has every order and
/// every step that somebody was told of before the request.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/orders", tag = "orders", operation_id = "list_user_orders",
    params(wire::OrdersParams),
    responses((status = 200, description = "Orders", body = wire::Orders)))]
pub(crate) async fn of_user(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    answer_list(&request, &state, Some(owner)).await
}

async fn answer_list(request: &HttpRequest, state: &AppState, owner: Option<OwnerId>) -> Answer {
    let mut query = Query::of(request)?;
    let statuses = OrderStatus::ALL.map(|status| (status.name(), status));
    let status = query.choice("status", &statuses);
    let paging = match query.part() {
        Part::Page(page) => OrderPaging::Page(page),
        Part::After(cursor, size) => {
            let cursor = cursor.map(|text| text.parse::<OrderId>());
            OrderPaging::After(cursor.and_then(|read| query.keep("cursor", read, |_| "invalid_cursor")), size)
        }
    };
    query.finish()?;
    let query = OrderQuery { owner, status, paging };
    if let Some(owner) = query.owner.as_ref().filter(|_| is_first(&query)) {
        return answer_history(state, owner).await;
    }
    let listed = state.orders.list(&query).await?;
    Ok(plain(StatusCode::OK, wire::list(&listed, paging)?))
}

/// What nearly everybody asks for, and is cached: the first numbered page of the usual size, of all statuses.
fn is_first(query: &OrderQuery) -> bool {
    query.status.is_none() && query.paging == OrderPaging::default()
}

async fn answer_history(state: &AppState, owner: &OwnerId) -> Answer {
    let history: History =
        state.orders.history(owner, |listed| wire::list(listed, OrderPaging::default())).await?;
    let mut response = plain(StatusCode::OK, history.body);
    let layer = history.layer.map_or("database", Layer::name);
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(layer));
    Ok(response)
}
