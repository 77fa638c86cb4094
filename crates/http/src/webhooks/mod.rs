//! Who is told of events by HTTP: for operators.

pub(crate) mod deliveries;
pub(crate) mod targets;
pub(crate) mod wire;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode};
use cartwright_storage::TargetId;
use serde::Serialize;

use crate::problem::Problem;

/// What is shown changes, and may be secret.
fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    private(status).json(body)
}

fn private(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header(("cache-control", "no-store"));
    response
}

/// The target in the path.
fn id(request: &HttpRequest) -> Result<TargetId, Problem> {
    let text = request.match_info().get("webhook_id").unwrap_or_default();
    text.parse().map_err(|_number| {
        Problem::invalid("/path/webhook_id", "not_an_integer", "the id of a webhook target is a whole number")
    })
}
