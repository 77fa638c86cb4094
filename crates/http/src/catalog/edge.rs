//! What caches between us and shoppers are told. They are purged by key; browsers cannot be, so they keep little.

use std::{
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use cartwright_domain::ProductId;
use cartwright_edge::{SurrogateKey, surrogate_keys};
use cartwright_layered::{Answer, Layer};

use crate::{
    EdgeControl,
    answer::{JSON, X_CACHE, text},
    headers::not_modified,
    problem::Problem,
};

const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const X_CACHE_STATUS: HeaderName = HeaderName::from_static("x-cache-status");

/// How long others may keep an answer.
pub(super) enum Keep<'a> {
    /// The edge is told when it changes. It is as of now, however long ago it was loaded.
    Told(&'a EdgeControl),
    /// It runs out, so many seconds after it was loaded.
    Minute,
    TenMinutes,
    /// Others keep nothing.
    Private,
}

impl Keep<'_> {
    fn cache_control(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Told(control) => return control.0.clone(),
            Self::Minute => "public, max-age=60, s-maxage=60, stale-while-revalidate=60",
            Self::TenMinutes => "public, max-age=600, s-maxage=600, stale-while-revalidate=60",
            Self::Private => "private, no-cache",
        })
    }
}

/// What is not as of now is not to be kept by others as if it were.
const STALE: HeaderValue = HeaderValue::from_static("public, max-age=1, s-maxage=1");
const NO_AGE: HeaderValue = HeaderValue::from_static("0");
const IS_STALE: HeaderValue = HeaderValue::from_static("stale");

/// What a cache answered, without the value.
pub(super) struct Served {
    layer: Layer,
    age: Duration,
    stale: bool,
}

impl Served {
    pub(super) fn take<V>(answer: Answer<V>) -> (Option<V>, Self) {
        let Answer { value, layer, age, stale } = answer;
        (value, Self { layer, age, stale })
    }
}

/// The answer to a read of the caches. `body`: empty for who has it already.
pub(super) fn answer(status: StatusCode, body: Bytes, served: &Served, keep: &Keep<'_>) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(X_CACHE, HeaderValue::from_static(served.layer.name()));
    if served.stale {
        headers.insert(X_CACHE_STATUS, IS_STALE);
    }
    let private = matches!(keep, Keep::Private);
    headers.insert(CACHE_CONTROL, if served.stale && !private { STALE } else { keep.cache_control() });
    // Downstream, an age counts against the time that an answer may be kept.
    let current = matches!(keep, Keep::Told(_)) && !served.stale;
    headers.insert(AGE, if current { NO_AGE } else { HeaderValue::from(served.age.as_secs()) });
    response
}

/// A document that has no version: it is told apart by a hash, and weakly, for it may be sent compressed.
pub(super) fn document(
    request: &HttpRequest,
    (body, served): (Option<Bytes>, Served),
    keep: &Keep<'_>,
    keys: HeaderValue,
) -> Result<HttpResponse, Problem> {
    let body = body.ok_or(Problem::NoProduct)?;
    let mut hasher = DefaultHasher::new(); // the same on every node of a version
    hasher.write(&body);
    let hash = hasher.finish();
    let mut response = if not_modified(request, hash) {
        answer(StatusCode::NOT_MODIFIED, Bytes::new(), &served, keep)
    } else {
        answer(StatusCode::OK, body, &served, keep)
    };
    response.headers_mut().insert(ETAG, text(format!("W/\"{hash}\"")));
    if !matches!(keep, Keep::Private) {
        response.headers_mut().insert(SURROGATE_KEY, keys);
    }
    Ok(response)
}

/// The key of a product's answer.
pub(super) fn tag_product(response: &mut HttpResponse, id: &ProductId) {
    let key = cartwright_catalog::surrogate::of_product(id);
    if let Ok(key) = HeaderValue::from_str(key.as_str()) {
        response.headers_mut().insert(SURROGATE_KEY, key);
    }
}

/// The keys of an answer.
pub(super) fn keys<const N: usize>(keys: &[SurrogateKey; N]) -> HeaderValue {
    text(surrogate_keys(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(response: &HttpResponse, name: &str) -> String {
        response.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_is_stale_says_so_and_is_not_kept_by_others() {
        let served = |stale| Served { layer: Layer::Memory, age: Duration::from_millis(301_900), stale };
        let control = EdgeControl::keeps(300);
        let stale = answer(StatusCode::OK, Bytes::new(), &served(true), &Keep::Told(&control));
        assert_eq!(header(&stale, "x-cache"), "l1");
        assert_eq!(header(&stale, "x-cache-status"), "stale");
        assert_eq!(header(&stale, "age"), "301");
        assert_eq!(header(&stale, "cache-control"), "public, max-age=1, s-maxage=1");
        let fresh = answer(StatusCode::OK, Bytes::new(), &served(false), &Keep::Told(&control));
        assert_eq!((header(&fresh, "x-cache-status"), header(&fresh, "age")), (String::new(), "0".into()));
        let timed = answer(StatusCode::OK, Bytes::new(), &served(false), &Keep::TenMinutes);
        assert_eq!(header(&timed, "age"), "301", "of the ten minutes, five are over");
        let private = answer(StatusCode::OK, Bytes::new(), &served(true), &Keep::Private);
        assert_eq!(header(&private, "cache-control"), "private, no-cache");
    }
}
