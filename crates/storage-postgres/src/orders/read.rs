//! From rows to orders.

use std::collections::HashMap;

use cartwright_domain::{Currency, Money, Order, OrderId, OwnerId, ProductId, Transition};
use cartwright_storage::{OfferedProduct, StorageError, read_order_lines};
use chrono::{DateTime, Utc};

use crate::{
    read::bad,
    sql::{OfferRow, OrderRow},
};

/// What is offered, by product.
pub(crate) fn offers(rows: Vec<OfferRow>) -> Result<HashMap<ProductId, OfferedProduct>, StorageError> {
    let offer = |(id, name, price, currency, active, stock): OfferRow| {
        let id = ProductId::new(&id).map_err(bad("a product with a bad id"))?;
        let stock = u32::try_from(stock).map_err(bad("a product with a negative stock"))?;
        Ok((id, OfferedProduct { name, price: money(price, &currency)?, active, stock }))
    };
    rows.into_iter().map(offer).collect()
}

/// Orders at the positions that their rows name, from 1, among so many.
pub(crate) fn in_places(
    length: usize,
    rows: Vec<(i64, OrderRow)>,
) -> Result<Vec<Option<Order>>, StorageError> {
    let mut orders: Vec<Option<Order>> = Vec::new();
    orders.resize_with(length, || None);
    for (at, row) in rows {
        let place = usize::try_from(at - 1).ok().and_then(|at| orders.get_mut(at));
        *place.ok_or_else(|| StorageError::unexpected("an order that was not asked for"))? =
            Some(order(row)?);
    }
    Ok(orders)
}

pub(crate) fn order(row: OrderRow) -> Result<Order, StorageError> {
    let (id, owner, status, currency, cart_version, created_at, updated_at, lines) = row;
    let currency = Currency::new(&currency).map_err(bad("an order in an unknown currency"))?;
    Ok(Order {
        id: OrderId::from(id),
        owner: OwnerId::new(&owner).map_err(bad("an order of nobody"))?,
        status: status.parse().map_err(bad("an order with an unknown status"))?,
        lines: read_order_lines(&lines, currency)?,
        currency,
        cart_version: cart_version.map(u64::try_from).transpose().map_err(bad("a negative version"))?,
        created_at,
        updated_at,
    })
}

pub(crate) fn transition(
    (from, to, at, reason): (Option<String>, String, DateTime<Utc>, Option<String>),
) -> Result<Transition, StorageError> {
    let status = |name: String| name.parse().map_err(bad("an unknown status"));
    Ok(Transition { from: from.map(status).transpose()?, to: status(to)?, at, reason })
}

pub(crate) fn money(minor: i64, currency: &str) -> Result<Money, StorageError> {
    let currency = Currency::new(currency).map_err(bad("a price in an unknown currency"))?;
    Money::from_minor(minor, currency).map_err(bad("a price out of range"))
}
