//! One product, by way of the caches.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::ETAG},
    web::Data,
};
use bytes::Bytes;
use cartwright_domain::ProductId;

use super::{
    edge::{self, Keep, Served},
    wire,
};
use crate::{
    AppState,
    headers::{etag, not_modified, product},
    problem::Problem,
    wire::json,
};

/// A product, fast
///
/// By way of the caches: as it was at most a quarter of a second ago, on every node. `X-Cache` says which layer
/// answered; `X-Cache-Status: stale` that it could not be loaded anew in time.
#[utoipa::path(get, path = "/api/v1/products/{product_id}/cached", tag = "products",
    operation_id = "get_cached_product",
    responses((status = 200, description = "The product", body = wire::Product)))]
pub(crate) async fn cached(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    cached_by(&request, &state, product(&request)?).await
}

/// The same, for who knows the id.
pub(crate) async fn cached_by(
    request: &HttpRequest,
    state: &AppState,
    id: ProductId,
) -> Result<HttpResponse, Problem> {
    let found = match state.catalog.peek_product(&id) {
        Some(found) => found,
        None => state.catalog.cached_product(&id).await?,
    };
    let (Some(product), served) = Served::take(found) else { return Err(Problem::NoProduct) };
    let version = product.summary.version;
    let keep = Keep::Told(&state.settings.edge);
    let mut response = if not_modified(request, version) {
        edge::answer(StatusCode::NOT_MODIFIED, Bytes::new(), &served, &keep)
    } else {
        edge::answer(StatusCode::OK, product.body, &served, &keep)
    };
    response.headers_mut().insert(ETAG, etag(version));
    edge::tag_product(&mut response, &id);
    Ok(response)
}

/// How many there are
///
/// A hint that may be some seconds old: whoever buys is told by the order.
#[utoipa::path(get, path = "/api/v1/products/{product_id}/inventory", tag = "products",
    operation_id = "get_inventory",
    responses((status = 200, description = "Units in stock", body = wire::Stocked)))]
pub(crate) async fn inventory(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let id = product(&request)?;
    let (Some(inventory), served) = Served::take(state.catalog.inventory(&id).await?) else {
        return Err(Problem::NoProduct);
    };
    let body = json(&wire::Stocked { product_id: id.to_string(), stock: inventory.0.get() })?;
    Ok(edge::answer(StatusCode::OK, body, &served, &Keep::Private))
}
