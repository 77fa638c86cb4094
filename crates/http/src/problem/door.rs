//! Whom the door does not let in, and why.

use actix_web::http::StatusCode;

use super::{Entry, entry, overloaded};

/// Why a request is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the address is longer than {0} bytes")]
    AddressTooLong(usize),
    #[error("the headers are larger than {0} bytes")]
    HeadersTooLarge(usize),
    #[error("it asks for a WebSocket")]
    NoWebSockets,
    #[error("too many requests are under way")]
    Overloaded,
    #[error("nobody says who he is")]
    NoCredentials,
    #[error("who somebody says that he is cannot be believed")]
    BadCredentials,
    #[error("there are no keys to verify tokens with")]
    NoKeys,
    #[error("too many requests")]
    TooMany,
    #[error("this belongs to somebody else")]
    NotYours,
    #[error("shoppers are not answered here")]
    OperatorsOnly,
    #[error("a page of another site sent this")]
    CrossSite,
}

pub(super) fn refusal(refusal: Refusal) -> Entry {
    match refusal {
        Refusal::NoCredentials => entry(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unauthorized",
            "Say who you are: Authorization: Bearer with an access token, or X-Guest-Token with a guest's.",
        ),
        Refusal::BadCredentials => entry(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "Invalid token",
            "The token is not good here, or not any more. Get another one.",
        ),
        Refusal::NoKeys => entry(
            StatusCode::SERVICE_UNAVAILABLE,
            "keys_unavailable",
            "Keys unavailable",
            "Tokens cannot be verified at the moment. Try again.",
        ),
        Refusal::TooMany => entry(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests",
            "More requests than are taken in this time. Nothing was changed; try again after as many seconds as \
             Retry-After says.",
        ),
        Refusal::Overloaded => overloaded(),
        Refusal::NotYours => {
            entry(StatusCode::FORBIDDEN, "not_yours", "Somebody else's", "This belongs to somebody else.")
        }
        Refusal::OperatorsOnly => entry(
            StatusCode::FORBIDDEN,
            "operators_only",
            "For operators",
            "This is for those who run the shop: it takes a scope that you do not have.",
        ),
        Refusal::CrossSite => entry(
            StatusCode::FORBIDDEN,
            "cross_site",
            "Sent by another site",
            "A page of another site sent this. Add its origin to server.cors_origins if it may.",
        ),
        Refusal::NoWebSockets => entry(
            StatusCode::BAD_REQUEST,
            "no_websockets",
            "No WebSockets",
            "There are no WebSockets here. Events come as text/event-stream; leave out the header Upgrade.",
        ),
        Refusal::AddressTooLong(limit) => entry(
            StatusCode::URI_TOO_LONG,
            "address_too_long",
            "Address too long",
            format!("Path and query have at most {limit} bytes."),
        ),
        Refusal::HeadersTooLarge(limit) => entry(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "Headers too large",
            format!("All headers together have at most {limit} bytes."),
        ),
    }
}
