//! What goes over the wire, as the OpenAPI document describes it.

use bytes::Bytes;
use cartwright_domain::{Currency, OrderPaging, OrderStatus, Page, Transition};
use cartwright_orders::OrderState;
use cartwright_storage::ListedOrders;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::{
    openapi::values::{Amount, CurrencyCode, IdOrInteger, Sentence},
    problem::Problem,
    wire::json,
};

/// What somebody bought.
#[derive(Serialize, ToSchema)]
pub(crate) struct Order {
    /// A UUID, which grows with time.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    id: String,
    /// Who bought.
    #[schema(example = "user-1")]
    user_id: String,
    /// `pending`, `processing`, `completed`, `failed`, `cancelled` or `expired`.
    #[schema(example = "pending")]
    status: &'static str,
    /// ISO 4217 code of its amounts.
    #[schema(example = "USD")]
    currency: &'static str,
    /// What was bought, in the order in which it was asked for.
    items: Vec<OrderLine>,
    /// The sum of the lines: a number with the exact decimal text.
    #[schema(value_type = f64, example = 2599.98)]
    total_price: Box<RawValue>,
    /// The version of the cart that it was made of; `null`: of no cart.
    #[schema(example = 3)]
    cart_version: Option<u64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00Z")]
    created_at: DateTime<Utc>,
    /// When its status last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:05:00Z")]
    updated_at: DateTime<Utc>,
}

/// One product of an order, as it was when it was bought.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderLine {
    #[schema(example = "1")]
    product_id: String,
    /// Its name at that time.
    #[schema(example = "Laptop")]
    name: String,
    /// Price of one at that time.
    #[schema(value_type = f64, example = 1299.99)]
    price: Box<RawValue>,
    #[schema(minimum = 1, maximum = 1000, example = 2)]
    quantity: u16,
    /// Price of the line.
    #[schema(value_type = f64, example = 2599.98)]
    subtotal: Box<RawValue>,
}

/// How far an order is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Which order.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    order_id: String,
    /// `pending`, `processing`, `completed`, `failed`, `cancelled` or `expired`.
    #[schema(example = "processing")]
    status: &'static str,
    /// Whether nothing comes after it.
    #[schema(example = false)]
    is_final: bool,
    /// How much of it is done, of a hundred, as far as whoever works on it says. `null`: it is not to be completed any more.
    #[schema(minimum = 0, maximum = 100, example = 60)]
    percent: Option<u8>,
    /// The same in words. `null`: nobody said.
    #[schema(example = "packed")]
    note: Option<String>,
    /// Every step, the oldest first.
    history: Vec<Step>,
}

/// A step of an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct Step {
    /// Where it was; `null`: it was made.
    #[schema(example = "pending")]
    from: Option<&'static str>,
    /// Where it went.
    #[schema(example = "processing")]
    to: &'static str,
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:05:00Z")]
    at: DateTime<Utc>,
    /// Why; `null`: nobody said.
    reason: Option<String>,
}

impl From<&Transition> for Step {
    fn from(step: &Transition) -> Self {
        Self {
            from: step.from.map(OrderStatus::name),
            to: step.to.name(),
            at: step.at,
            reason: step.reason.clone(),
        }
    }
}

/// A part of the orders, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Orders {
    items: Vec<Order>,
    /// Of numbered pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    page: Option<u32>,
    /// Of numbered pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 20)]
    page_size: Option<u32>,
    /// Of numbered pages: how many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    total: Option<u64>,
    /// After a cursor: where the next part begins; `null`: this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Option<String>>,
}

/// Which orders.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Query` reads")]
pub(crate) struct OrdersParams {
    /// Only those with this status
    #[param(pattern = "^(pending|processing|completed|failed|cancelled|expired)$", example = "pending")]
    status: Option<String>,
    /// Which page, from 1; up to order 100,000
    #[param(minimum = 1, maximum = 100_000, example = 1)]
    page: Option<u32>,
    /// How many on a page
    #[param(minimum = 1, maximum = 100, example = 20)]
    page_size: Option<u32>,
    /// `next_cursor` of the part before; not together with `page`
    #[param(
        pattern = "^([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})?$",
        example = "01890a5d-ac96-774b-bcce-b302099a8057"
    )]
    cursor: Option<String>,
    /// How many after the cursor
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}

/// What to buy: one product, several, or what a hold keeps.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[serde(untagged)]
#[schema(example = json!({"product_id": "1", "quantity": 2}))]
pub(crate) enum NewOrder {
    One(OneBought),
    Several(SeveralBought),
    Hold(HoldBought),
}

/// So much of one product.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneBought {
    #[serde(flatten)]
    line: Wanted,
    #[serde(flatten)]
    expected: Expected,
}

/// Several products; one that is named twice is added up.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeveralBought {
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<Wanted>,
    #[serde(flatten)]
    expected: Expected,
}

