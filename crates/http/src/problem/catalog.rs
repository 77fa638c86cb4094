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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::{ResponseError, http::header::RETRY_AFTER};
    use cartwright_storage::StorageError;

    use crate::problem::Problem;

    use super::*;

    #[test]
    fn what_may_pass_says_try_again_and_what_will_not_is_a_bug() {
        let away = || StorageError::Unavailable("gone".into());
        let passing: [Problem; 7] = [
            LoadError::Failed(Arc::new(away())).into(),
            LoadError::TimedOut.into(),
            LoadError::Paused.into(),
            LoadError::GivenUp.into(),
            CatalogError::Load(LoadError::TimedOut).into(),
            CatalogError::Storage(away()).into(),
            CatalogError::Fence.into(),
        ];
        for problem in passing {
            let response = problem.error_response();
            assert_eq!(response.status(), 503, "{problem:?}");
            assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1", "{problem:?}");
        }
        let in_flight = Problem::KeyInFlight.error_response();
        assert_eq!(in_flight.status(), 409);
        assert_eq!(in_flight.headers().get(RETRY_AFTER).unwrap(), "1");
        for bug in [CatalogError::Lost, CatalogError::Storage(StorageError::unexpected("a row"))] {
            assert_eq!(Problem::from(bug).status_code(), 500);
        }
    }
}
