//! Products, as the database has them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Data, Payload},
};
use bytes::Bytes;
use cartwright_catalog::{CachedProduct, CatalogError, Draft, DraftError, Fault};
use cartwright_domain::{Product, ProductChange};
use cartwright_storage::{Changed, Created, Deleted};

use super::wire;
use crate::{
    AppState,
    answer::{Answer, plain, replayed, text, versioned},
    body,
    headers::{claim, expected, not_modified, product},
    problem::Problem,
    wire::json,
};

fn shown(product: &Product) -> Result<CachedProduct, Problem> {
    CachedProduct::of(product).map_err(|error| Problem::Catalog(error.into()))
}

fn answer(status: StatusCode, product: &Product) -> Answer {
    Ok(versioned(status, product.version, shown(product)?.body))
}

fn moved(product: &Product) -> Problem {
    match shown(product) {
        Ok(product) => Problem::ProductMoved(Box::new(product)),
        Err(problem) => problem,
    }
}

async fn draft(request: &HttpRequest, state: &AppState, payload: Payload) -> Result<Draft, Problem> {
    let bytes = body::read(request, payload, state).await?;
    Draft::from_json(&bytes).map_err(|error| match error {
        DraftError::Malformed(error) => Problem::Malformed(error),
        DraftError::NotAnObject => Problem::invalid("", "not_an_object", "the body must be a JSON object"),
    })
}

fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::Invalid(faults.into_iter().map(Into::into).collect())
}

/// A product
///
/// As the database has it now. For pages with many readers there is `/cached`.
#[utoipa::path(get, path = "/api/v1/products/{product_id}", tag = "products", operation_id = "get_product",
    responses((status = 200, description = "The product", body = wire::Product)))]
pub(crate) async fn get_product(request: HttpRequest, state: Data<AppState>) -> Answer {
    let found = state.catalog.product(&product(&request)?).await?.ok_or(Problem::NoProduct)?;
    let version = found.summary.version;
    Ok(if not_modified(&request, version) {
        versioned(StatusCode::NOT_MODIFIED, version, Bytes::new())
    } else {
        versioned(StatusCode::OK, version, found.body)
    })
}

/// Make a product
///
/// Without an `id` it gets the next number that no product had. With an `Idempotency-Key` one product is made, however
/// often the request is sent: each time the answer is the first one. Keys belong to the user who asks; operators who
/// are no users have theirs in common.
#[utoipa::path(post, path = "/api/v1/products", tag = "products", operation_id = "create_product",
    request_body = wire::NewProduct,
    responses((status = 201, description = "The product; `Location` is its address", body = wire::Product)))]
pub(crate) async fn create(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let draft = draft(&request, &state, payload).await?;
    let new = draft.create(state.settings.default_currency).map_err(invalid)?;
    let what = serde_json::to_string(&(&new.id, &new.details)).map_err(CatalogError::Document)?;
    let claim = claim(&request, None, &format!("product\n{what}"))?;
    match state.catalog.create(new, claim).await? {
        Created::Created(product) => made(&product),
        Created::Replayed(product) => made(&product).map(replayed),
        Created::Exists => Err(Problem::ProductExists),
        Created::KeyReused => Err(Problem::KeyReused),
        Created::KeyInFlight => Err(Problem::KeyInFlight),
    }
}

fn made(product: &Product) -> Answer {
    let mut response = answer(StatusCode::CREATED, product)?;
    // What is in an id needs no escaping in a path.
    response.headers_mut().insert(LOCATION, text(format!("/api/v1/products/{}", product.id)));
    Ok(response)
}

/// Replace a product
///
/// All of it: what is left out is as in a new product.
#[utoipa::path(put, path = "/api/v1/products/{product_id}", tag = "products", operation_id = "replace_product",
    request_body = wire::WholeProduct,
    responses((status = 200, description = "The product after it", body = wire::Product)))]
pub(crate) async fn replace(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (id, expected) = (product(&request)?, expected(&request)?);
    let draft = draft(&request, &state, payload).await?;
    let details = draft.replace(&id, state.settings.default_currency).map_err(invalid)?;
    changed(&state.catalog.change(id, ProductChange::replace(details), expected).await?)
}

/// Change a product
///
/// What is left out stays (RFC 7396). `null` takes the product out of its category, and empties description and
/// attributes; attributes are replaced as a whole. A price without a currency is in the one that the product has.
#[utoipa::path(patch, path = "/api/v1/products/{product_id}", tag = "products", operation_id = "change_product",
    request_body = wire::ProductPatch,
    responses((status = 200, description = "The product after it", body = wire::Product)))]
pub(crate) async fn change(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (id, expected) = (product(&request)?, expected(&request)?);
    let edit = draft(&request, &state, payload).await?.edit(&id).map_err(invalid)?;
    changed(&state.catalog.edit(id, edit, expected).await?)
}

fn changed(changed: &Changed) -> Answer {
    match changed {
        Changed::Changed { after: product, .. } | Changed::Unchanged(product) => {
            answer(StatusCode::OK, product)
        }
        Changed::Missing => Err(Problem::NoProduct),
        Changed::VersionMismatch(product) => Err(moved(product)),
    }
}

/// Delete a product
///
/// It is `removed`; or, when orders name it, `retired`: they keep it, and nobody else finds it any more.
#[utoipa::path(delete, path = "/api/v1/products/{product_id}", tag = "products", operation_id = "delete_product",
    responses((status = 200, description = "What became of it", body = wire::DeletedProduct)))]
pub(crate) async fn delete(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let (id, expected) = (product(&request)?, expected(&request)?);
    let (product, outcome) = match state.catalog.delete(id, expected).await? {
        Deleted::Removed(product) => (product, "removed"),
        Deleted::Retired(product) => (product, "retired"),
        Deleted::Missing => return Err(Problem::NoProduct),
        Deleted::VersionMismatch(product) => return Err(moved(&product)),
    };
    let body = json(&wire::DeletedProduct { product_id: product.id.to_string(), outcome })?;
    Ok(plain(StatusCode::OK, body))
}
