//! Lists: a statement for each order, direction and filter, so that each has the plan of its own index.

use cartwright_domain::{ListQuery, Paging, Position, ProductSort};
use cartwright_storage::{Listed, ReadFrom, StorageError};
use diesel::{QueryResult, sql_types::BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::try_join;

use crate::{
    read,
    replicas::read_from,
    sql::{Bind, Built, ProductColumns, ProductRow, product_columns},
    store::PostgresStore,
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

/// The statement of a list, and of its total.
pub(crate) fn statements(query: &ListQuery) -> (Built<'_, (ProductColumns,)>, Option<Built<'_, (BigInt,)>>) {
    let mut sql =
        concat!("SELECT ", product_columns!(), " FROM products p WHERE p.retired_at IS NULL").to_owned();
    let mut binds = Vec::new();
    let counted = match query.active {
        None => "listed",
        Some(true) => "active",
        Some(false) => "listed - active",
    };
    let mut total = format!("SELECT coalesce(sum({counted}), 0)::bigint FROM category_counts");
    let mut total_binds = Vec::new();
    if let Some(category) = &query.category {
        binds.push(Bind::Text(category.as_str()));
        sql.push_str(" AND p.category = $1");
        total_binds.push(Bind::Text(category.as_str()));
        total.push_str(" WHERE category = $1");
    }
    match query.active {
        None => {}
        Some(true) => sql.push_str(" AND p.active"),
        Some(false) => sql.push_str(" AND NOT p.active"),
    }
    let (key, down) = order(query.sort);
    let direction = if down { "DESC" } else { "ASC" };
    if let Paging::After(Some(cursor), _) = &query.paging {
        match &cursor.position {
            Position::Id => {}
            Position::Newest(time) => binds.push(Bind::Time(*time)),
            Position::PriceUp(minor) | Position::PriceDown(minor) => binds.push(Bind::Int(*minor)),
            Position::Name(key) => binds.push(Bind::Text(key)),
        }
        binds.push(Bind::Text(cursor.id.as_str()));
        let (n, than) = (binds.len(), if down { '<' } else { '>' });
        match key {
            None => sql.push_str(&format!(" AND p.id {than} ${n}")),
            Some(key) => sql.push_str(&format!(" AND ({key}, p.id) {than} (${}, ${n})", n - 1)),
        }
    }
    let (limit, offset) = match &query.paging {
        Paging::Page(page) => (page.size(), page.offset()),
        Paging::After(_, size) => (size.get() + 1, 0),
    };
    binds.extend([Bind::Int(limit.into()), Bind::Int(offset.into())]);
    let n = binds.len();
    let key = key.map_or_else(String::new, |key| format!("{key} {direction}, "));
    sql.push_str(&format!(" ORDER BY {key}p.id {direction} LIMIT ${} OFFSET ${n}", n - 1));
    let total = matches!(query.paging, Paging::Page(_)).then(|| Built::new(total, total_binds));
    (Built::new(sql, binds), total)
}

async fn page_and_total(
    pipe: &AsyncPgConnection,
    statement: &Built<'_, (ProductColumns,)>,
    total: Option<&Built<'_, (BigInt,)>>,
) -> QueryResult<(Vec<(ProductRow,)>, Option<(i64,)>)> {
    let total = async {
        match total {
            Some(total) => total.get_result(&mut { pipe }).await.map(Some),
            None => Ok(None),
        }
    };
    try_join!(statement.load(&mut { pipe }), total)
}

impl PostgresStore {
    pub(crate) async fn list(&self, query: &ListQuery, from: ReadFrom) -> Result<Listed, StorageError> {
        let (statement, total) = statements(query);
        let (rows, total): (Vec<(ProductRow,)>, Option<(i64,)>) =
            read_from!(self, from, |pipe| page_and_total(pipe, &statement, total.as_ref()))?;
        let items = rows.into_iter().map(|(row,)| read::product(row)).collect::<Result<Vec<_>, _>>()?;
        Ok(match &query.paging {
            Paging::Page(page) => {
                let total = read::count(total.map_or(0, |(total,)| total))?;
                Listed::page(items, total, *page, query.sort)
            }
            Paging::After(_, size) => Listed::after(items, *size, query.sort),
        })
    }
}
