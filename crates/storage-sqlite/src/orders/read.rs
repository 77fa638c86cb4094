//! From rows to orders.

use std::collections::HashMap;

use cartwright_domain::{
    Currency, Order, OrderId, OrderPaging, OrderQuery, OrderStatus, OwnerId, Transition,
};
use cartwright_storage::{ListedOrders, StorageError, read_order_lines};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};

use crate::{
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
};

/// Id, owner, status, currency, version of the cart, the two times, and the lines as JSON.
pub(super) type OrderRow = (String, String, String, String, Option<i64>, i64, i64, String);
pub(super) type OrderColumns = (Text, Text, Text, Text, Nullable<BigInt>, BigInt, BigInt, Text);

/// The columns of an [`OrderRow`], of an order `o`.
macro_rules! order_columns {
    () => {
        "o.id, o.owner, o.status, o.currency, o.cart_version, o.created_at, o.updated_at, (\
         SELECT json_group_array(json_array(product_id, name, price_minor, quantity) ORDER BY place, product_id) \
         FROM order_lines WHERE order_number = o.number)"
    };
}

pub(crate) const LOAD_ORDERS: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM json_each(?) AS wanted CROSS JOIN orders AS o ON o.id = wanted.value"
);

pub(crate) const LOAD_OF_CARTS: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM json_each(?) AS wanted CROSS JOIN orders AS o \
     ON o.owner = wanted.value ->> 0 AND o.cart_version = wanted.value ->> 1"
);

const LOAD_FIRST: &str = "SELECT created_at FROM orders WHERE id = ?";

const LOAD_TRANSITIONS: &str = "\
    SELECT t.from_status, t.to_status, t.at, t.reason \
    FROM orders AS o CROSS JOIN order_transitions AS t ON t.order_number = o.number \
    WHERE o.id = ? ORDER BY t.from_status = 'processing', t.at";

pub(super) fn order(
    (id, owner, status, currency, cart_version, created_at, updated_at, lines): OrderRow,
) -> Result<Order, StorageError> {
    let currency = Currency::new(&currency).map_err(|error| broken("a currency", error))?;
    Ok(Order {
        id: id.parse().map_err(|error| broken("an order's id", error))?,
        owner: OwnerId::new(&owner).map_err(|error| broken("an owner", error))?,
        status: self::status(&status)?,
        currency,
        lines: read_order_lines(&lines, currency)?,
        cart_version: cart_version
            .map(u64::try_from)
            .transpose()
            .map_err(|error| broken("a version", error))?,
        created_at: time(created_at)?,
        updated_at: time(updated_at)?,
    })
}

fn status(name: &str) -> Result<OrderStatus, StorageError> {
    name.parse().map_err(|error| broken("a status", error))
}

/// Loads orders with a statement whose only parameter is JSON.
pub(super) fn load(
    connection: &mut SqliteConnection,
    sql: &'static str,
    wanted: &str,
) -> Result<Vec<Order>, StorageError> {
    let rows = Statement::<OrderColumns>::new(sql, &[Bind::Text(wanted)])
        .load::<OrderRow>(connection)
        .map_err(storage_error)?;
    rows.into_iter().map(order).collect()
}

/// One for each id, in order.
pub(crate) fn orders(
    connection: &mut SqliteConnection,
    ids: &[OrderId],
) -> Result<Vec<Option<Order>>, StorageError> {
    let found = load(connection, LOAD_ORDERS, &json(ids)?)?;
    let found: HashMap<OrderId, Order> = found.into_iter().map(|order| (order.id, order)).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

pub(crate) fn transitions(
    connection: &mut SqliteConnection,
    id: OrderId,
) -> Result<Vec<Transition>, StorageError> {
    let id = id.to_string();
    let binds = [Bind::Text(&id)];
    let made = Statement::<BigInt>::new(LOAD_FIRST, &binds).load::<i64>(connection).map_err(storage_error)?;
    let rows = Statement::<(Text, Text, BigInt, Nullable<Text>)>::new(LOAD_TRANSITIONS, &binds)
        .load::<(String, String, i64, Option<String>)>(connection)
        .map_err(storage_error)?;
    let first = made
        .into_iter()
        .map(|at| Ok(Transition { from: None, to: OrderStatus::Pending, at: time(at)?, reason: None }));
    let later = rows.into_iter().map(|(from, to, at, reason)| {
        Ok(Transition { from: Some(status(&from)?), to: status(&to)?, at: time(at)?, reason })
    });
    first.chain(later).collect()
}

/// The statement of a list, with its parameters; and that which counts all parts.
pub(crate) fn statement<'a>(query: &'a OrderQuery, after: &'a str) -> (String, String, Vec<Bind<'a>>) {
    let (mut filters, mut binds) = (String::from("true"), Vec::new());
    if let Some(owner) = &query.owner {
        filters.push_str(" AND owner = ?");
        binds.push(Bind::Text(owner.as_str()));
    }
    if let Some(status) = query.status {
        filters.push_str(" AND status = ?");
        binds.push(Bind::Text(status.name()));
    }
    let count = format!("SELECT count(*) FROM orders WHERE {filters}");
    if let OrderPaging::After(Some(_), _) = query.paging {
        filters.push_str(" AND id < ?");
        binds.push(Bind::Text(after));
    }
    let list = format!(
        concat!(
            "SELECT ",
            order_columns!(),
            " FROM (SELECT * FROM orders WHERE {} ORDER BY id DESC LIMIT ? OFFSET ?) AS o \
             ORDER BY o.id DESC"
        ),
        filters
    );
    (list, count, binds)
}

pub(super) fn list(
    connection: &mut SqliteConnection,
    query: &OrderQuery,
) -> Result<ListedOrders, StorageError> {
    let (limit, offset, after) = match query.paging {
        OrderPaging::Page(page) => (page.size(), page.offset(), None),
        OrderPaging::After(after, size) => (size.get() + 1, 0, after),
    };
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let (sql, count, mut binds) = statement(query, &after);
    let filters = binds.clone();
    binds.extend([Bind::Int(limit.into()), Bind::Int(offset.into())]);
    let rows = Statement::<OrderColumns>::new(&sql, &binds).load::<OrderRow>(connection);
    let items = rows.map_err(storage_error)?.into_iter().map(order).collect::<Result<Vec<_>, _>>()?;
    match query.paging {
        OrderPaging::After(_, size) => Ok(ListedOrders::after(items, size.get())),
        OrderPaging::Page(_) => {
            let total: i64 =
                Statement::<BigInt>::new(&count, &filters).get_result(connection).map_err(storage_error)?;
            let total = u64::try_from(total).map_err(|error| broken("a count", error))?;
            Ok(ListedOrders { items, total: Some(total), next: None })
        }
    }
}
