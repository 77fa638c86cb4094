//! The JSON of a cart: what is cached is what is sent.

use std::{borrow::Cow, fmt::Write as _};

use bytes::Bytes;
use cartwright_cache::Document;
use cartwright_domain::{Cart, Currency, Line, Money, MoneyError, OwnerId, ProductId, Quantity};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
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

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    version: u64,
    currency: Option<Currency>,
    items: Vec<WireLine<'a>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct WireLine<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    price: Amount<'a>,
    quantity: Quantity,
    added_at: DateTime<Utc>,
}

/// A JSON number with the exact decimal text.
#[derive(Deserialize)]
#[serde(transparent)]
struct Amount<'a>(#[serde(borrow)] Cow<'a, RawValue>);

/// Writes the document of a cart.
///
/// By hand, because this is done for every write: [`RawValue`] would be made, checked and thrown away for each amount.
///
/// # Errors
/// [`DocumentError::Shape`], which does not happen for a cart.
pub fn encode(cart: &Cart) -> Result<Document, DocumentError> {
    let mut body = String::with_capacity(256 + 256 * cart.lines().len());
    write(&mut body, cart).map_err(serde::ser::Error::custom).map_err(DocumentError::Shape)?;
    Ok(Document { version: cart.version(), body: Bytes::from(body) })
}

fn write(out: &mut String, cart: &Cart) -> std::fmt::Result {
    out.push_str(r#"{"user_id":"#);
    text(out, cart.owner().as_str())?;
    write!(out, r#","version":{},"currency":"#, cart.version())?;
    match cart.currency() {
        Some(currency) => text(out, currency.code())?,
        None => out.push_str("null"),
    }
    out.push_str(r#","items":["#);
    for (at, line) in cart.lines().iter().enumerate() {
        out.push_str(if at == 0 { r#"{"product_id":"# } else { r#",{"product_id":"# });
        text(out, line.product_id.as_str())?;
        out.push_str(r#","name":"#);
        text(out, &line.name)?;
        out.push_str(r#","price":"#);
        cart.write_amount(out, line.price.minor())?;
        write!(out, r#","quantity":{},"subtotal":"#, line.quantity.get())?;
        cart.write_amount(out, line.subtotal_minor())?;
        out.push_str(r#","added_at":"#);
        time(out, Some(line.added_at));
        out.push('}');
    }
    let (count, units) = (cart.lines().len(), cart.total_quantity());
    write!(out, r#"],"item_count":{count},"total_quantity":{units},"total_price":"#)?;
    cart.write_amount(out, cart.total_minor())?;
    out.push_str(r#","created_at":"#);
    time(out, cart.created_at());
    out.push_str(r#","updated_at":"#);
    time(out, cart.updated_at());
    out.push('}');
    Ok(())
}

fn text(out: &mut String, text: &str) -> std::fmt::Result {
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
    if text.as_bytes().iter().all(plain) {
        out.extend(["\"", text, "\""]);
    } else {
        out.push_str(&serde_json::to_string(text).map_err(|_error| std::fmt::Error)?);
    }
    Ok(())
}

fn time(out: &mut String, time: Option<DateTime<Utc>>) {
    match time {
        Some(time) => out.extend(["\"", &time.to_rfc3339_opts(SecondsFormat::AutoSi, true), "\""]),
        None => out.push_str("null"),
    }
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
