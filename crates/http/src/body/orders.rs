//! What bodies say of orders and holds.

use std::borrow::Cow;

use cartwright_domain::{Currency, HoldId, Money, OrderStatus, ProductId, Quantity};
use cartwright_storage::Progress;
use serde_json::value::RawValue;

use super::{Fields, MANY, whole};
use crate::problem::FieldError;

impl Fields<'_> {
    /// What is to be bought: a product and a quantity, or `lines` of them.
    pub(crate) fn order_lines(&mut self) -> Option<Vec<(ProductId, Quantity)>> {
        let Some(raw) = self.optional("lines") else {
            let (product, quantity) = (self.product_id(), self.quantity_to_add());
            return Some(vec![(product?, quantity?)]);
        };
        for name in ["product_id", "quantity"] {
            if self.members.remove(name).is_some() {
                self.wrong(name, "contradiction", format!("either {name}, or lines"));
            }
        }
        let Ok(lines) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            self.wrong("lines", "not_a_list", "lines must be a list of objects");
            return None;
        };
        let mut bought = Vec::with_capacity(lines.len());
        for (at, line) in lines.into_iter().enumerate() {
            if self.errors.len() >= MANY {
                break;
            }
            let at = format!("{}/lines/{at}", self.at);
            let Ok(members) = serde_json::from_str(line.get()) else {
                self.errors.push(FieldError::new(at, "not_an_object", "a line must be an object"));
                continue;
            };
            let mut inner = Fields::of(Cow::Owned(at), members);
            let line = (inner.product_id(), inner.quantity_to_add());
            inner.no_more(false);
            self.errors.append(&mut inner.errors);
            bought.extend(line.0.zip(line.1));
        }
        Some(bought)
    }

    /// The hold that is to be bought, instead of products. Outer `None`: it does not say; inner `None`: it is none.
    pub(crate) fn hold_id(&mut self) -> Option<Option<HoldId>> {
        let raw = self.optional("hold_id")?;
        for name in ["product_id", "quantity", "lines"] {
            if self.members.remove(name).is_some() {
                self.wrong(name, "contradiction", format!("either {name}, or hold_id"));
            }
        }
        let id = self.text("hold_id", raw).map(|text| text.parse::<HoldId>());
        Some(id.and_then(|id| id.map_err(|error| self.wrong("hold_id", "invalid_id", error)).ok()))
    }

    /// For how long.
    pub(crate) fn seconds(&mut self) -> Option<u64> {
        let raw = self.optional("seconds")?.get();
        let seconds = whole(raw).and_then(|digits| digits.parse::<u32>().ok()).filter(|seconds| *seconds > 0);
        if seconds.is_none() {
            self.wrong("seconds", "out_of_range", "seconds are a whole number, and not 0");
        }
        seconds.map(u64::from)
    }

    /// The total that the client expects, in the currency that it names.
    pub(crate) fn expected_total(&mut self, default: Currency) -> Option<Money> {
        let currency = self.currency(default);
        let raw = self.optional("expected_total")?;
        self.amount("expected_total", raw, currency?)
    }

    /// The version of the cart that the client has seen.
    pub(crate) fn cart_version(&mut self) -> Option<u64> {
        let raw = self.optional("cart_version")?.get();
        let version = whole(raw).and_then(|digits| digits.parse().ok());
        if version.is_none() {
            self.wrong("cart_version", "not_a_version", "a version is a whole number, as in the cart's ETag");
        }
        version
    }

    /// Why, in at most 200 characters.
    pub(crate) fn reason(&mut self) -> Option<String> {
        self.sentence("reason", "a reason has at most 200 printable characters")
    }

    /// Where an order is to go.
    pub(crate) fn order_status(&mut self) -> Option<OrderStatus> {
        let raw = self.required("status")?;
        let read = self.text("status", raw)?.parse::<OrderStatus>();
        if let Err(error) = &read {
            self.wrong("status", "unknown_status", error);
        }
        read.ok()
    }

    /// How far an order is.
    pub(crate) fn progress(&mut self) -> Option<Progress> {
        let note = self.sentence("note", "a note has at most 200 printable characters");
        let Some(raw) = self.optional("percent") else {
            if note.is_some() {
                self.wrong("percent", "missing", "a note says what so many per cent are; add percent");
            }
            return None;
        };
        let percent =
            whole(raw.get()).and_then(|digits| digits.parse::<u8>().ok()).filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.wrong("percent", "out_of_range", "percent is a whole number from 0 to 100");
        }
        Some(Progress { percent: percent?, note: note.unwrap_or_default() })
    }
}
