//! What goes over the wire, as the OpenAPI document describes it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    orders::wire::{OrderLine, Wanted, amount, line},
    problem::Problem,
    wire::json,
};

/// Units that are kept for somebody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Hold {
    /// A UUID, which grows with time.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    id: String,
    /// For whom.
    #[schema(example = "user-1")]
    user_id: String,
    /// `active`, `claimed` (it became an order), `released` or `expired`.
    #[schema(example = "active")]
    status: &'static str,
    /// ISO 4217 code of its amounts.
    #[schema(example = "USD")]
    currency: &'static str,
    /// What is kept, with names and prices as they were when it was made.
    items: Vec<OrderLine>,
    /// What it costs when it is bought: a number with the exact decimal text.
    #[schema(value_type = f64, example = 2599.98)]
    total_price: Box<RawValue>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00Z")]
    created_at: DateTime<Utc>,
    /// From this moment on its units are anybody's.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:10:00Z")]
    expires_at: DateTime<Utc>,
    /// No renewal goes beyond this moment.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T13:00:00Z")]
    renewable_until: DateTime<Utc>,
    /// The order that it became; `null`: none.
    #[schema(example = json!(null))]
    order_id: Option<String>,
}

/// What to hold: one product, or several.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[serde(untagged)]
#[schema(example = json!({"product_id": "1", "quantity": 2, "seconds": 600}))]
pub(crate) enum NewHold {
    One(OneHeld),
    Several(SeveralHeld),
}

/// So much of one product.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneHeld {
    #[serde(flatten)]
    line: Wanted,
    #[serde(flatten)]
    time: RenewHold,
}

/// Several products; one that is named twice is added up.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeveralHeld {
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<Wanted>,
    #[serde(flatten)]
    time: RenewHold,
}

/// For how long.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"seconds": 600}))]
pub(crate) struct RenewHold {
    /// From now. As long as the server is configured to when absent.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    seconds: Option<u32>,
}

/// The document of a hold.
pub(super) fn hold(hold: &cartwright_domain::Hold) -> Result<Bytes, Problem> {
    json(&shown(hold)?)
}

pub(crate) fn shown(hold: &cartwright_domain::Hold) -> Result<Hold, Problem> {
    let currency = hold.currency;
    Ok(Hold {
        id: hold.id.to_string(),
        user_id: hold.owner.to_string(),
        status: hold.status.name(),
        currency: currency.code(),
        items: hold.lines.iter().map(|kept| line(currency, kept)).collect::<Result<_, Problem>>()?,
        total_price: amount(currency, hold.total_minor())?,
        created_at: hold.created_at,
        expires_at: hold.expires_at,
        renewable_until: hold.until,
        order_id: hold.order.map(|order| order.to_string()),
    })
}
