//! The page at `/jobs`: plain files, in the binary.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
};

use crate::{answer::Answer, problem::Problem};

/// Nothing but our own files, no script in the page itself, and no text that is taken for markup: `Trusted Types` makes the
/// browser refuse it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const PAGE: &str = include_str!("../../assets/jobs/index.html");

macro_rules! files {
    ($($name:literal: $kind:literal),* $(,)?) => {
        [$(($name, $kind, include_str!(concat!("../../assets/jobs/", $name)))),*]
    };
}

/// Name, media type and text.
const FILES: [(&str, &str, &str); 10] = files![
    "style.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "format.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "overview.js": "text/javascript; charset=utf-8",
    "jobs.js": "text/javascript; charset=utf-8",
    "dialogs.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
];

/// Job dashboard
///
/// For operators, in a browser: queues, workers, failures, single jobs, and what can be done about them. All of it comes
/// from the addresses below `/api/v1/jobs`.
#[utoipa::path(get, path = "/jobs", tag = "jobs", operation_id = "jobs_page",
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(PAGE)
}

/// Its parts. They belong to this version of the program, and are asked for again whenever the page is.
pub(crate) async fn file(request: HttpRequest) -> Answer {
    let wanted = request.match_info().get("file").unwrap_or_default();
    let (_, kind, text) = FILES.iter().find(|(name, ..)| *name == wanted).ok_or(Problem::NoRoute)?;
    Ok(HttpResponse::Ok()
        .content_type(*kind)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(*text))
}
