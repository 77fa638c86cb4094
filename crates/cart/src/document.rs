//! The JSON of a cart: what is cached is what is sent.

use std::borrow::Cow;

use bytes::Bytes;
use cartwright_cache::Document;
use cartwright_domain::{Cart, Currency, Line, Money, MoneyError, OwnerId, ProductId, Quantity};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A text that is not the document of a cart.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or of another shape.
    #[error("not a cart document")]
    Shape(#[from] serde_json::Error),
    /// A price that is none.
    #[error("a price of the cart document")]
    Price(#[from] MoneyError),
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    version: u64,
    currency: Option<Currency>,
    items: Vec<WireLine<'a>>,
    item_count: usize,
    total_quantity: u64,
    total_price: Amount<'a>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct WireLine<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    price: Amount<'a>,
    quantity: Quantity,
    subtotal: Amount<'a>,
    added_at: DateTime<Utc>,
}

/// A JSON number with the exact decimal text.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Amount<'a>(#[serde(borrow)] Cow<'a, RawValue>);

impl Amount<'_> {
    fn new(cart: &Cart, minor: i64) -> Result<Self, serde_json::Error> {
        let mut text = String::with_capacity(16);
        cart.write_amount(&mut text, minor).map_err(serde::ser::Error::custom)?;
        RawValue::from_string(text).map(|raw| Self(Cow::Owned(raw)))
    }
}

/// Writes the document of a cart.
///
/// # Errors
/// [`DocumentError::Shape`], which does not happen for a cart.
pub fn encode(cart: &Cart) -> Result<Document, DocumentError> {
    let line = |line: &Line| -> Result<_, serde_json::Error> {
        Ok(WireLine {
            product_id: Cow::Owned(line.product_id.as_str().to_owned()),
            name: Cow::Owned(line.name.clone()),
            price: Amount::new(cart, line.price.minor())?,
            quantity: line.quantity,
            subtotal: Amount::new(cart, line.subtotal_minor())?,
            added_at: line.added_at,
        })
    };
    let wire = Wire {
        user_id: Cow::Borrowed(cart.owner().as_str()),
        version: cart.version(),
        currency: cart.currency(),
        items: cart.lines().iter().map(line).collect::<Result<_, _>>()?,
        item_count: cart.lines().len(),
        total_quantity: cart.total_quantity(),
        total_price: Amount::new(cart, cart.total_minor())?,
        created_at: cart.created_at(),
        updated_at: cart.updated_at(),
    };
    let mut body = Vec::with_capacity(256 + 220 * cart.lines().len());
    serde_json::to_writer(&mut body, &wire)?;
    Ok(Document { version: cart.version(), body: Bytes::from(body) })
}

/// Reads the document of a cart.
///
/// # Errors
/// [`DocumentError`] when `body` is not one.
pub fn decode(body: &[u8]) -> Result<Cart, DocumentError> {
    let wire: Wire<'_> = serde_json::from_slice(body)?;
    let invalid = |error: &dyn std::fmt::Display| <serde_json::Error as serde::de::Error>::custom(error);
    let owner = OwnerId::new(&wire.user_id).map_err(|error| invalid(&error))?;
    let (Some(created_at), Some(updated_at)) = (wire.created_at, wire.updated_at) else {
        return Ok(Cart::empty(owner));
    };
    let currency = wire.currency;
    let line = |line: WireLine<'_>| -> Result<Line, DocumentError> {
        let currency = currency.ok_or_else(|| invalid(&"a line without a currency"))?;
        Ok(Line {
            product_id: ProductId::new(&line.product_id).map_err(|error| invalid(&error))?,
            name: line.name.into_owned(),
            price: Money::parse(line.price.0.get(), currency)?,
            quantity: line.quantity,
            added_at: line.added_at,
        })
    };
    let lines = wire.items.into_iter().map(line).collect::<Result<_, _>>()?;
    Ok(Cart::from_parts(owner, wire.version, lines, created_at, updated_at))
}

/// `count` and `total_quantity` of a document, without reading its lines.
///
/// # Errors
/// [`DocumentError::Shape`] when `body` is not the document of a cart.
pub(crate) fn counts(body: &[u8]) -> Result<(u64, u64), DocumentError> {
    #[derive(Deserialize)]
    struct Counts {
        item_count: u64,
        total_quantity: u64,
    }
    let counts: Counts = serde_json::from_slice(body)?;
    Ok((counts.item_count, counts.total_quantity))
}
