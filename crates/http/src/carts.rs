//! Carts. The canonical and the classic addresses share these handlers.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderValue},
    web::{Data, Payload},
};
use bytes::Bytes;
use cartwright_cart::{Reply, Source};
use cartwright_domain::{Command, OwnerId, Quantity};
use cartwright_storage::CartRequest;
use serde_json::value::RawValue;

use crate::{
    AppState,
    access::Caller,
    answer::{Answer, X_CACHE, replayed, versioned},
    body::{self, Fields},
    current::shown,
    headers::{Tag, claim, classic, expected, not_modified, owner, product, query, query_flag},
    problem::{Problem, Refusal},
    wire,
};

/// Answers a read with `body`, or with 304 to who has it.
fn answer_read(
    request: &HttpRequest,
    source: Source,
    tag: Tag,
    body: impl FnOnce() -> Result<Bytes, Problem>,
) -> Answer {
    let mut response = if not_modified(request, tag) {
        versioned(StatusCode::NOT_MODIFIED, tag, Bytes::new())
    } else {
        versioned(StatusCode::OK, tag, body()?)
    };
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(source.name()));
    Ok(response)
}

fn answer_write(reply: &Reply, tag: impl Into<Tag>, body: Bytes) -> HttpResponse {
    let response = versioned(StatusCode::OK, tag, body);
    if reply.replayed { replayed(response) } else { response }
}

async fn change(state: &AppState, request: CartRequest) -> Answer {
    let reply = state.carts.execute(request).await?;
    let (tag, body) = shown(&state.catalog, &reply.document).await;
    Ok(answer_write(&reply, tag, body))
}

/// The cart
///
/// The newest version that was acknowledged before the request, or a later one. Somebody without a cart gets an empty
/// one, of version 0. Prices are those at which products were added; where the catalogue has another price by now, the
/// line says so, and `warnings` tells of that, of products that are not for sale any more, and of those of which there
/// are not enough.
#[utoipa::path(get, path = "/api/v1/carts/{user_id}", tag = "carts", operation_id = "get_cart",
    responses((status = 200, description = "The cart", body = wire::Cart)))]
pub(crate) async fn get_cart(request: HttpRequest, state: Data<AppState>) -> Answer {
    get_cart_of(&request, &state, owner(&request)?).await
}

/// The same, for who knows whose.
pub(crate) async fn get_cart_of(request: &HttpRequest, state: &AppState, owner: OwnerId) -> Answer {
    let read = state.carts.read(&owner).await?;
    let (tag, body) = shown(&state.catalog, &read.document).await;
    answer_read(request, read.source, tag, || Ok(body))
}

/// How much is in the cart
#[utoipa::path(get, path = "/api/v1/carts/{user_id}/count", tag = "carts", operation_id = "count_cart",
    responses((status = 200, description = "Lines and units", body = wire::Count)))]
pub(crate) async fn count(request: HttpRequest, state: Data<AppState>) -> Answer {
    let read = state.carts.read(&owner(&request)?).await?;
    answer_read(&request, read.source, read.document.version.into(), || {
        let (count, total_quantity) = read.counts()?;
        wire::json(&wire::Count { count, total_quantity })
    })
}

/// Add to the cart
///
/// Adds units to the product's line, or makes it. Adds commute: parallel ones never lose a unit. Name and price come
/// from the catalogue; `product_data` is for products outside of it, where the server allows that.
#[utoipa::path(post, path = "/api/v1/carts/{user_id}/items", tag = "carts", operation_id = "add_item",
    request_body = wire::AddItem,
    responses((status = 200, description = "The cart after it", body = wire::Cart)))]
pub(crate) async fn add(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (owner, forgiving) = (owner(&request)?, classic(&request));
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let product_id = fields.product_id();
    let quantity = fields.quantity_to_add();
    let product_data = fields.product_data(state.settings.default_currency, forgiving);
    fields.finish(forgiving)?;
    // `finish` reports whatever is missing here
    let (Some(product_id), Some(quantity)) = (product_id, quantity) else {
        return Err(Problem::Invalid(Vec::new()));
    };
    let said = product_data
        .as_ref()
        .map(|data| format!("{}\n{} {}", data.name, data.price.minor(), data.price.currency()));
    let what = format!("add\n{product_id}\n{}\n{}", quantity.get(), said.unwrap_or_default());
    let claim = claim(&request, Some(&owner), &what)?;
    let command = Command::Add { product_id, quantity, product_data };
    change(&state, CartRequest { owner, command, expected: expected(&request)?, claim }).await
}

/// Set a quantity
///
/// Of a line that is there; 0 removes it.
#[utoipa::path(put, path = "/api/v1/carts/{user_id}/items/{product_id}", tag = "carts",
    operation_id = "set_quantity", request_body = wire::SetQuantity,
    responses((status = 200, description = "The cart after it", body = wire::Cart)))]
pub(crate) async fn set_quantity(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (owner, product_id) = (owner(&request)?, product(&request)?);
    let bytes = body::read(&request, payload, &state).await?;
    let quantity = wanted_quantity(&request, &bytes)?;
    let command = Command::SetQuantity { product_id, quantity };
    change(&state, CartRequest { owner, command, expected: expected(&request)?, claim: None }).await
}

