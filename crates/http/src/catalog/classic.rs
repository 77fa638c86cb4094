//! Documents that clients keep in the cache under the id of a product.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Payload},
};
use chrono::SecondsFormat;
use serde_json::value::RawValue;

use super::{
    edge::{self, Keep, Served},
    wire,
};
use crate::{
    AppState,
    answer::{Answer, plain},
    body,
    headers::product,
    problem::Problem,
    wire::json,
};

/// How deep a document may be: as deep as most programs can read.
const MAX_DEPTH: usize = 100;

/// Put a document in the cache
///
/// Any JSON, for a day, on every node. It has nothing to do with the product of the same id in the catalogue.
#[utoipa::path(post, path = "/cache/product/{product_id}", tag = "classic", operation_id = "put_cached_document",
    request_body = serde_json::Value,
    responses((status = 200, description = "It is there", body = wire::CachedDocument)))]
pub(crate) async fn put(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let id = product(&request)?;
    let bytes = body::read(&request, payload, &state).await?;
    let document: &RawValue = serde_json::from_slice(&bytes).map_err(Problem::Malformed)?;
    if depth(document.get()) > MAX_DEPTH {
        let detail = format!("a document is at most {MAX_DEPTH} levels deep");
        return Err(Problem::invalid("", "too_deep", detail));
    }
    let kept = bytes.slice_ref(document.get().as_bytes());
    let expires_at = state.catalog.put_document(id.clone(), kept).await?;
    let expires_at = expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let body = json(&wire::CachedDocument { product_id: id.to_string(), cached: true, expires_at })?;
    Ok(plain(StatusCode::OK, body))
}

/// Get a document from the cache
#[utoipa::path(get, path = "/cache/product/{product_id}", tag = "classic", operation_id = "get_cached_document",
    responses((status = 200, description = "The document, as it was put there", body = serde_json::Value)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = product(&request)?;
    let (Some(document), served) = Served::take(state.catalog.document(&id).await?) else {
        return Err(Problem::NotCached);
    };
    Ok(edge::answer(StatusCode::OK, document, &served, &Keep::Private))
}

/// How deep lists and objects are in each other, in text that is known to be JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
