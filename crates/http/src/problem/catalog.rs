//! Why the catalogue cannot be answered.

use actix_web::http::StatusCode;
use cartwright_catalog::CatalogError;
use cartwright_layered::LoadError;

use super::{Entry, bug, entry, fenced, storage};

pub(super) fn service(error: &CatalogError) -> Entry {
    match error {
        CatalogError::Storage(error) => storage(error),
        CatalogError::Load(error) => load(error),
        CatalogError::Fence => fenced(),
        CatalogError::Document(_) | CatalogError::Lost => bug(),
    }
}

pub(super) fn load(error: &LoadError) -> Entry {
    match error {
        // Why it failed stands in the log; whatever it was, it is not the caller's fault, and may pass.
        LoadError::Failed(_) | LoadError::TimedOut | LoadError::Paused => entry(
            StatusCode::SERVICE_UNAVAILABLE,
            "catalog_unavailable",
            "Catalogue unavailable",
            "This is in no cache, and the database does not answer. Try again.",
        ),
        LoadError::GivenUp => entry(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "Shutting down",
            "This node is shutting down. Try again.",
        ),
    }
}
