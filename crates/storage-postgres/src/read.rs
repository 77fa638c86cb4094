//! From rows to values. A row that breaks a rule of the domain is an error, not a guess.

use std::{collections::HashMap, sync::Arc};

use cartwright_domain::{
    Cart, Currency, Gate, GateState, Line, Listing, Money, OwnerId, ProductId, Quantity,
};
use cartwright_storage::{KeyState, StorageError};
use chrono::{DateTime, Utc};

use crate::{
    recent::Known,
    sql::{CartRow, GateRow, KeyRow, ListingRow},
};

type Result<T> = std::result::Result<T, StorageError>;

/// An error for a value that cannot be.
fn bad<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> StorageError {
    move |error| StorageError::Unexpected(what.into(), Some(Box::new(error)))
}

/// The thing that a row's position, from 1, points at.
pub(crate) fn at<T>(items: &[T], position: i64) -> Result<&T> {
    usize::try_from(position)
        .ok()
        .and_then(|position| items.get(position.checked_sub(1)?))
        .ok_or_else(|| StorageError::unexpected("a row for something that was not asked for"))
}

/// Carts that have a row, of the owners that were asked for.
pub(crate) fn carts(known: &Known<'_>, rows: Vec<CartRow>) -> Result<HashMap<OwnerId, Arc<Cart>>> {
    type Parts = (u64, DateTime<Utc>, DateTime<Utc>, Vec<Line>);
    let mut carts = HashMap::with_capacity(known.owners.len());
    let mut found: HashMap<&OwnerId, Parts> = HashMap::new();
    for (position, version, created, updated, product, name, price, currency, quantity, added) in rows {
        let owner = *at(&known.owners, position)?;
        if let Some(cart) = usize::try_from(position - 1).ok().and_then(|at| known.cart(at, version, updated))
        {
            carts.insert(owner.clone(), cart);
            continue;
        }
        let version = u64::try_from(version).map_err(bad("a cart with a negative version"))?;
        let cart = found.entry(owner).or_insert_with(|| (version, created, updated, Vec::new()));
        if let (Some(product), Some(name), Some(price), Some(currency), Some(quantity), Some(added_at)) =
            (product, name, price, currency, quantity, added)
        {
            cart.3.push(Line {
                product_id: ProductId::new(&product).map_err(bad("a line with a bad product id"))?,
                name,
                price: money(price, &currency)?,
                quantity: Quantity::new(quantity.into()).map_err(bad("a line with a bad quantity"))?,
                added_at,
            });
        }
    }
    for (owner, (version, created, updated, lines)) in found {
        let cart = Cart::from_parts(owner.clone(), version, lines, created, updated);
        carts.insert(owner.clone(), Arc::new(cart));
    }
    Ok(carts)
}

fn money(minor: i64, currency: &str) -> Result<Money> {
    let currency = Currency::new(currency).map_err(bad("a price in an unknown currency"))?;
    Money::from_minor(minor, currency).map_err(bad("a price out of range"))
}

/// Listings by product.
pub(crate) fn listings(rows: Vec<ListingRow>) -> Result<HashMap<ProductId, Listing>> {
    rows.into_iter()
        .map(|(id, name, price, currency, active)| {
            let product_id = ProductId::new(&id).map_err(bad("a product with a bad id"))?;
            let price = money(price, &currency)?;
            Ok((product_id.clone(), Listing { product_id, name, price, active }))
        })
        .collect()
}

/// Answers that were kept after `expired`, by the position of their request. `requests` has that of each claim.
pub(crate) fn used_keys(
    requests: &[usize],
    rows: Vec<KeyRow>,
    expired: DateTime<Utc>,
) -> Result<HashMap<usize, KeyState>> {
    rows.into_iter()
        .filter(|(_, _, _, kept_at)| *kept_at > expired)
        .map(|(position, fingerprint, answer, _)| {
            let answer = serde_json::from_str(&answer).map_err(bad("a kept answer that is not one"))?;
            Ok((*at(requests, position)?, KeyState::Used { fingerprint, answer }))
        })
        .collect()
}

/// The gate, of its only row.
pub(crate) fn gate(rows: Vec<GateRow>) -> Result<Gate> {
    let mut rows = rows.into_iter();
    let (Some((epoch, open, opening, may_open)), None) = (rows.next(), rows.next()) else {
        return Err(StorageError::unexpected("the row of the cache gate is missing"));
    };
    let state = match (open, opening) {
        (false, None) => GateState::Closed { may_open },
        (true, Some(opening)) => GateState::Open(
            serde_json::from_str(&opening).map_err(bad("an opening of the cache gate that is not one"))?,
        ),
        _ => return Err(StorageError::unexpected("the cache gate is neither open nor closed")),
    };
    Ok(Gate { epoch, state })
}
