//! Addresses that are for operators only. This is the one place that says who is one.

use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, ORIGIN},
    },
    middleware::Next,
    web::Data,
};

use crate::{AppState, headers::caller, problem::Problem};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whoever does not say that he is a shopper counts as an operator. And it must be the operator who asks, not some page
/// that he has open in his browser: browsers say from where a request comes.
fn check(request: &HttpRequest) -> Result<(), Problem> {
    if caller(request)?.is_some() {
        return Err(Problem::OperatorsOnly);
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let elsewhere = matches!(header(FETCH_SITE), Some("cross-site" | "same-site"));
    let allowed = |origin: &str| {
        let settings = request.app_data::<Data<AppState>>().map(|state| &state.settings);
        settings.is_some_and(|settings| settings.cors_origins.iter().any(|known| known == origin))
    };
    if elsewhere && !header(ORIGIN).is_some_and(allowed) {
        return Err(Problem::CrossSite);
    }
    Ok(())
}

/// Answers operators, and refuses all others.
pub(super) async fn operators_only<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match check(request.request()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
    }
}
