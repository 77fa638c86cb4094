//! The OpenAPI document and two ways to read it, without a network.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    web::Data,
};
use utoipa_swagger_ui::Config;

use crate::{AppState, openapi::document as openapi_document, problem::Problem};

const REDOC_SCRIPT: &str = include_str!("../assets/redoc.standalone.js");

const REDOC_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cartwright API</title>
<style>body { margin: 0; }</style>
</head>
<body>
<redoc spec-url="/openapi.json"></redoc>
<script src="/redoc/redoc.standalone.js"></script>
</body>
</html>
"#;

/// ReDoc writes its styles into the page, and searches in a worker that it makes from a blob.
const REDOC_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; child-src blob:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SWAGGER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Clients ask again when they open a page, not for every click on it.
const A_WHILE: &str = "public, max-age=300";

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "documentation", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value)))]
pub(crate) async fn document(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, A_WHILE))
        .body(openapi_document(state.settings.version)?))
}

/// ReDoc
#[utoipa::path(get, path = "/redoc", tag = "documentation", operation_id = "redoc",
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn redoc() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, REDOC_POLICY))
        .body(REDOC_PAGE)
}

pub(crate) async fn redoc_script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, A_WHILE))
        .body(REDOC_SCRIPT)
}

/// Swagger UI
#[utoipa::path(get, path = "/docs", tag = "documentation", operation_id = "swagger_ui",
    responses((status = 308, description = "To /docs/, where the page is")))]
pub(crate) async fn swagger_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header(("location", "/docs/")).finish()
}

pub(crate) async fn swagger(request: HttpRequest) -> Result<HttpResponse, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> =
        LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));
    let file = request.match_info().get("file").unwrap_or_default();
    let file = utoipa_swagger_ui::serve(file, Arc::clone(&CONFIG))
        .map_err(|error| Problem::Docs(error.to_string()))?
        .ok_or(Problem::NoRoute)?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type).insert_header((CONTENT_SECURITY_POLICY, SWAGGER_POLICY));
    if file.gzpipped {
        response.insert_header(("content-encoding", "gzip"));
    }
    Ok(response.body(file.bytes.into_owned()))
}
