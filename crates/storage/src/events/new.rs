//! Events as they are written: made purely, of decided values, the same for every store.

use std::fmt::Write as _;

use cartwright_domain::{Cart, Hold, Order, OrderLine, OrderStatus, ProductId};
use chrono::{DateTime, SecondsFormat, Utc};

use super::{EventType, EventTypes};

/// What a transaction tells of, as one row: a JSON array, written as the events come. They have their time in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewEvents {
    packed: String,
    count: u32,
    types: EventTypes,
}

impl NewEvents {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Of which types.
    pub fn types(&self) -> EventTypes {
        self.types
    }

    /// The row.
    pub fn packed(&self) -> &str {
        &self.packed
    }

    /// A cart got this version.
    pub fn cart_updated(&mut self, cart: &Cart) {
        let owner = cart.owner().as_str();
        self.push(EventType::CartUpdated, owner, Some(owner), |data| write_cart(data, cart));
    }

    /// A cart has had this version for long.
    pub fn cart_abandoned(&mut self, cart: &Cart) {
        let owner = cart.owner().as_str();
        self.push(EventType::CartAbandoned, owner, Some(owner), |data| {
            write_cart(data, cart)?;
            let updated = cart.updated_at().map(time).unwrap_or_default();
            write!(data, r#","updated_at":"{updated}""#)
        });
    }

    /// An order was made.
    pub fn order_created(&mut self, order: &Order) {
        let owner = Some(order.owner.as_str());
        self.push(EventType::OrderCreated, &order.id.to_string(), owner, |data| {
            write_order(data, order)?;
            match order.cart_version {
                Some(version) => write!(data, r#","cart_version":{version}"#)?,
                None => data.push_str(r#","cart_version":null"#),
            }
            data.push_str(r#","items":"#);
            write_items(data, &order.lines)
        });
    }

    /// An order went on to the status that it has now.
    pub fn order_changed(&mut self, order: &Order, from: OrderStatus, reason: Option<&str>) {
        let owner = Some(order.owner.as_str());
        self.push(EventType::OrderChanged, &order.id.to_string(), owner, |data| {
            write!(data, r#""from":"{from}","#)?;
            write_order(data, order)?;
            data.push_str(r#","reason":"#);
            text(data, reason);
            Ok(())
        });
    }

    /// So many are left of a product, which is less than the threshold, and was not before.
    pub fn stock_low(&mut self, product: &ProductId, stock: u32, threshold: u32) {
        self.push(EventType::StockLow, product.as_str(), None, |data| {
            write!(data, r#""stock":{stock},"threshold":{threshold}"#)
        });
    }

    /// Of products of which so many are taken, those that run low by that. `before`: how many there were, under their locks.
    pub fn stock_taken<'a>(
        &mut self,
        taken: impl IntoIterator<Item = (&'a ProductId, u32)>,
        before: impl Fn(&ProductId) -> Option<u32>,
        threshold: u32,
    ) {
        for (product, units) in taken {
            let Some(before) = before(product) else { continue };
            let left = before.saturating_sub(units);
            if left < threshold && before >= threshold {
                self.stock_low(product, left, threshold);
            }
        }
    }

    /// What is held for somebody will soon be held no more.
    pub fn hold_expiring(&mut self, hold: &Hold) {
        self.push(EventType::HoldExpiring, &hold.id.to_string(), Some(hold.owner.as_str()), |data| {
            write!(data, r#""expires_at":"{}","items":"#, time(hold.expires_at))?;
            write_items(data, &hold.lines)
        });
    }

    /// Subjects and owners are ids, which need no escapes. `data` writes the members of an object; a string takes
    /// everything, so that it cannot fail.
    fn push(
        &mut self,
        kind: EventType,
        subject: &str,
        owner: Option<&str>,
        data: impl FnOnce(&mut String) -> std::fmt::Result,
    ) {
        let out = &mut self.packed;
        // The bracket at the end gives way to what follows.
        let next = if out.pop().is_some() { "," } else { "[" };
        out.push_str(next);
        out.extend([r#"{"type":""#, kind.name(), r#"","subject":""#, subject, r#"","owner":"#]);
        match owner {
            Some(owner) => out.extend(["\"", owner, "\""]),
            None => out.push_str("null"),
        }
        out.push_str(r#","data":{"#);
        let _ = data(out);
        out.push_str("}}]");
        self.count += 1;
        self.types = self.types.and(kind.into());
    }
}

fn write_cart(out: &mut String, cart: &Cart) -> std::fmt::Result {
    write!(out, r#""version":{},"currency":"#, cart.version())?;
    text(out, cart.currency().map(cartwright_domain::Currency::code));
    let (lines, units) = (cart.lines().len(), cart.total_quantity());
    write!(out, r#","item_count":{lines},"total_quantity":{units},"total_price":"#)?;
    cart.write_amount(out, cart.total_minor())
}

fn write_items(out: &mut String, lines: &[OrderLine]) -> std::fmt::Result {
    out.push('[');
    for (at, line) in lines.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let (product, quantity) = (&line.product_id, line.quantity.get());
        write!(out, r#"{comma}{{"product_id":"{product}","quantity":{quantity}}}"#)?;
    }
    out.push(']');
    Ok(())
}

fn write_order(out: &mut String, order: &Order) -> std::fmt::Result {
    write!(out, r#""status":"{}","currency":"{}","total_price":"#, order.status, order.currency)?;
    order.write_amount(out, order.total_minor())
}

fn text(out: &mut String, text: Option<&str>) {
    // A string can always be written.
    out.push_str(&serde_json::to_string(&text).unwrap_or_default());
}

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
