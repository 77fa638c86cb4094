//! What carts refuse, and why they cannot be answered.

use actix_web::http::StatusCode;
use cartwright_cart::CartServiceError;
use cartwright_domain::CartError;

use super::{
    Entry, bug, entry, fenced, key_in_flight, key_reused, overloaded, sentence, shutting_down, storage,
};

pub(super) fn service(error: &CartServiceError) -> Entry {
    match error {
        CartServiceError::Refused { error, .. } => refused(error),
        CartServiceError::KeyReused => key_reused(),
        CartServiceError::KeyInFlight => key_in_flight(),
        CartServiceError::Overloaded => overloaded(),
        CartServiceError::ShuttingDown => shutting_down(),
        CartServiceError::Storage(error) => storage(error),
        CartServiceError::Fence => fenced(),
        CartServiceError::Lost => bug(),
    }
}

fn refused(error: &CartError) -> Entry {
    use StatusCode as S;
    let (status, code, title) = match error {
        CartError::VersionMismatch { .. } => {
            (S::PRECONDITION_FAILED, "version_mismatch", "The cart moved on")
        }
        CartError::LineNotFound(_) => (S::NOT_FOUND, "line_not_found", "No such line"),
        CartError::UnknownProduct(_) => (S::UNPROCESSABLE_ENTITY, "unknown_product", "Unknown product"),
        CartError::ProductNotForSale(_) => (S::CONFLICT, "not_for_sale", "Not for sale"),
        CartError::TooManyUnits { .. } => (S::UNPROCESSABLE_ENTITY, "too_many_units", "Too many units"),
        CartError::TooManyLines => (S::UNPROCESSABLE_ENTITY, "too_many_lines", "Too many lines"),
        CartError::CurrencyMismatch { .. } => (S::CONFLICT, "currency_mismatch", "Another currency"),
        CartError::MergeIntoItself => (S::UNPROCESSABLE_ENTITY, "merge_into_itself", "Merge into itself"),
    };
    entry(status, code, title, sentence(&error.to_string()))
}
