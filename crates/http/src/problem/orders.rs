//! What orders refuse, and why they cannot be answered.

use actix_web::http::StatusCode;
use cartwright_domain::{HoldError, OrderError, PriceDifference, Shortage};
use cartwright_orders::OrdersError;

use super::{
    Entry, FieldError, bug, entry, fenced, key_in_flight, key_reused, overloaded, sentence, shutting_down,
    storage,
};

pub(super) fn service(error: &OrdersError) -> Entry {
    match error {
        OrdersError::Refused { error, .. } => refused(error),
        OrdersError::NotHeld(error) => not_held(error),
        OrdersError::NoHold => entry(
            StatusCode::NOT_FOUND,
            "hold_not_found",
            "No such hold",
            "There is no hold with this id, or it is somebody else's.",
        ),
        OrdersError::Missing => entry(
            StatusCode::NOT_FOUND,
            "order_not_found",
            "No such order",
            "There is no order with this id, or it is somebody else's.",
        ),
        OrdersError::Forbidden(order) if order.status.is_final() => entry(
            StatusCode::CONFLICT,
            "order_is_final",
            "Too late",
            format!("The order is {}, and stays so.", order.status),
        ),
        OrdersError::Forbidden(order) => entry(
            StatusCode::CONFLICT,
            "status_not_allowed",
            "Not from here",
            format!("The order is {}; that status does not follow from it.", order.status),
        ),
        OrdersError::KeyReused => key_reused(),
        OrdersError::KeyInFlight => key_in_flight(),
        OrdersError::Overloaded => overloaded(),
        OrdersError::ShuttingDown => shutting_down(),
        OrdersError::Storage(error) => storage(error),
        OrdersError::Fence => fenced(),
        OrdersError::Lost => bug(),
    }
}

fn refused(error: &OrderError) -> Entry {
    use StatusCode as S;
    let (status, code, title) = match error {
        // The words of this one are promised: no full stop.
        OrderError::InsufficientStock(_) => {
            return entry(S::CONFLICT, "insufficient_stock", "Insufficient stock", error.to_string());
        }
        OrderError::UnknownProduct(_) => (S::UNPROCESSABLE_ENTITY, "unknown_product", "Unknown product"),
        OrderError::ProductNotForSale(_) => (S::CONFLICT, "not_for_sale", "Not for sale"),
        OrderError::Currencies(..) => (S::CONFLICT, "currency_mismatch", "Several currencies"),
        OrderError::NothingBought => (S::UNPROCESSABLE_ENTITY, "no_lines", "Nothing to buy"),
        OrderError::TooManyLines => (S::UNPROCESSABLE_ENTITY, "too_many_lines", "Too many lines"),
        OrderError::TooManyUnits(_) => (S::UNPROCESSABLE_ENTITY, "too_many_units", "Too many units"),
        OrderError::EmptyCart => (S::CONFLICT, "empty_cart", "Empty cart"),
        OrderError::CartMoved { .. } => (S::PRECONDITION_FAILED, "version_mismatch", "The cart moved on"),
        OrderError::PricesRose { .. } => (S::CONFLICT, "price_increased", "Prices rose"),
        OrderError::TotalChanged { .. } => (S::CONFLICT, "total_changed", "Another total"),
        OrderError::UnknownHold(_) => (S::UNPROCESSABLE_ENTITY, "unknown_hold", "Unknown hold"),
        OrderError::HoldEnded(_) => (S::CONFLICT, "hold_ended", "The hold has ended"),
    };
    entry(status, code, title, sentence(&error.to_string()))
}

fn not_held(error: &HoldError) -> Entry {
    use StatusCode as S;
    let (status, code, title) = match error {
        HoldError::Order(error) => return refused(error),
        HoldError::TooManyLines { .. } => (S::UNPROCESSABLE_ENTITY, "too_many_lines", "Too many lines"),
        HoldError::TooManyUnits { .. } => (S::UNPROCESSABLE_ENTITY, "too_many_units", "Too many units"),
        HoldError::TooLong { .. } => (S::UNPROCESSABLE_ENTITY, "hold_too_long", "Too long"),
        HoldError::TooManyHolds { .. } => (S::CONFLICT, "too_many_holds", "Too many holds"),
        HoldError::Ended(_) => (S::CONFLICT, "hold_ended", "The hold has ended"),
        HoldError::AtItsEnd { .. } => (S::CONFLICT, "hold_at_its_end", "No more renewals"),
    };
    entry(status, code, title, sentence(&error.to_string()))
}

/// What is wrong with a wish to hold.
pub(super) fn hold_errors(error: &HoldError) -> Vec<FieldError> {
    match error {
        HoldError::Order(error) => errors(error),
        HoldError::TooManyLines { .. } => vec![FieldError::new("/lines", "too_many_lines", error)],
        HoldError::TooManyUnits { .. } => vec![FieldError::new("/lines", "too_many_units", error)],
        HoldError::TooLong { .. } => vec![FieldError::new("/seconds", "hold_too_long", error)],
        HoldError::TooManyHolds { .. } | HoldError::Ended(_) | HoldError::AtItsEnd { .. } => Vec::new(),
    }
}

/// What is wrong, line by line.
pub(super) fn errors(error: &OrderError) -> Vec<FieldError> {
    let short = |Shortage { product_id, available, requested }: &Shortage| {
        let detail = format!("there are {available} of {product_id}, {requested} were asked for");
        FieldError::new(format!("/lines/{product_id}"), "insufficient_stock", detail)
    };
    let other = |PriceDifference { product_id, agreed, current }: &PriceDifference| {
        let (was, is) = (agreed.currency(), current.currency());
        let detail =
            format!("{product_id} cost {agreed} {was} when it was added, and costs {current} {is} now");
        FieldError::new(format!("/lines/{product_id}"), "price_changed", detail)
    };
    match error {
        OrderError::InsufficientStock(lines) => lines.iter().map(short).collect(),
        OrderError::PricesRose { lines, .. } | OrderError::TotalChanged { lines, .. } => {
            lines.iter().map(other).collect()
        }
        OrderError::UnknownProduct(id) => {
            vec![FieldError::new(format!("/lines/{id}"), "unknown_product", error)]
        }
        OrderError::ProductNotForSale(id) => {
            vec![FieldError::new(format!("/lines/{id}"), "not_for_sale", error)]
        }
        OrderError::NothingBought => vec![FieldError::new("/lines", "missing", error)],
        OrderError::TooManyLines => vec![FieldError::new("/lines", "too_many_lines", error)],
        OrderError::TooManyUnits(id) => {
            vec![FieldError::new(format!("/lines/{id}"), "too_many_units", error)]
        }
        OrderError::UnknownHold(_) => vec![FieldError::new("/hold_id", "unknown_hold", error)],
        OrderError::Currencies(..)
        | OrderError::EmptyCart
        | OrderError::CartMoved { .. }
        | OrderError::HoldEnded(_) => Vec::new(),
    }
}
