//! One product: made, changed, deleted; and many at once.

use cartwright_domain::{
    Attributes, Category, Description, NewProduct, Product, ProductChange, ProductDetails, ProductId, Stock,
    sort_key,
};
use cartwright_storage::{
    Changed, Created, Deleted, IdempotencyClaim, Imported, ImportedProduct, StorageError, fold_imported,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};
use serde::Serialize;

use crate::{
    claims,
    connection::Transaction,
    error::storage_error,
    rows::{ProductColumns, ProductRow, broken, json, kept_product, product_columns},
    statement::{Bind, Statement},
};

/// Rows in one statement: keeps its parameter at a few megabytes.
const CHUNK: usize = 1000;

const NEXT_NUMBER: &str = "\
    UPDATE product_numbers SET last = 1 + max(last, coalesce((\
        SELECT CAST(id AS INTEGER) FROM products \
        WHERE id GLOB '[1-9]*' AND id NOT GLOB '*[^0-9]*' AND length(id) <= 9 \
        ORDER BY CAST(id AS INTEGER) DESC LIMIT 1), 0)) \
    WHERE id = 1 RETURNING CAST(last AS TEXT)";

const INSERT: &str = "\
    INSERT INTO products (id, name, name_key, description, price_minor, currency, stock, category, attributes, \
        active, version, created_at, updated_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
        value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12 FROM json_each(?) WHERE true \
    ON CONFLICT (id) DO NOTHING";

const UPDATE: &str = "\
    UPDATE products SET name = value ->> 1, name_key = value ->> 2, description = value ->> 3, \
        price_minor = value ->> 4, currency = value ->> 5, stock = value ->> 6, category = value ->> 7, \
        attributes = value ->> 8, active = value ->> 9, version = value ->> 10, updated_at = value ->> 12 \
    FROM json_each(?) AS changed WHERE products.id = changed.value ->> 0";

/// Null is what was left out; of a category, the empty text is none. Those that are the same already are not rewritten;
/// deleted ones are made anew. Nobody writes in between: there is one writer.
const IMPORT: &str = "\
    INSERT INTO products AS p (id, name, name_key, description, price_minor, currency, stock, category, attributes, \
        active, version, created_at, updated_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, coalesce(value ->> 3, old.description, ''), value ->> 4, \
        value ->> 5, coalesce(value ->> 6, old.stock, 0), nullif(coalesce(value ->> 7, old.category), ''), \
        coalesce(value ->> 8, old.attributes, '{}'), coalesce(value ->> 9, old.active, 1), 1, value ->> 10, \
        value ->> 10 \
    FROM json_each(?) LEFT JOIN products AS old ON old.id = value ->> 0 AND old.retired_at IS NULL WHERE true \
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
        description = excluded.description, price_minor = excluded.price_minor, currency = excluded.currency, \
        stock = excluded.stock, category = excluded.category, attributes = excluded.attributes, \
        active = excluded.active, version = p.version + 1, updated_at = excluded.updated_at, retired_at = NULL \
    WHERE p.retired_at IS NOT NULL \
        OR (p.name, p.description, p.price_minor, p.currency, p.stock, p.category, p.attributes, p.active) IS NOT \
            (excluded.name, excluded.description, excluded.price_minor, excluded.currency, excluded.stock, \
             excluded.category, excluded.attributes, excluded.active) \
    RETURNING version";

/// How many of an import were deleted.
pub(crate) const COUNT_RETIRED: &str = "\
    SELECT count(*) FROM json_each(?) AS wanted CROSS JOIN products AS p ON p.id = wanted.value ->> 0 \
    WHERE p.retired_at IS NOT NULL";

pub(crate) const LOAD_PRODUCT: &str =
    concat!("SELECT ", product_columns!(), " FROM products AS p WHERE p.id = ? AND p.retired_at IS NULL");

pub(crate) const LOAD_PRODUCTS: &str = concat!(
    "SELECT wanted.key, ",
    product_columns!(),
    " FROM json_each(?) AS wanted CROSS JOIN products AS p ON p.id = wanted.value WHERE p.retired_at IS NULL"
);

