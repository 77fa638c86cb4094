//! What is not an answer, and the one table of its statuses and codes.

mod carts;
mod catalog;
mod door;
mod events;
mod jobs;
mod orders;
mod people;

use std::borrow::Cow;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use cartwright_cache::Document;
use cartwright_cart::{CartServiceError, DocumentError, encode};
use cartwright_catalog::{CachedProduct, CatalogError, EditError, Fault, import::ImportError};
use cartwright_domain::{CartError, OrderError};
use cartwright_events::EventsError;
use cartwright_identity::{people::PeopleError, profiles::ProfileError, sessions::SessionError};
use cartwright_layered::LoadError;
use cartwright_orders::OrdersError;
use cartwright_storage::StorageError;

use crate::headers::etag;
pub(crate) use door::Refusal;
pub(crate) use jobs::JobProblem;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct FieldError {
    /// Where: a JSON pointer into the body, or `/path/…`, `/query/…`, `/header/…`.
    #[schema(example = "/product_data/price")]
    pub(crate) pointer: String,
    /// Stable name of what is wrong.
    #[schema(example = "negative")]
    pub(crate) code: Cow<'static, str>,
    /// A sentence for people.
    #[schema(example = "an amount is not negative")]
    pub(crate) detail: String,
}

impl FieldError {
    #[expect(clippy::needless_pass_by_value, reason = "literals and errors read better without a `&`")]
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl ToString) -> Self {
        Self { pointer: pointer.into(), code: Cow::Borrowed(code), detail: detail.to_string() }
    }
}