/// All that a hold keeps, at its prices.
#[derive(Serialize, ToSchema)]
pub(crate) struct HoldBought {
    #[schema(format = Uuid)]
    hold_id: String,
    #[serde(flatten)]
    expected: Expected,
}

/// Bought for this sum, or not at all.
#[derive(Serialize, ToSchema)]
pub(crate) struct Expected {
    #[schema(value_type = Option<Amount>)]
    expected_total: Option<f64>,
    /// Of `expected_total`; the server's currency when absent.
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Option<String>,
}

/// A product, and how many.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"product_id": "1", "quantity": 2}))]
pub(crate) struct Wanted {
    #[schema(value_type = IdOrInteger)]
    product_id: String,
    /// 1 when absent.
    #[schema(minimum = 1, maximum = 1000, default = 1, nullable = false)]
    quantity: Option<u16>,
}

/// Which cart is bought.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(example = json!({"cart_version": 3, "expected_total": 2599.98, "currency": "USD"}))]
pub(crate) struct Checkout {
    /// The version that the buyer has seen. Needed, unless `If-Match` says it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    cart_version: Option<u64>,
    /// Bought for this sum, or not at all: consent to prices that rose.
    #[schema(value_type = Option<Amount>)]
    expected_total: Option<f64>,
    /// Of `expected_total`; the server's currency when absent.
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Option<String>,
}

/// Where an order goes next.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(example = json!({"status": "processing", "percent": 40, "note": "packed"}))]
pub(crate) struct NextStep {
    /// `processing`, `completed`, `failed`, `cancelled` or `expired`.
    #[schema(pattern = "^(processing|completed|failed|cancelled|expired)$", example = "processing")]
    status: String,
    /// Why, for people.
    #[schema(value_type = Option<Sentence>)]
    reason: Option<String>,
    /// How much of it is done, of a hundred. Kept while it is `processing`.
    #[schema(minimum = 0, maximum = 100)]
    percent: Option<u8>,
    /// The same in words.
    #[schema(value_type = Option<Sentence>)]
    note: Option<String>,
}

/// Why an order is cancelled.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(example = json!({"reason": "ordered twice"}))]
pub(crate) struct Cancel {
    /// For people.
    #[schema(value_type = Option<Sentence>)]
    reason: Option<String>,
}

/// An amount as it is written.
pub(crate) fn amount(currency: Currency, minor: i64) -> Result<Box<RawValue>, Problem> {
    let mut text = String::with_capacity(16);
    let _ = currency.write_amount(&mut text, minor); // a string takes everything
    RawValue::from_string(text).map_err(|error| Problem::Document(error.into()))
}

/// A line as it is written.
pub(crate) fn line(currency: Currency, line: &cartwright_domain::OrderLine) -> Result<OrderLine, Problem> {
    Ok(OrderLine {
        product_id: line.product_id.to_string(),
        name: line.name.clone(),
        price: amount(currency, line.price.minor())?,
        quantity: line.quantity.get(),
        subtotal: amount(currency, line.subtotal_minor())?,
    })
}

pub(crate) fn shown(order: &cartwright_domain::Order) -> Result<Order, Problem> {
    Ok(Order {
        id: order.id.to_string(),
        user_id: order.owner.to_string(),
        status: order.status.name(),
        currency: order.currency.code(),
        items: order
            .lines
            .iter()
            .map(|bought| line(order.currency, bought))
            .collect::<Result<_, Problem>>()?,
        total_price: amount(order.currency, order.total_minor())?,
        cart_version: order.cart_version,
        created_at: order.created_at,
        updated_at: order.updated_at,
    })
}

/// The document of an order.
pub(super) fn order(order: &cartwright_domain::Order) -> Result<Bytes, Problem> {
    json(&shown(order)?)
}

/// The document of an order's steps.
pub(super) fn progress(state: &OrderState) -> Result<Bytes, Problem> {
    let order = &state.order;
    json(&Progress {
        order_id: order.id.to_string(),
        status: order.status.name(),
        is_final: order.status.is_final(),
        percent: state.percent(),
        note: state.noted.as_ref().map(|noted| noted.note.clone()),
        history: state.steps.iter().map(Step::from).collect(),
    })
}

/// The document of a list.
pub(super) fn list(listed: &ListedOrders, paging: OrderPaging) -> Result<Bytes, Problem> {
    let (page, next_cursor) = match paging {
        OrderPaging::Page(page) => (Some(page), None),
        OrderPaging::After(..) => (None, Some(listed.next.map(|next| next.to_string()))),
    };
    json(&Orders {
        items: listed.items.iter().map(shown).collect::<Result<_, _>>()?,
        page: page.map(Page::number),
        page_size: page.map(Page::size),
        total: listed.total,
        next_cursor,
    })
}
