//! Events as they go over the wire.

use cartwright_events::Listed;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// A part of the events, in the order of their numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events {
    #[schema(value_type = Vec<Event>)]
    items: Vec<Box<RawValue>>,
    /// `after` of the next part. `null`: there was no more.
    #[schema(example = "4711")]
    next_cursor: Option<String>,
    /// The number of the last event that there was, wanted or not: after it comes what happens next.
    #[schema(example = "4711")]
    last: String,
}

impl Events {
    pub(super) fn of(listed: &Listed) -> Result<Self, Problem> {
        let document = |event: &cartwright_storage::Event| {
            RawValue::from_string(event.document()).map_err(|error| Problem::Document(error.into()))
        };
        Ok(Self {
            items: listed.events.iter().map(document).collect::<Result<_, _>>()?,
            next_cursor: listed.next.map(|next| next.to_string()),
            last: listed.last.to_string(),
        })
    }
}

/// Something that happened: the attributes of CloudEvents 1.0, and the owner as an extension. This is also the body of a
/// webhook.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the store's event writes")]
#[schema(examples(
    json!({"specversion": "1.0", "id": "1", "source": "/cartwright", "type": "cart.updated", "subject": "user-1",
        "time": "2026-01-31T12:00:00Z", "owner": "user-1", "data": {"version": 3, "currency": "USD", "item_count": 1,
        "total_quantity": 2, "total_price": 2599.98}}),
    json!({"specversion": "1.0", "id": "2", "source": "/cartwright", "type": "cart.abandoned", "subject": "user-1",
        "time": "2026-02-01T13:00:00Z", "owner": "user-1", "data": {"version": 3, "currency": "USD", "item_count": 1,
        "total_quantity": 2, "total_price": 2599.98, "updated_at": "2026-01-31T12:00:00Z"}}),
    json!({"specversion": "1.0", "id": "3", "source": "/cartwright", "type": "order.created",
        "subject": "01890a5d-ac96-774b-bcce-b302099a8057", "time": "2026-01-31T12:05:00Z", "owner": "user-1",
        "data": {"status": "pending", "currency": "USD", "total_price": 2599.98, "cart_version": 3,
        "items": [{"product_id": "1", "quantity": 2}]}}),
    json!({"specversion": "1.0", "id": "4", "source": "/cartwright", "type": "order.changed",
        "subject": "01890a5d-ac96-774b-bcce-b302099a8057", "time": "2026-01-31T12:10:00Z", "owner": "user-1",
        "data": {"from": "pending", "status": "cancelled", "currency": "USD", "total_price": 2599.98,
        "reason": "ordered twice"}}),
    json!({"specversion": "1.0", "id": "5", "source": "/cartwright", "type": "stock.low", "subject": "1",
        "time": "2026-01-31T12:05:00Z", "owner": null, "data": {"stock": 4, "threshold": 5}}),
    json!({"specversion": "1.0", "id": "6", "source": "/cartwright", "type": "hold.expiring",
        "subject": "01890a5d-ac96-774b-bcce-b302099a8058", "time": "2026-01-31T12:05:00Z", "owner": "user-1",
        "data": {"expires_at": "2026-01-31T12:10:00Z", "items": [{"product_id": "1", "quantity": 2}]}}),
))]
pub(crate) struct Event {
    /// The version of CloudEvents.
    #[schema(example = "1.0")]
    specversion: String,
    /// The number of the event, in digits. Numbers grow by one, without gaps.
    #[schema(pattern = "^[0-9]+$", example = "4711")]
    id: String,
    /// Always `/cartwright`.
    #[schema(example = "/cartwright")]
    source: String,
    /// `cart.updated`, `cart.abandoned`, `order.created`, `order.changed`, `stock.low` or `hold.expiring`. There may be more
    /// one day.
    #[serde(rename = "type")]
    #[schema(example = "order.created")]
    kind: String,
    /// What it is about: the user whose cart it is, or the id of an order, a product or a hold.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    subject: String,
    /// When it happened.
    time: DateTime<Utc>,
    /// Whose it is; `null`: nobody's.
    #[schema(example = "user-1")]
    owner: Option<String>,
    data: EventData,
}

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the stream writes")]
pub(crate) struct StreamedEvent {
    /// Its type, or `reset`.
    #[schema(example = "order.created")]
    event: String,
    /// The number of the event.
    #[schema(pattern = "^[0-9]+$", example = "4711")]
    id: String,
    /// An `Event`; of `reset`, an object with `after`, the number after which it goes on.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// What else there is to say, by type.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes what the store's event writes")]
#[serde(untagged)]
pub(crate) enum EventData {
    /// `cart.updated`, `cart.abandoned`
    Cart(CartData),
    /// `order.created`, `order.changed`
    Order(OrderData),
    /// `stock.low`
    Stock(StockData),
    /// `hold.expiring`
    Hold(HoldData),
}

/// A cart at the time of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct CartData {
    /// The version it got, or has had for long. Versions in between may be left out.
    #[schema(example = 3)]
    version: u64,
    /// `null` when it is empty.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// How many lines.
    #[schema(example = 1)]
    item_count: u64,
    /// Units over all lines.
    #[schema(example = 2)]
    total_quantity: u64,
    /// A number with the exact decimal text.
    #[schema(example = 2599.98)]
    total_price: f64,
    /// Of abandoned ones: when that version was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<DateTime<Utc>>,
}

/// An order at the time of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderData {
    /// Of changed ones: the status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pending")]
    from: Option<String>,
    /// The status now.
    #[schema(example = "cancelled")]
    status: String,
    #[schema(example = "USD")]
    currency: String,
    /// A number with the exact decimal text.
    #[schema(example = 2599.98)]
    total_price: f64,
    /// Of new ones: the version of the cart that it was made of; `null`: of no cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    cart_version: Option<u64>,
    /// Of new ones: what was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<EventItem>>,
    /// Of changed ones: why; `null`: nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ordered twice")]
    reason: Option<String>,
}

/// A product, and how many.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventItem {
    #[schema(example = "1")]
    product_id: String,
    #[schema(example = 2)]
    quantity: u32,
}

/// A product of which little is left.
#[derive(Serialize, ToSchema)]
pub(crate) struct StockData {
    /// So many are.
    #[schema(example = 4)]
    stock: u32,
    /// Less than so many is little.
    #[schema(example = 5)]
    threshold: u32,
}

/// Something that is held for somebody, and soon no more.
#[derive(Serialize, ToSchema)]
pub(crate) struct HoldData {
    expires_at: DateTime<Utc>,
    items: Vec<EventItem>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct EventsParams {
    /// Only of these types, separated by commas
    #[param(
        pattern = "^((cart\\.(updated|abandoned)|order\\.(created|changed)|stock\\.low|hold\\.expiring)(,(cart\\.(updated|abandoned)|order\\.(created|changed)|stock\\.low|hold\\.expiring))*)?$",
        example = "order.created,order.changed"
    )]
    types: Option<String>,
    /// Only those after this number. A list begins at the oldest event that is kept when it is absent, a stream with what
    /// happens next
    #[param(pattern = "^[0-9]{0,19}$", example = "4711")]
    after: Option<String>,
    /// How many in a list
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}
