//! From columns to values of the domain, and back.

use std::collections::HashMap;

use cartwright_domain::{Cart, Currency, Line, Listing, Money, OwnerId, ProductId, Quantity};
use cartwright_storage::StorageError;
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use serde::Serialize;

use crate::{
    error::storage_error,
    statement::{Bind, Statement},
};

/// Product, name, price, currency, quantity, time.
type LineRow = (String, String, i64, String, i64, i64);
type LineColumns = (Text, Text, BigInt, Text, BigInt, BigInt);
/// Owner, version, two times, and a line if there is one.
type CartRow = (String, i64, i64, i64, Option<LineRow>);
type CartColumns = (Text, BigInt, BigInt, BigInt, Nullable<LineColumns>);

/// Carts with their lines. One statement, so that what it reads is of one moment, also without a transaction.
/// `CROSS JOIN` fixes the order: the wanted owners outside, the tables by their primary keys inside.
pub(crate) const LOAD_CARTS: &str = "\
    SELECT c.owner, c.version, c.created_at, c.updated_at, \
           l.product_id, l.name, l.price_minor, l.currency, l.quantity, l.added_at \
    FROM json_each(?) AS wanted \
    CROSS JOIN carts AS c ON c.owner = wanted.value \
    LEFT JOIN cart_lines AS l ON l.owner = c.owner";

pub(crate) const LOAD_LISTINGS: &str = "\
    SELECT p.id, p.name, p.price_minor, p.currency, p.active \
    FROM json_each(?) AS wanted CROSS JOIN products AS p ON p.id = wanted.value";

/// Reads the carts that have a row. `owners` are distinct.
pub(crate) fn load_carts<'a>(
    connection: &mut SqliteConnection,
    owners: impl IntoIterator<Item = &'a OwnerId>,
) -> Result<HashMap<OwnerId, Cart>, StorageError> {
    let wanted = json(&owners.into_iter().collect::<Vec<_>>())?;
    let binds = [Bind::Text(&wanted)];
    let rows = Statement::<CartColumns>::new(LOAD_CARTS, &binds)
        .load::<CartRow>(connection)
        .map_err(storage_error)?;
    let mut carts = HashMap::new();
    let mut rows = rows.into_iter().peekable();
    // The rows of a cart come one after another.
    while let Some((owner, version, created_at, updated_at, first)) = rows.next() {
        let mut lines = Vec::new();
        let mut next = first;
        while let Some(row) = next {
            lines.push(line(row)?);
            next = rows.next_if(|row| row.0 == owner).and_then(|row| row.4);
        }
        let owner = OwnerId::new(&owner).map_err(|error| broken("an owner", error))?;
        let version = u64::try_from(version).map_err(|error| broken("a version", error))?;
        let cart = Cart::from_parts(owner.clone(), version, lines, time(created_at)?, time(updated_at)?);
        carts.insert(owner, cart);
    }
    Ok(carts)
}

/// Reads the listings that there are. `products` are distinct.
pub(crate) fn load_listings(
    connection: &mut SqliteConnection,
    products: &[&ProductId],
) -> Result<HashMap<ProductId, Listing>, StorageError> {
    let wanted = json(products)?;
    let binds = [Bind::Text(&wanted)];
    let rows = Statement::<(Text, Text, BigInt, Text, Bool)>::new(LOAD_LISTINGS, &binds)
        .load::<(String, String, i64, String, bool)>(connection)
        .map_err(storage_error)?;
    let listing = |(id, name, minor, currency, active): (String, String, i64, String, bool)| {
        let (product_id, price) = (product(&id)?, money(minor, &currency)?);
        Ok((product_id.clone(), Listing { product_id, name, price, active }))
    };
    rows.into_iter().map(listing).collect()
}

fn line((id, name, minor, currency, quantity, added_at): LineRow) -> Result<Line, StorageError> {
    Ok(Line {
        product_id: product(&id)?,
        name,
        price: money(minor, &currency)?,
        quantity: Quantity::new(quantity).map_err(|error| broken("a quantity", error))?,
        added_at: time(added_at)?,
    })
}

fn product(id: &str) -> Result<ProductId, StorageError> {
    ProductId::new(id).map_err(|error| broken("a product", error))
}

fn money(minor: i64, currency: &str) -> Result<Money, StorageError> {
    Currency::new(currency)
        .and_then(|currency| Money::from_minor(minor, currency))
        .map_err(|error| broken("a price", error))
}

fn time(micros: i64) -> Result<DateTime<Utc>, StorageError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| StorageError::unexpected("a time beyond all times"))
}

/// What a row holds breaks a rule of the domain.
pub(crate) fn broken(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unexpected(format!("{what} that is none"), Some(Box::new(error)))
}

/// A parameter for `json_each`.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| broken("JSON", error))
}