impl From<Fault> for FieldError {
    fn from(Fault { pointer, code, detail }: Fault) -> Self {
        Self { pointer, code: Cow::Borrowed(code), detail }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Service(#[from] CartServiceError),
    #[error("a stored cart cannot be read")]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Orders(#[from] OrdersError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    Sessions(#[from] SessionError),
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Job(#[from] JobProblem),
    #[error("there is no such product")]
    NoProduct,
    #[error("the id belongs to a product")]
    ProductExists,
    #[error("the idempotency key was used for a different request")]
    KeyReused,
    #[error("a request with the same idempotency key is being carried out")]
    KeyInFlight,
    #[error("the product is at another version")]
    ProductMoved(Box<CachedProduct>),
    #[error("there is no such document in the cache")]
    NotCached,
    #[error("the body is no table of products")]
    NotRows,
    #[error("the documentation cannot be rendered: {0}")]
    Docs(String),
    #[error("the JSON of the body breaks off or is malformed")]
    Malformed(#[source] serde_json::Error),
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
    #[error("the body is not JSON")]
    NotJson,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body did not arrive")]
    BodyLost(#[source] actix_web::Error),
    #[error("a header is missing or malformed")]
    Header { name: &'static str, code: &'static str, detail: &'static str },
    /// With the header that would have said so.
    #[error("it is not said for whom this is")]
    NoUser(&'static str),
    #[error("no such address")]
    NoRoute,
    #[error("no such method")]
    NoMethod { allow: &'static str },
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Fault(fault) => Self::Invalid(vec![fault.into()]),
            EditError::Catalog(error) => Self::Catalog(error),
        }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Columns(columns) => Self::Invalid(columns.0.into_iter().map(Into::into).collect()),
            ImportError::Catalog(error) => Self::Catalog(error),
        }
    }
}

/// What the request was about, as it is: a caller who was mistaken about it can go on from there.
pub(crate) enum Current<'a> {
    Cart(Cow<'a, Document>),
    Product(&'a CachedProduct),
}

impl Current<'_> {
    fn version(&self) -> u64 {
        match self {
            Self::Cart(cart) => cart.version,
            Self::Product(product) => product.summary.version,
        }
    }
}

/// How a problem is answered.
pub(crate) struct Entry {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: Cow<'static, str>,
    /// Seconds until it makes sense to try again.
    pub(crate) retry_after: Option<&'static str>,
}

fn entry(
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: impl Into<Cow<'static, str>>,
) -> Entry {
    let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some("1");
    Entry { status, code, title, detail: detail.into(), retry_after }
}

fn bug() -> Entry {
    entry(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "Internal error",
        "Something went wrong here. Quote the request id when you report it.",
    )
}

fn database_unavailable() -> Entry {
    entry(
        StatusCode::SERVICE_UNAVAILABLE,
        "database_unavailable",
        "Database unavailable",
        "The database cannot be reached. Try again; an idempotency key makes that safe for a POST.",
    )
}

fn storage(error: &StorageError) -> Entry {
    match error {
        StorageError::Unavailable(_) => database_unavailable(),
        StorageError::Unexpected(..) => bug(),
        StorageError::Fence(_) => fenced(),
    }
}

fn fenced() -> Entry {
    entry(
        StatusCode::SERVICE_UNAVAILABLE,
        "cache_fence",
        "Cache being closed",
        "The cache is being taken out of use. Nothing was changed; try again.",
    )
}

fn overloaded() -> Entry {
    entry(
        StatusCode::SERVICE_UNAVAILABLE,
        "overloaded",
        "Overloaded",
        "Too many requests are waiting. Nothing was changed; try again.",
    )
}

fn shutting_down() -> Entry {
    entry(
        StatusCode::SERVICE_UNAVAILABLE,
        "shutting_down",
        "Shutting down",
        "This node is shutting down. Nothing was changed; try again.",
    )
}

fn key_reused() -> Entry {
    entry(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "Idempotency key reused",
        "This Idempotency-Key was used for a different request. Use a new one.",
    )
}

fn key_in_flight() -> Entry {
    Entry {
        retry_after: Some("1"),
        ..entry(
            StatusCode::CONFLICT,
            "idempotency_key_in_flight",
            "Request in progress",
            "A request with this Idempotency-Key is being carried out. Try again in a moment.",
        )
    }
}

impl Problem {
    pub(crate) fn invalid(pointer: impl Into<String>, code: &'static str, detail: impl ToString) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// The table. No wildcard: a new error does not compile until somebody has decided whose fault it is.
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::Service(error) => carts::service(error),
            Self::Catalog(error) => catalog::service(error),
            Self::Orders(error) => orders::service(error),
            Self::Events(error) => events::service(error),
            Self::Sessions(error) => people::sessions(error),
            Self::Profiles(error) => people::profiles(error),
            Self::People(error) => people::people(error),
            Self::Load(error) => catalog::load(error),
            Self::Job(problem) => jobs::of_jobs(problem),
            Self::NoProduct => entry(
                StatusCode::NOT_FOUND,
                "product_not_found",
                "No such product",
                "There is no product with this id.",
            ),
            Self::ProductExists => entry(
                StatusCode::CONFLICT,
                "product_exists",
                "Product exists",
                "This id belongs to a product, perhaps to a deleted one. Choose another one, or leave it out.",
            ),
            Self::KeyReused => key_reused(),
            Self::KeyInFlight => key_in_flight(),
            Self::ProductMoved(_) => entry(
                StatusCode::PRECONDITION_FAILED,
                "version_mismatch",
                "The product moved on",
                "The product is at another version; it is in `product`. Look at it and try again.",
            ),
            Self::NotCached => entry(
                StatusCode::NOT_FOUND,
                "document_not_found",
                "No such document",
                "There is no document under this id in the cache. Put it there with POST.",
            ),
            Self::NotRows => entry(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
                "Send the rows as Content-Type: text/csv or application/x-ndjson, in UTF-8, uncompressed.",
            ),
            Self::Document(_) | Self::Docs(_) => bug(),
            Self::Malformed(error) => entry(
                StatusCode::BAD_REQUEST,
                "malformed_json",
                "Malformed JSON",
                format!("The body is not JSON: line {}, column {}.", error.line(), error.column()),
            ),
            Self::Invalid(errors) => entry(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_request",
                "Invalid request",
                match errors.as_slice() {
                    [one] => format!("{}: {}.", one.pointer, one.detail),
                    many => format!("{} fields are invalid; see errors.", many.len()),
                },
            ),
            Self::NotJson => entry(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
                "Send the body as Content-Type: application/json.",
            ),
            Self::TooLarge(limit) => entry(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "Body too large",
                format!("A body has at most {limit} bytes."),
            ),
            Self::Refused(refusal) => door::refusal(*refusal),
            Self::TooSlow => entry(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "Body too slow",
                "The body did not arrive in time. Nothing was changed; send it again.",
            ),
            Self::BodyLost(_) => entry(
                StatusCode::BAD_REQUEST,
                "body_incomplete",
                "Body incomplete",
                "The body could not be read to its end.",
            ),
            Self::Header { code, detail, .. } => entry(StatusCode::BAD_REQUEST, code, "Bad header", *detail),
            Self::NoUser(header) => entry(
                StatusCode::BAD_REQUEST,
                "missing_user",
                "For whom?",
                format!(
                    "Send the header {header} of a user, or X-Guest-Token, or name the user in the path where that can be done."
                ),
            ),
            Self::NoRoute => entry(
                StatusCode::NOT_FOUND,
                "not_found",
                "Not found",
                "There is nothing at this address. GET /openapi.json lists what there is.",
            ),
            Self::NoMethod { allow } => entry(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
                format!("This address answers {allow}."),
            ),
        }
    }

    /// What is wrong, place by place.
    pub(crate) fn errors(&self) -> Vec<FieldError> {
        let one = |pointer: &str, code: &'static str, detail: &dyn std::fmt::Display| {
            vec![FieldError::new(pointer, code, detail)]
        };
        match self {
            Self::Invalid(errors) => errors.clone(),
            Self::Header { name, code, detail } => {
                vec![FieldError::new(format!("/header/{name}"), code, detail)]
            }
            Self::Service(CartServiceError::Refused { error, .. }) => match error {
                CartError::UnknownProduct(_) => one("/product_id", "unknown_product", error),
                CartError::TooManyUnits { .. } => one("/quantity", "too_many_units", error),
                CartError::MergeIntoItself => one("/from_user_id", "merge_into_itself", error),
                _ => Vec::new(),
            },
            Self::Orders(OrdersError::Refused { error, .. }) => orders::errors(error),
            Self::Orders(OrdersError::NotHeld(error)) => orders::hold_errors(error),
            Self::Events(error) => events::errors(error),
            Self::NoUser(header) => {
                one(&format!("/header/{header}"), "missing_user", &"it says for whom this is")
            }
            Self::ProductExists => one("/id", "taken", &"the id belongs to another product"),
            _ => Vec::new(),
        }
    }

    /// What the request was about, where the caller needs it to go on.
    pub(crate) fn current(&self) -> Option<Current<'_>> {
        match self {
            Self::Service(CartServiceError::Refused {
                error: CartError::VersionMismatch { .. },
                current,
            }) => Some(Current::Cart(Cow::Borrowed(current))),
            Self::Orders(OrdersError::Refused { error: OrderError::CartMoved { .. }, cart: Some(cart) }) => {
                Some(Current::Cart(Cow::Owned(encode(cart).ok()?)))
            }
            Self::ProductMoved(product) => Some(Current::Product(product)),
            _ => None,
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// Status and headers. The body is written by the middleware, which knows the request id.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.entry().status
    }

    fn error_response(&self) -> HttpResponse {
        let entry = self.entry();
        let mut response = HttpResponse::new(entry.status);
        let headers = response.headers_mut();
        if let Some(seconds) = entry.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        match self {
            Self::Refused(Refusal::NoCredentials) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Refused(Refusal::BadCredentials) => {
                let refused = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, refused);
            }
            Self::NoMethod { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            _ => {}
        }
        if let Some(current) = self.current() {
            headers.insert(ETAG, etag(current.version()));
        }
        response
    }
}
