//! Puts what has changed into the document of a cart.

use std::{collections::HashMap, fmt::Write as _};

use bytes::Bytes;
use cartwright_catalog::{CatalogService, Offer};
use cartwright_domain::{Currency, Money, ProductId};
use sha2::{Digest, Sha256};

/// A document with what has changed, and a mark that is the same for the same changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Annotated {
    pub(super) body: Bytes,
    /// Goes into the entity tag: another price is another answer, at the same version of the cart.
    pub(super) mark: u32,
}

/// A line of the document.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    product_id: &'a str,
    price: &'a str,
    quantity: u32,
    /// Where more about it can be said: just before `,"quantity":`.
    at: usize,
}

/// What follows this text in `body` from `from` on, and where that begins.
fn after(body: &str, from: usize, text: &str) -> Option<usize> {
    Some(from + body.get(from..)?.find(text)? + text.len())
}

fn until<'a>(body: &'a str, from: usize, end: &str) -> Option<(&'a str, usize)> {
    let rest = body.get(from..)?;
    let at = rest.find(end)?;
    Some((rest.get(..at)?, from + at))
}

/// The lines, in order. None of these texts can stand inside of a name: a quotation mark in a string has a backslash
/// before it.
fn lines(body: &str) -> impl Iterator<Item = Line<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let (product_id, end) = until(body, after(body, from, r#"{"product_id":""#)?, "\"")?;
        let (price, at) = until(body, after(body, end, r#","price":"#)?, ",")?;
        let (quantity, end) = until(body, after(body, at, r#","quantity":"#)?, ",")?;
        from = end;
        Some(Line { product_id, price, quantity: quantity.parse().ok()?, at })
    })
}

fn currency(body: &str) -> Option<Currency> {
    let (code, _) = until(body, after(body, 0, r#","currency":""#)?, "\"")?;
    Currency::new(code).ok()
}

/// What there is to warn of.
enum Warning {
    Price(Money),
    NotForSale,
    Stock(u32),
}

fn warnings(line: &Line<'_>, currency: Currency, now: Offer) -> Vec<Warning> {
    let mut found = Vec::new();
    if !now.active {
        found.push(Warning::NotForSale);
    }
    if now.active && now.stock.get() < line.quantity {
        found.push(Warning::Stock(now.stock.get()));
    }
    if Money::parse(line.price, currency).is_ok_and(|then| then != now.price) {
        found.push(Warning::Price(now.price));
    }
    found
}

/// Puts in what has changed, asking `current` for each product; `None` there: the catalogue does not have it. `None` here:
/// nothing has changed.
fn annotate(body: &Bytes, mut current: impl FnMut(&str) -> Option<Offer>) -> Option<Annotated> {
    let text = std::str::from_utf8(body).ok()?;
    let currency = currency(text)?;
    let (mut out, mut copied, mut told) = (String::new(), 0, String::new());
    for line in lines(text) {
        let Some(now) = current(line.product_id) else { continue };
        for warning in warnings(&line, currency, now) {
            let id = line.product_id;
            let (code, detail) = match &warning {
                Warning::Price(price) => {
                    out.push_str(text.get(copied..line.at)?);
                    copied = line.at;
                    let code = price.currency();
                    let _ = write!(out, r#","price_changed":true,"current_price":{price}"#);
                    if code != currency {
                        let _ = write!(out, r#","current_currency":"{code}""#);
                    }
                    (
                        "price_changed",
                        format!("{id} cost {} when it was added, and costs {price} {code} now", line.price),
                    )
                }
                Warning::NotForSale => ("not_for_sale", format!("{id} is not for sale any more")),
                Warning::Stock(left) => (
                    "insufficient_stock",
                    format!("{} of {id} are wanted, and {left} are there", line.quantity),
                ),
            };
            let comma = if told.is_empty() { "" } else { "," };
            // An id needs no escapes in JSON, nor does anything else that is said here.
            let _ = write!(told, r#"{comma}{{"code":"{code}","product_id":"{id}","detail":"{detail}"}}"#);
        }
    }
    if told.is_empty() {
        return None;
    }
    out.push_str(text.get(copied..text.len().checked_sub(1)?)?);
    let _ = write!(out, r#","warnings":[{told}]}}"#);
    let mark =
        Sha256::digest(told.as_bytes()).iter().take(4).fold(0, |mark, byte| mark << 8 | u32::from(*byte));
    Some(Annotated { body: Bytes::from(out), mark })
}

/// The same, with what the catalogue has in memory, or else in its other caches or the database. When it cannot be asked,
/// the cart is shown without. And whether all was known, and as of now.
pub(super) async fn with_current(catalog: &CatalogService, body: &Bytes) -> (Option<Annotated>, bool) {
    let (mut unknown, mut certain) = (Vec::new(), true);
    let known = annotate(body, |id| {
        let id = ProductId::new(id).ok()?;
        match catalog.peek_offer(&id) {
            Some(answer) => {
                certain &= !answer.stale;
                answer.value
            }
            None => {
                unknown.push(id);
                None
            }
        }
    });
    if unknown.is_empty() {
        return (known, certain);
    }
    let mut asked = HashMap::with_capacity(unknown.len());
    for (id, answer) in unknown.iter().zip(catalog.offers(&unknown).await) {
        certain &= answer.as_ref().is_ok_and(|answer| !answer.stale);
        asked.insert(id.clone(), answer.ok().and_then(|answer| answer.value));
    }
    let shown = annotate(body, |id| {
        let id = ProductId::new(id).ok()?;
        asked.get(&id).copied().unwrap_or_else(|| catalog.peek_offer(&id)?.value)
    });
    (shown, certain)
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{Cart, Command, Context, OwnerId, ProductData, Quantity, Stock};
    use chrono::DateTime;
    use serde_json::Value;

    use super::*;

    const EUR: Currency = Currency::EUR;

    fn euros(minor: i64) -> Money {
        Money::from_minor(minor, EUR).unwrap()
    }

    /// A cart of products a, b, c with hostile names, 2.50 € each.
    fn cart(names: &[&str]) -> Bytes {
        let mut cart = Cart::empty(OwnerId::new("ana").unwrap());
        for (id, name) in ["a", "b", "c"].iter().zip(names) {
            let data = ProductData { name: (*name).to_owned(), price: euros(250) };
            let product_id = ProductId::new(id).unwrap();
            let command =
                Command::Add { product_id, quantity: Quantity::new(3).unwrap(), product_data: Some(data) };
            let context = Context { now: DateTime::UNIX_EPOCH, listing: None, allow_unlisted: true };
            cart.apply(&command, context).unwrap();
        }
        cartwright_cart::encode(&cart).unwrap().body
    }

    fn offer(price: Money, stock: i64, active: bool) -> Offer {
        Offer { price, stock: Stock::new(stock).unwrap(), active }
    }

    #[test]
    fn what_has_not_changed_goes_out_as_it_came() {
        let body = cart(&["Tea", "Coffee", "Cake"]);
        assert_eq!(annotate(&body, |_| Some(offer(euros(250), 3, true))), None);
        assert_eq!(annotate(&body, |_| None), None, "not in the catalogue");
        let empty = cartwright_cart::encode(&Cart::empty(OwnerId::new("ana").unwrap())).unwrap().body;
        assert_eq!(annotate(&empty, |_| Some(offer(euros(1), 0, false))), None);
    }

    #[test]
    fn what_has_changed_is_put_in() {
        let names = [r#"{"product_id":"b","price":1,"quantity":9,"#, r#"\",\"price\":\""#, "💐\u{1}"];
        let body = cart(&names);
        let now = |id: &str| match id {
            "a" => Some(offer(euros(300), 100, true)),
            "b" => Some(offer(euros(250), 1, true)),
            _ => Some(offer(Money::from_minor(99, Currency::USD).unwrap(), 0, false)),
        };
        let shown = annotate(&body, now).unwrap();
        let cart: Value = serde_json::from_slice(&shown.body).unwrap();
        let items = cart["items"].as_array().unwrap();
        for (item, name) in items.iter().zip(names) {
            assert_eq!((&item["name"], &item["price"]), (&name.into(), &2.5.into()));
        }
        assert_eq!((&items[0]["price_changed"], &items[0]["current_price"]), (&true.into(), &3.0.into()));
        assert_eq!(items[1].get("price_changed"), None);
        assert_eq!(items[2]["current_currency"], "USD");
        let told: Vec<_> =
            cart["warnings"].as_array().unwrap().iter().map(|w| (&w["code"], &w["product_id"])).collect();
        let wanted = [
            ("price_changed", "a"),
            ("insufficient_stock", "b"),
            ("not_for_sale", "c"),
            ("price_changed", "c"),
        ];
        assert_eq!(told.len(), wanted.len());
        for (told, wanted) in told.iter().zip(wanted) {
            assert_eq!((told.0.as_str().unwrap(), told.1.as_str().unwrap()), wanted);
        }
        assert_eq!(annotate(&body, now).unwrap().mark, shown.mark);
        let later = |id: &str| (id == "a").then(|| offer(euros(301), 100, true));
        assert_ne!(annotate(&body, later).unwrap().mark, shown.mark);
    }

    #[test]
    fn whatever_is_not_a_cart_goes_out_as_it_came() {
        for body in
            ["", "{}", "null", r#"{"currency":"EUR"#, r#","currency":"EUR","{"product_id":"a","price":"#]
        {
            assert_eq!(annotate(&Bytes::from(body), |_| Some(offer(euros(1), 0, false))), None, "{body}");
        }
    }
}
