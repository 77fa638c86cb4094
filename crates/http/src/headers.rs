//! What requests say in their path, query and headers.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH},
};
use cartwright_domain::{OwnerId, ProductId};
use cartwright_storage::IdempotencyClaim;
use sha2::{Digest, Sha256};

use crate::{
    access::{Access, Caller},
    problem::Problem,
};

const KEY: &str = "Idempotency-Key";

/// Whether the request came by a classic address, which forgives more.
pub(crate) fn classic(request: &HttpRequest) -> bool {
    !request.path().starts_with("/api/")
}

/// Whose cart: by the path, or where the path names nobody the caller's own. Whether he may was asked at the door.
pub(crate) fn owner(request: &HttpRequest) -> Result<OwnerId, Problem> {
    if let Some(id) = request.match_info().get("user_id") {
        return owner_named(id);
    }
    Caller::of(request).owner().cloned().ok_or_else(|| Problem::NoUser(Access::header_of(request)))
}

/// Whose orders and holds the caller sees. `None`: everybody's.
pub(crate) fn seen(request: &HttpRequest) -> Result<Option<OwnerId>, Problem> {
    Caller::of(request).sees()
}

/// The one whom a path names.
pub(crate) fn owner_named(id: &str) -> Result<OwnerId, Problem> {
    OwnerId::new(id).map_err(|error| Problem::invalid("/path/user_id", "invalid_id", error))
}

pub(crate) fn product(request: &HttpRequest) -> Result<ProductId, Problem> {
    product_named(request.match_info().get("product_id").unwrap_or_default())
}

/// The one that a path names.
pub(crate) fn product_named(id: &str) -> Result<ProductId, Problem> {
    ProductId::new(id).map_err(|error| Problem::invalid("/path/product_id", "invalid_id", error))
}

/// The last value of a query parameter.
pub(crate) fn query(request: &HttpRequest, name: &str) -> Result<Option<String>, Problem> {
    let text = request.query_string();
    if text.is_empty() {
        return Ok(None);
    }
    let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(text)
        .map_err(|error| Problem::invalid("/query", "invalid_query", error))?;
    Ok(pairs.into_inner().into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value))
}

/// A query parameter that is `true` or `false`; absent is `false`.
pub(crate) fn query_flag(request: &HttpRequest, name: &str) -> Result<bool, Problem> {
    match query(request, name)?.as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(_) => {
            Err(Problem::invalid(format!("/query/{name}"), "not_a_boolean", "true or false is wanted"))
        }
    }
}

/// What an entity tag says: a version, and a mark when the answer shows more than the version itself does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) version: u64,
    pub(crate) mark: Option<u32>,
}

impl From<u64> for Tag {
    fn from(version: u64) -> Self {
        Self { version, mark: None }
    }
}

impl Tag {
    /// No cart gets there: stands for a well-formed entity tag that no version has.
    const NONE: Self = Self { version: u64::MAX, mark: None };

    /// What stands between the quotation marks: digits, and perhaps `-` and the mark.
    fn parse(text: &str) -> Self {
        let (version, mark) =
            text.split_once('-').map_or((text, None), |(version, mark)| (version, Some(mark)));
        let plain = version.bytes().all(|byte| byte.is_ascii_digit());
        let mark = mark.map(|mark| u32::from_str_radix(mark, 16).ok());
        match (version.parse().ok().filter(|_| plain), mark) {
            (Some(version), None) => Self { version, mark: None },
            (Some(version), Some(Some(mark))) => Self { version, mark: Some(mark) },
            _ => Self::NONE,
        }
    }
}

/// The entity tag of a version.
pub(crate) fn etag(tag: impl Into<Tag>) -> HeaderValue {
    let Tag { version, mark } = tag.into();
    let text = mark.map_or_else(|| format!("\"{version}\""), |mark| format!("\"{version}-{mark:08x}\""));
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static("\"0\""))
}

enum Tags {
    Any,
    Some(Vec<Tag>),
}

/// Reads a list of entity tags. A weak one is none where only strong ones count.
fn tags(request: &HttpRequest, name: &HeaderName, weak_counts: bool) -> Result<Option<Tags>, ()> {
    let mut versions = Vec::new();
    let mut present = false;
    for value in request.headers().get_all(name) {
        present = true;
        let mut rest = value.to_str().map_err(|_invisible| ())?.trim();
        if rest == "*" {
            return Ok(Some(Tags::Any));
        }
        while !rest.is_empty() {
            let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |tail| (true, tail));
            let (tag, tail) = quoted.strip_prefix('"').and_then(|tail| tail.split_once('"')).ok_or(())?;
            versions.push(if weak && !weak_counts { Tag::NONE } else { Tag::parse(tag) });
            let tail = tail.trim_start();
            rest = match tail.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if tail.is_empty() => tail,
                None => return Err(()),
            };
        }
    }
    match (present, versions.is_empty()) {
        (false, _) => Ok(None),
        (true, true) => Err(()),
        (true, false) => Ok(Some(Tags::Some(versions))),
    }
}

/// Whether the caller has this version already. A header that cannot be read asks for nothing.
pub(crate) fn not_modified(request: &HttpRequest, tag: impl Into<Tag>) -> bool {
    match tags(request, &IF_NONE_MATCH, true) {
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::Some(tags))) => tags.contains(&tag.into()),
        Ok(None) | Err(()) => false,
    }
}

/// The versions that the caller is prepared to change. Empty: any.
pub(crate) fn expected(request: &HttpRequest) -> Result<Vec<u64>, Problem> {
    match tags(request, &IF_MATCH, false) {
        Ok(None | Some(Tags::Any)) => Ok(Vec::new()),
        // What is changed is the version, whatever else was shown with it.
        Ok(Some(Tags::Some(tags))) => Ok(tags.into_iter().map(|tag| tag.version).collect()),
        Err(()) => Err(Problem::Header {
            name: "If-Match",
            code: "malformed_if_match",
            detail: "If-Match is a list of entity tags such as \"3\", or *.",
        }),
    }
}

/// The claim of a request that carries an idempotency key. `what` is the request in canonical form, without its owner,
/// if it has one. Who does not say who he is shares his keys with others who do not.
pub(crate) fn claim(
    request: &HttpRequest,
    owner: Option<&OwnerId>,
    what: &str,
) -> Result<Option<IdempotencyClaim>, Problem> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Problem::Header {
            name: KEY,
            code: "malformed_idempotency_key",
            detail: "Idempotency-Key has 1 to 255 visible ASCII characters.",
        })?;
    let owner = owner.map_or("", OwnerId::as_str);
    let principal = Caller::of(request).owner().map_or(owner, OwnerId::as_str).to_owned();
    // \n is in no id, name or number
    let fingerprint = Sha256::digest(format!("{}\n{owner}\n{what}", request.method())).to_vec();
    Ok(Some(IdempotencyClaim { principal, key: key.to_owned(), fingerprint }))
}