/// Whether an order names it, or a hold keeps some of it.
pub(crate) const IS_ORDERED: &str = "\
    SELECT EXISTS (SELECT 1 FROM order_lines WHERE product_id = ?) \
        OR EXISTS (SELECT 1 FROM hold_lines WHERE product_id = ? AND expires_at IS NOT NULL)";

const REMOVE: &str = "DELETE FROM products WHERE id = ?";

const RETIRE: &str = "\
    UPDATE products SET active = 0, retired_at = changed.value ->> 1, updated_at = changed.value ->> 1, \
        version = version + 1 \
    FROM json_each(?) AS changed WHERE products.id = changed.value ->> 0";

/// A product as the statements take it.
#[derive(Serialize)]
struct Row<'a>(
    &'a str,
    &'a str,
    String,
    &'a str,
    i64,
    &'static str,
    u32,
    Option<&'a str>,
    String,
    bool,
    u64,
    i64,
    i64,
);

fn row<'a>(id: &'a ProductId, details: &'a ProductDetails, version: u64, now: DateTime<Utc>) -> Row<'a> {
    Row(
        id.as_str(),
        details.name.as_str(),
        sort_key(details.name.as_str()),
        details.description.as_str(),
        details.price.minor(),
        details.price.currency().code(),
        details.stock.get(),
        details.category.as_ref().map(Category::as_str),
        details.attributes.to_json(),
        details.active,
        version,
        now.timestamp_micros(),
        now.timestamp_micros(),
    )
}

fn execute(connection: &mut SqliteConnection, sql: &str, bind: &str) -> Result<usize, StorageError> {
    Statement::<()>::new(sql, &[Bind::Text(bind)]).execute(connection).map_err(storage_error)
}

/// Makes a product; with a claim, once.
pub(crate) fn create(
    connection: &mut SqliteConnection,
    new: &NewProduct,
    claim: Option<&IdempotencyClaim>,
    now: DateTime<Utc>,
) -> Result<Created, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let claims: Vec<_> = claim.into_iter().enumerate().collect();
    if let Some(state) = claims::load(connection, &claims, now)?.into_values().next() {
        return Ok(state.into());
    }
    let created = make(connection, new, now)?;
    if let Created::Created(product) = &created {
        claims::keep(connection, claim.map(|claim| (claim, product)), now)?;
        transaction.commit()?;
    }
    Ok(created)
}

fn make(
    connection: &mut SqliteConnection,
    new: &NewProduct,
    now: DateTime<Utc>,
) -> Result<Created, StorageError> {
    loop {
        let id = match &new.id {
            Some(id) => id.clone(),
            None => {
                let next: String =
                    Statement::<Text>::new(NEXT_NUMBER, &[]).get_result(connection).map_err(storage_error)?;
                ProductId::new(&next).map_err(|error| broken("a number", error))?
            }
        };
        let written = execute(connection, INSERT, &json(&[row(&id, &new.details, 1, now)])?)?;
        if written == 1 {
            return Ok(Created::Created(Product::create(id, new.details.clone(), now)));
        }
        // A number that is taken is longer than those that are looked at: the next one may be free.
        if new.id.is_some() {
            return Ok(Created::Exists);
        }
    }
}

fn load(connection: &mut SqliteConnection, id: &ProductId) -> Result<Option<Product>, StorageError> {
    let row = Statement::<ProductColumns>::new(LOAD_PRODUCT, &[Bind::Text(id.as_str())])
        .get_result::<ProductRow>(connection)
        .optional()
        .map_err(storage_error)?;
    row.map(kept_product).transpose()
}

/// One for each id, in order.
pub(crate) fn by_ids(
    connection: &mut SqliteConnection,
    ids: &[ProductId],
) -> Result<Vec<Option<Product>>, StorageError> {
    let mut products: Vec<Option<Product>> = ids.iter().map(|_| None).collect();
    let wanted = json(ids)?;
    let rows = Statement::<(BigInt, ProductColumns)>::new(LOAD_PRODUCTS, &[Bind::Text(&wanted)])
        .load::<(i64, ProductRow)>(connection)
        .map_err(storage_error)?;
    for (at, row) in rows {
        let place = usize::try_from(at).ok().and_then(|at| products.get_mut(at));
        *place.ok_or_else(|| StorageError::unexpected("a product that was not asked for"))? =
            Some(kept_product(row)?);
    }
    Ok(products)
}

