//! What is bought, and what is bought together.

use actix_web::{HttpRequest, http::header::HeaderValue, web::Data};
use bytes::Bytes;
use cartwright_catalog::{Ranking, surrogate::of_product};
use cartwright_domain::TopWindow;
use cartwright_edge::SurrogateKey;
use cartwright_layered::Answer as Cached;

use super::{
    edge::{Keep, Served, document, keys},
    wire,
};
use crate::{
    AppState,
    answer::Answer,
    headers::{owner, product},
    query::Query,
};

/// How many, when nobody says.
const SOME: u32 = 10;

fn limit(request: &HttpRequest) -> Result<u32, crate::problem::Problem> {
    let mut query = Query::of(request)?;
    let limit = query.limit(SOME);
    query.finish().map(|()| limit)
}

fn bodies(answer: Cached<Ranking>) -> (Option<Bytes>, Served) {
    let (ranking, served) = Served::take(answer);
    (ranking.map(|ranking| ranking.body), served)
}

/// What was bought most
///
/// Products that can be bought and are in stock, by units sold.
#[utoipa::path(get, path = "/api/v1/stats/top-products", tag = "products", operation_id = "top_products",
    params(wire::LimitParam, wire::WindowParam),
    responses((status = 200, description = "Products, the most bought first", body = wire::Ranked)))]
pub(crate) async fn top(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    let limit = query.limit(SOME);
    let windows = TopWindow::ALL.map(|window| (window.as_str(), window));
    let window = query.choice("window", &windows).unwrap_or_default();
    query.finish()?;
    let found = state.catalog.top(window, limit).await?;
    document(&request, bodies(found), &Keep::Minute, HeaderValue::from_static("top"))
}

/// What was bought together with a product
///
/// Products that can be bought and are in stock, by the number of orders; none for a product that nobody knows.
#[utoipa::path(get, path = "/api/v1/products/{product_id}/related", tag = "products",
    operation_id = "related_products", params(wire::LimitParam),
    responses((status = 200, description = "Products, the closest first", body = wire::Ranked)))]
pub(crate) async fn related(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (id, limit) = (product(&request)?, limit(&request)?);
    let found = state.catalog.related(&id, limit).await?;
    let keys = keys(&[SurrogateKey::new("related"), of_product(&id)]);
    document(&request, bodies(found), &Keep::TenMinutes, keys)
}

/// What somebody may like
///
/// What others bought together with what this user bought or has in the cart: products that can be bought and are in
/// stock, without those.
#[utoipa::path(get, path = "/api/v1/recommendations/{user_id}", tag = "products",
    operation_id = "recommendations", params(wire::LimitParam),
    responses((status = 200, description = "Products, the best first", body = wire::Ranked)))]
pub(crate) async fn recommendations(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (owner, limit) = (owner(&request)?, limit(&request)?);
    let found = state.catalog.recommendations(&owner, limit).await?;
    document(&request, bodies(found), &Keep::Private, HeaderValue::from_static("private"))
}
