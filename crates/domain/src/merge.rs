use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Cart, CartError, ProductId, Quantity};

/// What a merge did, or would do, line by line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MergeReport {
    /// One entry for every line of the cart that was emptied.
    pub lines: Vec<MergedLine>,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedLine {
    /// Of which product.
    pub product_id: ProductId,
    /// Units that came over.
    pub quantity: Quantity,
    /// Units of it in the cart afterwards.
    pub result: Quantity,
}

/// Moves every line of `from` into `into`, or nothing at all.
///
/// A product that both hold keeps the price it has in `into`. Merging an empty cart changes nothing, so doing it
/// twice is the same as doing it once.
///
/// # Errors
/// The first [`CartError`] that a line meets; both carts are then as they were: a merge loses nothing.
pub fn merge(into: &mut Cart, from: &mut Cart, now: DateTime<Utc>) -> Result<MergeReport, CartError> {
    if into.owner() == from.owner() {
        return Err(CartError::MergeIntoItself);
    }
    if from.lines().is_empty() {
        return Ok(MergeReport::default());
    }
    let mut merged = into.clone();
    let mut report = MergeReport::default();
    for line in from.lines() {
        if !merged.add_to_line(&line.product_id, line.quantity)? {
            merged.make_line(line.clone())?;
        }
        report.lines.push(MergedLine {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
            result: merged.line(&line.product_id).map_or(line.quantity, |l| l.quantity),
        });
    }
    merged.touch(now);
    *into = merged;
    from.take_lines();
    from.touch(now);
    Ok(report)
}