fn is_other(expected: &[u64], product: &Product) -> bool {
    !expected.is_empty() && !expected.contains(&product.version)
}

pub(crate) fn change(
    connection: &mut SqliteConnection,
    id: &ProductId,
    change: &ProductChange,
    expected: &[u64],
    now: DateTime<Utc>,
) -> Result<Changed, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let Some(before) = load(connection, id)? else { return Ok(Changed::Missing) };
    if is_other(expected, &before) {
        return Ok(Changed::VersionMismatch(before));
    }
    let mut after = before.clone();
    if after.apply(change, now).is_empty() {
        return Ok(Changed::Unchanged(before));
    }
    one(execute(connection, UPDATE, &json(&[row(id, &after.details, after.version, now)])?)?)?;
    transaction.commit()?;
    Ok(Changed::Changed { before, after })
}

pub(crate) fn delete(
    connection: &mut SqliteConnection,
    id: &ProductId,
    expected: &[u64],
    now: DateTime<Utc>,
) -> Result<Deleted, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let Some(mut product) = load(connection, id)? else { return Ok(Deleted::Missing) };
    if is_other(expected, &product) {
        return Ok(Deleted::VersionMismatch(product));
    }
    let named = [Bind::Text(id.as_str()), Bind::Text(id.as_str())];
    let ordered: i64 =
        Statement::<BigInt>::new(IS_ORDERED, &named).get_result(connection).map_err(storage_error)?;
    if ordered == 0 {
        one(execute(connection, REMOVE, id.as_str())?)?;
        transaction.commit()?;
        return Ok(Deleted::Removed(product));
    }
    one(execute(connection, RETIRE, &json(&[(id, now.timestamp_micros())])?)?)?;
    transaction.commit()?;
    product.details.active = false;
    product.version += 1;
    product.updated_at = now;
    Ok(Deleted::Retired(product))
}

fn one(rows: usize) -> Result<(), StorageError> {
    if rows == 1 { Ok(()) } else { Err(StorageError::unexpected(format!("{rows} rows of one product"))) }
}

/// What an import says of a product, as the statement takes it.
#[derive(Serialize)]
struct ImportRow<'a>(
    &'a str,
    &'a str,
    String,
    Option<&'a str>,
    i64,
    &'static str,
    Option<u32>,
    Option<&'a str>,
    Option<String>,
    Option<bool>,
    i64,
);

fn import_row(product: &ImportedProduct, now: DateTime<Utc>) -> ImportRow<'_> {
    let category = product.category.as_ref();
    ImportRow(
        product.id.as_str(),
        product.name.as_str(),
        sort_key(product.name.as_str()),
        product.description.as_ref().map(Description::as_str),
        product.price.minor(),
        product.price.currency().code(),
        product.stock.map(Stock::get),
        category.map(|category| category.as_ref().map_or("", Category::as_str)),
        product.attributes.as_ref().map(Attributes::to_json),
        product.active,
        now.timestamp_micros(),
    )
}

/// The JSON of each statement of an import.
pub(crate) fn chunks(products: &[ImportedProduct], now: DateTime<Utc>) -> Result<Vec<String>, StorageError> {
    let folded = fold_imported(products);
    let rows: Vec<ImportRow<'_>> = folded.iter().map(|product| import_row(product, now)).collect();
    rows.chunks(CHUNK).map(|chunk| json(&chunk)).collect()
}

pub(crate) fn import(connection: &mut SqliteConnection, chunk: &str) -> Result<Imported, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let binds = [Bind::Text(chunk)];
    let back: i64 =
        Statement::<BigInt>::new(COUNT_RETIRED, &binds).get_result(connection).map_err(storage_error)?;
    let back = u64::try_from(back).map_err(|error| broken("a count", error))?;
    let versions: Vec<i64> =
        Statement::<BigInt>::new(IMPORT, &binds).load(connection).map_err(storage_error)?;
    transaction.commit()?;
    let created = versions.iter().filter(|version| **version == 1).count() as u64 + back;
    Ok(Imported { created, changed: (versions.len() as u64).saturating_sub(created) })
}
