//! What answers have in common.

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;

use crate::{
    headers::{Tag, etag},
    problem::Problem,
};

/// What a handler comes to.
pub(crate) type Answer = Result<HttpResponse, Problem>;

pub(crate) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// For those who asked only, and to be asked for again each time.
pub(crate) const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// An answer with a version. The body goes out as it came.
pub(crate) fn versioned(status: StatusCode, version: impl Into<Tag>, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(version));
    headers.insert(CACHE_CONTROL, REVALIDATE);
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, JSON);
    }
    response
}

/// Says that this answer was given before, to the same idempotency key.
pub(crate) fn replayed(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// An answer without one, for those who asked only.
pub(crate) fn plain(status: StatusCode, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, REVALIDATE);
    headers.insert(CONTENT_TYPE, JSON);
    response
}

pub(crate) fn text(text: String) -> HeaderValue {
    // Visible ASCII: can always be sent.
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}
