//! From rows to values. A row that breaks a rule of the domain is an error, not a guess.

use std::{collections::HashMap, sync::Arc};

use cartwright_domain::{Cart, Currency, Gate, GateState, Listing, Money, OwnerId, Product, ProductId};
use cartwright_storage::{KeptLines, KeptProduct, Ranked, StorageError};

use crate::{
    recent::Known,
    sql::{CartRow, GateRow, ListingRow, ProductRow, RankedRow},
};

type Result<T> = std::result::Result<T, StorageError>;

/// An error for a value that cannot be.
pub(crate) fn bad<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
) -> impl FnOnce(E) -> StorageError {
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
    let mut carts = HashMap::with_capacity(known.owners.len());
    for (position, version, created, updated, quantities, lines) in rows {
        let owner = *at(&known.owners, position)?;
        let cart = match quantities.zip(lines) {
            None => known.cart(position, version, updated).ok_or_else(|| {
                StorageError::unexpected("a cart without the lines, which are not known here")
            })?,
            Some((quantities, lines)) => {
                let version = u64::try_from(version).map_err(bad("a cart with a negative version"))?;
                let lines = KeptLines { quantities: &*quantities, lines: &*lines }.read()?;
                Arc::new(Cart::from_parts(owner.clone(), version, lines, created, updated))
            }
        };
        carts.insert(owner.clone(), cart);
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

/// A product of its row.
pub(crate) fn product(row: ProductRow) -> Result<Product> {
    KeptProduct::of_row(row, Ok)?.read()
}

/// Products with their counts.
pub(crate) fn ranked(rows: Vec<RankedRow>) -> Result<Vec<Ranked>> {
    let ranked = |(count, row)| Ok(Ranked { product: product(row)?, count: self::count(count)? });
    rows.into_iter().map(ranked).collect()
}

/// A number of things.
pub(crate) fn count(n: i64) -> Result<u64> {
    u64::try_from(n).map_err(bad("a count that cannot be"))
}
