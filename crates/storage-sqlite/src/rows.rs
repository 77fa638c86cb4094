//! From columns to values of the domain, and back.

use std::collections::HashMap;

use cartwright_domain::{Cart, Currency, Listing, Money, OwnerId, Product, ProductId};
pub(crate) use cartwright_storage::product_columns;
use cartwright_storage::{KeptLines, KeptProduct, StorageError};
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

/// Owner, version, two times, and quantities and lines as JSON.
type CartRow = (String, i64, i64, i64, String, String);
type CartColumns = (Text, BigInt, BigInt, BigInt, Text, Text);

/// A row of [`product_columns!`].
pub(crate) type ProductRow = cartwright_storage::ProductRow<i64>;
/// Their types.
pub(crate) type ProductColumns =
    (Text, Text, Text, BigInt, Text, BigInt, Nullable<Text>, Text, Bool, BigInt, BigInt, BigInt);

/// `CROSS JOIN` fixes the order: the wanted owners outside, the table by its primary key inside.
pub(crate) const LOAD_CARTS: &str = "\
    SELECT c.owner, c.version, c.created_at, c.updated_at, c.quantities, c.lines \
    FROM json_each(?) AS wanted CROSS JOIN carts AS c ON c.owner = wanted.value";

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
    let cart = |(owner, version, created_at, updated_at, quantities, lines): CartRow| {
        let owner = OwnerId::new(&owner).map_err(|error| broken("an owner", error))?;
        let version = u64::try_from(version).map_err(|error| broken("a version", error))?;
        let lines = KeptLines { quantities: &*quantities, lines: &*lines }.read()?;
        let (created_at, updated_at) = (time(created_at)?, time(updated_at)?);
        Ok((owner.clone(), Cart::from_parts(owner, version, lines, created_at, updated_at)))
    };
    rows.into_iter().map(cart).collect()
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

/// A product of its row.
pub(crate) fn kept_product(row: ProductRow) -> Result<Product, StorageError> {
    KeptProduct::of_row(row, time)?.read()
}

fn product(id: &str) -> Result<ProductId, StorageError> {
    ProductId::new(id).map_err(|error| broken("a product", error))
}

fn money(minor: i64, currency: &str) -> Result<Money, StorageError> {
    Currency::new(currency)
        .and_then(|currency| Money::from_minor(minor, currency))
        .map_err(|error| broken("a price", error))
}

pub(crate) fn time(micros: i64) -> Result<DateTime<Utc>, StorageError> {
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
