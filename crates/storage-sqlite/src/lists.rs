//! Lists: a statement for each order, direction and filter, so that each has the plan of its own index.

use cartwright_domain::{ListQuery, Paging, Position, ProductSort};
use cartwright_storage::{Listed, StorageError};
use diesel::{RunQueryDsl, SqliteConnection, sql_types::BigInt};

use crate::{
    error::storage_error,
    rows::{ProductColumns, ProductRow, broken, kept_product, product_columns},
    statement::{Bind, Statement},
};

/// By what it is sorted, and whether downwards.
fn order(sort: ProductSort) -> (Option<&'static str>, bool) {
    match sort {
        ProductSort::Id => (None, false),
        ProductSort::Newest => (Some("p.created_at"), true),
        ProductSort::PriceUp => (Some("p.price_minor"), false),
        ProductSort::PriceDown => (Some("p.price_minor"), true),
        ProductSort::Name => (Some("p.name_key"), false),
    }
}

/// The statement of a list, with its parameters.
pub(crate) fn statement(query: &ListQuery) -> (String, Vec<Bind<'_>>) {
    let mut sql =
        concat!("SELECT ", product_columns!(), " FROM products AS p WHERE p.retired_at IS NULL").to_owned();
    let mut binds = Vec::new();
    if let Some(category) = &query.category {
        sql.push_str(" AND p.category = ?");
        binds.push(Bind::Text(category.as_str()));
    }
    if let Some(active) = query.active {
        sql.push_str(if active { " AND p.active = 1" } else { " AND p.active = 0" });
    }
    let (key, down) = order(query.sort);
    let direction = if down { "DESC" } else { "ASC" };
    if let Paging::After(Some(cursor), _) = &query.paging {
        let than = if down { '<' } else { '>' };
        match key {
            None => sql.push_str(" AND p.id > ?"),
            Some(key) => sql.push_str(&format!(" AND ({key}, p.id) {than} (?, ?)")),
        }
        match &cursor.position {
            Position::Id => {}
            Position::Newest(time) => binds.push(Bind::Int(time.timestamp_micros())),
            Position::PriceUp(minor) | Position::PriceDown(minor) => binds.push(Bind::Int(*minor)),
            Position::Name(key) => binds.push(Bind::Text(key)),
        }
        binds.push(Bind::Text(cursor.id.as_str()));
    }
    let (limit, offset) = match &query.paging {
        Paging::Page(page) => (page.size(), page.offset()),
        Paging::After(_, size) => (size.get() + 1, 0),
    };
    let key = key.map_or_else(String::new, |key| format!("{key} {direction}, "));
    sql.push_str(&format!(" ORDER BY {key}p.id {direction} LIMIT ? OFFSET ?"));
    binds.extend([Bind::Int(limit.into()), Bind::Int(offset.into())]);
    (sql, binds)
}

pub(crate) fn list(connection: &mut SqliteConnection, query: &ListQuery) -> Result<Listed, StorageError> {
    let (sql, binds) = statement(query);
    let rows = Statement::<ProductColumns>::new(&sql, &binds)
        .load::<ProductRow>(connection)
        .map_err(storage_error)?;
    let items = rows.into_iter().map(kept_product).collect::<Result<Vec<_>, _>>()?;
    Ok(match &query.paging {
        Paging::Page(page) => Listed::page(items, total(connection, query)?, *page, query.sort),
        Paging::After(_, size) => Listed::after(items, *size, query.sort),
    })
}

fn total(connection: &mut SqliteConnection, query: &ListQuery) -> Result<u64, StorageError> {
    let counted = match query.active {
        None => "listed",
        Some(true) => "active",
        Some(false) => "listed - active",
    };
    let mut sql = format!("SELECT coalesce(sum({counted}), 0) FROM category_counts");
    let mut binds = Vec::new();
    if let Some(category) = &query.category {
        sql.push_str(" WHERE category = ?");
        binds.push(Bind::Text(category.as_str()));
    }
    let total: i64 = Statement::<BigInt>::new(&sql, &binds).get_result(connection).map_err(storage_error)?;
    u64::try_from(total).map_err(|error| broken("a count", error))
}