/// The quantity of the body; on classic addresses also of the query. When both speak, they must agree.
fn wanted_quantity(request: &HttpRequest, body: &[u8]) -> Result<Option<Quantity>, Problem> {
    let forgiving = classic(request);
    let asked = if forgiving { query(request, "quantity")? } else { None };
    let asked = asked
        .map(|text| body::quantity_or_zero(&text, "/query/quantity"))
        .transpose()
        .map_err(|error| Problem::Invalid(vec![error]))?;
    let told = if body.is_empty() && (asked.is_some() || forgiving) {
        None
    } else {
        let mut fields = Fields::of_body(body)?;
        let told = fields.quantity_to_set();
        fields.finish(forgiving)?;
        told
    };
    match (asked, told) {
        (Some(asked), Some(told)) if asked != told => Err(Problem::invalid(
            "/query/quantity",
            "contradiction",
            "query and body ask for different quantities",
        )),
        (Some(quantity), _) | (None, Some(quantity)) => Ok(quantity),
        (None, None) => Err(Problem::invalid("/quantity", "missing", "quantity is required")),
    }
}

/// Remove a line
#[utoipa::path(delete, path = "/api/v1/carts/{user_id}/items/{product_id}", tag = "carts",
    operation_id = "remove_item",
    responses((status = 200, description = "The cart after it", body = wire::Cart)))]
pub(crate) async fn remove(request: HttpRequest, state: Data<AppState>) -> Answer {
    let (owner, product_id) = (owner(&request)?, product(&request)?);
    let what = format!("remove\n{product_id}");
    let command = Command::Remove { product_id };
    without_body(&request, &state, owner, command, &what).await
}

/// Remove all lines
#[utoipa::path(delete, path = "/api/v1/carts/{user_id}", tag = "carts", operation_id = "clear_cart",
    responses((status = 200, description = "The empty cart", body = wire::Cart)))]
pub(crate) async fn clear(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner(&request)?;
    without_body(&request, &state, owner, Command::Clear, "clear").await
}

/// The classic forms of these commands are POSTs, which may carry an idempotency key.
async fn without_body(
    request: &HttpRequest,
    state: &AppState,
    owner: OwnerId,
    command: Command,
    what: &str,
) -> Answer {
    let claim = if request.method() == actix_web::http::Method::POST {
        claim(request, Some(&owner), what)?
    } else {
        None
    };
    change(state, CartRequest { owner, command, expected: expected(request)?, claim }).await
}

/// Merge another cart into this one
///
/// Moves every line of the cart of `from_user_id` (a guest, say) over and leaves that cart empty, or does nothing at
/// all. Merging again changes nothing. With `dry_run=true` nothing is changed either way.
///
/// At login: as the user, with the guest's token in `X-Guest-Token` or in its cookie; the guest need not be named then. Carts
/// of others are for operators and services to merge.
#[utoipa::path(post, path = "/api/v1/carts/{user_id}/merge", tag = "carts", operation_id = "merge_cart",
    params(("dry_run" = Option<bool>, Query, description = "Only show what would be done")),
    request_body = wire::Merge,
    responses((status = 200, description = "The cart after it, and line by line what came over", body = wire::Merged)))]
pub(crate) async fn merge(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let (owner, forgiving) = (owner(&request)?, classic(&request));
    let dry_run = query_flag(&request, "dry_run")?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let caller = Caller::of(&request);
    // Whose token comes along need not be named.
    let from = match caller.guest() {
        Some(guest) if !fields.has("from_user_id") => Some(guest.clone()),
        _ => fields.owner_id("from_user_id"),
    };
    fields.finish(forgiving)?;
    let Some(from) = from else { return Err(Problem::Invalid(Vec::new())) };
    if !caller.is_or_may_act_for(&from) {
        return Err(Refusal::NotYours.into());
    }
    let expected = expected(&request)?;
    let claim = claim(&request, Some(&owner), &format!("merge\n{from}"))?;
    if dry_run {
        let preview = state.carts.preview_merge(&owner, &from, &expected).await?;
        let body = merged(&preview.document.body, &preview.report, true)?;
        return Ok(versioned(StatusCode::OK, preview.document.version, body));
    }
    let command = Command::Merge { from };
    let wanted = CartRequest { owner, command, expected, claim };
    let reply = state.carts.execute(wanted).await?;
    let body = merged(&reply.document.body, &reply.merge.clone().unwrap_or_default(), false)?;
    Ok(answer_write(&reply, reply.document.version, body))
}

fn merged(cart: &[u8], report: &cartwright_domain::MergeReport, dry_run: bool) -> Result<Bytes, Problem> {
    let cart: &RawValue = serde_json::from_slice(cart).map_err(|error| Problem::Document(error.into()))?;
    let lines = report.lines.iter().map(wire::MergedLine::from).collect();
    wire::json(&wire::MergeAnswer { cart, merged: lines, dry_run })
}
