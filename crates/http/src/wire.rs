//! What goes over the wire, as the OpenAPI document describes it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    openapi::values::{Amount, CurrencyCode, IdOrInteger, ProductName},
    problem::{FieldError, Problem},
};

/// Writes a body.
pub(crate) fn json(value: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| Problem::Document(error.into()))
}

/// A cart.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the cart service writes")]
pub(crate) struct Cart {
    /// Whose cart it is.
    #[schema(example = "user-1")]
    user_id: String,
    /// Grows by one with every change; 0 when nobody has written to the cart yet.
    #[schema(example = 3)]
    version: u64,
    /// ISO 4217 code of its amounts. `null` when it is empty.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// The lines, oldest first.
    items: Vec<Line>,
    /// How many lines.
    #[schema(example = 1)]
    item_count: u64,
    /// Units over all lines.
    #[schema(example = 2)]
    total_quantity: u64,
    /// The sum of the lines: a number with the exact decimal text.
    #[schema(example = 2599.98)]
    total_price: f64,
    /// When it was first written to.
    #[schema(format = DateTime, example = "2026-01-31T12:00:00Z")]
    created_at: Option<String>,
    /// When it last changed.
    #[schema(format = DateTime, example = "2026-01-31T12:05:00Z")]
    updated_at: Option<String>,
    /// What has changed in the catalogue since its lines were made. Absent when nothing has.
    warnings: Option<Vec<CartWarning>>,
}

/// One product in a cart.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the cart service writes")]
pub(crate) struct Line {
    /// Which product.
    #[schema(example = "1")]
    product_id: String,
    /// Its name when it was added.
    #[schema(example = "Laptop")]
    name: String,
    /// Price of one when it was added.
    #[schema(example = 1299.99)]
    price: f64,
    /// How many.
    #[schema(minimum = 1, maximum = 1000, example = 2)]
    quantity: u16,
    /// Price of the line.
    #[schema(example = 2599.98)]
    subtotal: f64,
    /// When the line was made.
    #[schema(format = DateTime, example = "2026-01-31T12:00:00Z")]
    added_at: String,
    /// `true` when the catalogue has another price by now. Absent otherwise.
    #[schema(example = true)]
    price_changed: Option<bool>,
    /// The price by now, when it is another.
    #[schema(example = 1199.99)]
    current_price: Option<f64>,
    /// Its currency, when that is another than the cart's.
    #[schema(example = "EUR")]
    current_currency: Option<String>,
}

/// What a shopper should know before buying.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `current` puts into the document")]
pub(crate) struct CartWarning {
    /// `price_changed`, `not_for_sale` or `insufficient_stock`.
    #[schema(example = "price_changed")]
    code: String,
    /// Of which line.
    #[schema(example = "1")]
    product_id: String,
    /// A sentence for people.
    #[schema(example = "1 cost 1299.99 when it was added, and costs 1199.99 USD now")]
    detail: String,
}

/// How much is in a cart.
#[derive(Serialize, ToSchema)]
pub(crate) struct Count {
    /// How many lines.
    #[schema(example = 1)]
    pub(crate) count: u64,
    /// Units over all lines.
    #[schema(example = 2)]
    pub(crate) total_quantity: u64,
}

/// What to add.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(example = json!({"product_id": "1", "quantity": 2, "product_data": {"name": "Laptop", "price": 1299.99}}))]
pub(crate) struct AddItem {
    /// 1 to 100 characters of `[A-Za-z0-9._:@-]`; an integer stands for its digits.
    #[schema(value_type = IdOrInteger)]
    product_id: String,
    /// How many more; 1 when absent.
    #[schema(minimum = 1, maximum = 1000, default = 1, nullable = false)]
    quantity: Option<u16>,
    /// Name and price of a product outside the catalogue; of others, the catalogue's count.
    product_data: Option<ProductData>,
}

/// What the client says a product is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
pub(crate) struct ProductData {
    #[schema(value_type = ProductName)]
    name: String,
    #[schema(value_type = Amount)]
    price: f64,
    /// The server's default when absent.
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Option<String>,
}

/// The quantity that a line shall have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
pub(crate) struct SetQuantity {
    /// 0 removes the line.
    #[schema(minimum = 0, maximum = 1000, example = 3)]
    quantity: u16,
}

/// Which cart to merge.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
pub(crate) struct Merge {
    /// Whose cart is emptied.
    #[schema(value_type = IdOrInteger, example = "guest-7")]
    from_user_id: String,
}

/// What a merge did, or would do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `MergeAnswer`")]
pub(crate) struct Merged {
    cart: Cart,
    /// One entry for every line that came over.
    merged: Vec<MergedLine>,
    /// Whether nothing was changed.
    #[schema(example = false)]
    dry_run: bool,
}

/// What became of one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct MergedLine {
    #[schema(example = "1")]
    product_id: String,
    /// Units that came over.
    #[schema(example = 1)]
    quantity: u16,
    /// Units of it in the cart afterwards.
    #[schema(example = 3)]
    result: u16,
}

impl From<&cartwright_domain::MergedLine> for MergedLine {
    fn from(line: &cartwright_domain::MergedLine) -> Self {
        Self {
            product_id: line.product_id.as_str().to_owned(),
            quantity: line.quantity.get(),
            result: line.result.get(),
        }
    }
}

/// [`Merged`], with the cart as it came.
#[derive(Serialize)]
pub(crate) struct MergeAnswer<'a> {
    pub(crate) cart: &'a RawValue,
    pub(crate) merged: Vec<MergedLine>,
    pub(crate) dry_run: bool,
}

/// Why a request has no answer (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `render` writes")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `urn:cartwright:problem:` and the code.
    #[schema(rename = "type", example = "urn:cartwright:problem:invalid_request")]
    r#type: String,
    /// The kind of problem, for people.
    #[schema(example = "Invalid request")]
    title: String,
    #[schema(example = 422)]
    status: u16,
    /// A sentence that a person can act on.
    #[schema(example = "/quantity: a quantity is a whole number from 1 to 1000, not 0.")]
    detail: String,
    /// Stable name of the kind of problem, for programs.
    #[schema(example = "invalid_request")]
    code: String,
    /// Names this request in the server's log.
    #[schema(example = "8a6f3c0d52e149b7")]
    request_id: String,
    /// Place by place what is wrong. Absent when there is nothing more to say.
    errors: Option<Vec<FieldError>>,
    /// With 412: the cart as it is.
    cart: Option<Cart>,
    /// With 412: the product as it is.
    product: Option<crate::catalog::wire::Product>,
}
