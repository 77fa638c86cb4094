//! The body of a problem (RFC 9457).

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::{Current, FieldError, Problem};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'a RawValue>,
}

/// The JSON of whatever a handler, or actix before it, failed with.
pub(crate) fn problem_body(error: &actix_web::Error, request_id: &str) -> Vec<u8> {
    match error.as_error::<Problem>() {
        Some(problem) => {
            let entry = problem.entry();
            let current = problem.current();
            let (cart, product) = match &current {
                None => (None, None),
                Some(Current::Cart(cart)) => (serde_json::from_slice(&cart.body).ok(), None),
                Some(Current::Product(product)) => (None, serde_json::from_slice(&product.body).ok()),
            };
            write(&Body {
                kind: kind(entry.code),
                title: entry.title,
                status: entry.status.as_u16(),
                detail: &entry.detail,
                code: entry.code,
                request_id,
                errors: problem.errors(),
                cart,
                product,
            })
        }
        None => {
            let status = error.as_response_error().status_code();
            let (code, detail) = foreign(status);
            write(&Body {
                kind: kind(code),
                title: status.canonical_reason().unwrap_or("Error"),
                status: status.as_u16(),
                detail,
                code,
                request_id,
                errors: Vec::new(),
                cart: None,
                product: None,
            })
        }
    }
}

/// Refusals by the framework: its own text may name its insides.
fn foreign(status: StatusCode) -> (&'static str, &'static str) {
    if status.is_server_error() {
        ("internal_error", "Something went wrong here. Quote the request id when you report it.")
    } else {
        ("bad_request", "The request could not be understood.")
    }
}

fn kind(code: &str) -> String {
    format!("urn:cartwright:problem:{code}")
}

fn write(body: &Body<'_>) -> Vec<u8> {
    // Strings and numbers: cannot fail.
    serde_json::to_vec(body).unwrap_or_default()
}
