//! Orders of the past, and what is counted of them.

use std::collections::HashMap;

use async_trait::async_trait;
use cartwright_domain::{OwnerId, ProductId, TopWindow};
use cartwright_storage::{MAX_PAIRED, PastOrder, Ranked, ReadFrom, Refreshed, StatisticsStore, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{ProductColumns, ProductRow, broken, json, kept_product, product_columns},
    statement::{Bind, Statement},
};

/// Rows in one statement.
const CHUNK: usize = 1000;
/// Microseconds.
const DAY: i64 = 86_400_000_000;

const PUT_ORDERS: &str = "\
    INSERT INTO orders (id, owner, status, currency, total_minor, created_at, updated_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 5 \
    FROM json_each(?) WHERE true ON CONFLICT (id) DO NOTHING RETURNING id, number";

const PUT_LINES: &str = "\
    INSERT INTO order_lines (order_number, product_id, name, price_minor, quantity) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";

const PROGRESS: &str = "SELECT order_number, today FROM statistics_progress WHERE id = 1";

/// `?`: first and last day that fall out of a window, and its days.
pub(crate) const LESSEN: &str = "\
    UPDATE product_sales SET units = product_sales.units - fallen.units \
    FROM (SELECT product_id, sum(units) AS units FROM product_sales_by_day WHERE day >= ? AND day < ? \
          GROUP BY product_id) AS fallen \
    WHERE product_sales.days = ? AND product_sales.product_id = fallen.product_id";

pub(crate) const EMPTY: &str = "DELETE FROM product_sales WHERE days = ? AND units <= 0";

const FORGET_DAYS: &str = "DELETE FROM product_sales_by_day WHERE day < ?";

const NEXT_ORDERS: &str = "\
    SELECT coalesce(max(number), 0), count(*) \
    FROM (SELECT number FROM orders WHERE number > ? ORDER BY number LIMIT ?)";

const PAIR: &str = "\
    WITH lines AS MATERIALIZED (\
        SELECT l.order_number, l.product_id, \
               row_number() OVER (PARTITION BY l.order_number ORDER BY l.product_id) AS at \
        FROM orders AS o CROSS JOIN order_lines AS l ON l.order_number = o.number \
        WHERE o.number > ? AND o.number <= ? AND o.status NOT IN ('failed', 'cancelled', 'expired')) \
    INSERT INTO copurchases (product_id, other_id, orders) \
    SELECT a.product_id, b.product_id, count(*) FROM lines AS a JOIN lines AS b ON b.order_number = a.order_number \
    WHERE a.at <= ? AND b.at <= ? AND a.product_id <> b.product_id GROUP BY 1, 2 \
    ON CONFLICT (product_id, other_id) DO UPDATE SET orders = orders + excluded.orders";

/// `?`: today, the orders, the first day.
const COUNT_DAYS: &str = "\
    INSERT INTO product_sales_by_day (day, product_id, units) \
    SELECT min(o.created_at / 86400000000, ?) AS at, l.product_id, sum(l.quantity) \
    FROM orders AS o CROSS JOIN order_lines AS l ON l.order_number = o.number \
    WHERE o.number > ? AND o.number <= ? AND o.status NOT IN ('failed', 'cancelled', 'expired') AND at >= ? \
    GROUP BY 1, 2 ON CONFLICT (day, product_id) DO UPDATE SET units = units + excluded.units";

/// `?`: the window, the orders, the first microsecond.
const COUNT_SALES: &str = "\
    INSERT INTO product_sales (days, product_id, units) \
    SELECT ?, l.product_id, sum(l.quantity) \
    FROM orders AS o CROSS JOIN order_lines AS l ON l.order_number = o.number \
    WHERE o.number > ? AND o.number <= ? AND o.status NOT IN ('failed', 'cancelled', 'expired') \
        AND o.created_at >= ? \
    GROUP BY 2 ON CONFLICT (days, product_id) DO UPDATE SET units = units + excluded.units";

const SET_PROGRESS: &str = "UPDATE statistics_progress SET order_number = ?, today = ? WHERE id = 1";

pub(crate) const TOP: &str = concat!(
    "SELECT s.units, ",
    product_columns!(),
    " FROM product_sales AS s CROSS JOIN products AS p ON p.id = s.product_id \
     WHERE s.days = ? AND p.active = 1 AND p.stock > 0 ORDER BY s.units DESC, s.product_id LIMIT ?"
);

pub(crate) const RELATED: &str = concat!(
    "SELECT c.orders, ",
    product_columns!(),
    " FROM copurchases AS c CROSS JOIN products AS p ON p.id = c.other_id \
     WHERE c.product_id = ? AND p.active = 1 AND p.stock > 0 ORDER BY c.orders DESC, c.other_id LIMIT ?"
);

/// What somebody has is bounded, and so is what goes with each of it.
pub(crate) const RECOMMENDED: &str = concat!(
    "WITH recent AS MATERIALIZED (\
         SELECT number FROM orders WHERE owner = ? ORDER BY id DESC LIMIT 50), \
     has AS MATERIALIZED (\
         SELECT l.product_id FROM recent AS r CROSS JOIN order_lines AS l ON l.order_number = r.number \
         UNION \
         SELECT line.value ->> 'product_id' FROM carts AS c, json_each(c.lines) AS line WHERE c.owner = ?), \
     goes AS MATERIALIZED (\
         SELECT c.other_id, sum(c.orders) AS orders FROM (SELECT product_id FROM has LIMIT 100) AS h \
         CROSS JOIN copurchases AS c ON c.product_id = h.product_id AND c.other_id IN (\
             SELECT best.other_id FROM copurchases AS best WHERE best.product_id = h.product_id \
             ORDER BY best.orders DESC, best.other_id LIMIT 30) \
         WHERE c.other_id NOT IN (SELECT product_id FROM has) GROUP BY c.other_id) \
     SELECT g.orders, ",
    product_columns!(),
    " FROM goes AS g CROSS JOIN products AS p ON p.id = g.other_id \
     WHERE p.active = 1 AND p.stock > 0 ORDER BY g.orders DESC, g.other_id LIMIT ?"
);

#[async_trait]
impl StatisticsStore for SqliteStore {
    async fn put_orders(&self, orders: &[PastOrder]) -> Result<u64, StorageError> {
        let orders = orders.to_vec();
        self.write(move |connection| put_orders(connection, &orders)).await
    }

    async fn refresh_statistics(&self, now: DateTime<Utc>, limit: u32) -> Result<Refreshed, StorageError> {
        self.write(move |connection| refresh(connection, now, limit)).await
    }

    async fn top_products(
        &self,
        window: TopWindow,
        limit: u32,
        _from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let top = move |connection: &mut _| {
            ranked(connection, TOP, &[Bind::Int(days(window)), Bind::Int(limit.into())])
        };
        self.readers.run(top).await
    }

    async fn related_products(
        &self,
        id: &ProductId,
        limit: u32,
        _from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let id = id.clone();
        let related = move |connection: &mut _| {
            ranked(connection, RELATED, &[Bind::Text(id.as_str()), Bind::Int(limit.into())])
        };
        self.readers.run(related).await
    }

    async fn recommended_products(
        &self,
        owner: &OwnerId,
        limit: u32,
        _from: ReadFrom,
    ) -> Result<Vec<Ranked>, StorageError> {
        let owner = owner.clone();
        let recommended = move |connection: &mut _| {
            let owner = Bind::Text(owner.as_str());
            ranked(connection, RECOMMENDED, &[owner, owner, Bind::Int(limit.into())])
        };
        self.readers.run(recommended).await
    }
}

/// How a window is kept: by how many days it goes back.
fn days(window: TopWindow) -> i64 {
    window.days().map_or(-1, i64::from)
}

fn ranked(
    connection: &mut SqliteConnection,
    sql: &str,
    binds: &[Bind<'_>],
) -> Result<Vec<Ranked>, StorageError> {
    let rows = Statement::<(BigInt, ProductColumns)>::new(sql, binds)
        .load::<(i64, ProductRow)>(connection)
        .map_err(storage_error)?;
    let ranked = |(count, row)| {
        let count = u64::try_from(count).map_err(|error| broken("a count", error))?;
        Ok(Ranked { product: kept_product(row)?, count })
    };
    rows.into_iter().map(ranked).collect()
}

fn put_orders(connection: &mut SqliteConnection, orders: &[PastOrder]) -> Result<u64, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let mut written = 0;
    for chunk in orders.chunks(CHUNK) {
        let rows: Vec<_> = (chunk.iter())
            .map(|order| {
                let created = order.created_at.timestamp_micros();
                let currency = order.currency.code();
                (order.id, &order.owner, &order.status, currency, order.total_minor(), created)
            })
            .collect();
        let rows = json(&rows)?;
        let new = Statement::<(Text, BigInt)>::new(PUT_ORDERS, &[Bind::Text(&rows)])
            .load::<(String, i64)>(connection)
            .map_err(storage_error)?;
        written += new.len() as u64;
        let mut numbers: HashMap<String, i64> = new.into_iter().collect();
        // Taken out, so that a second order with the same id adds no lines.
        let lines: Vec<_> = (chunk.iter())
            .filter_map(|order| numbers.remove(&order.id.to_string()).map(|number| (number, order)))
            .flat_map(|(number, order)| order.lines.iter().map(move |line| (number, line)))
            .map(|(number, line)| (number, &line.product_id, &line.name, line.price.minor(), line.quantity))
            .collect();
        run(connection, PUT_LINES, &[Bind::Text(&json(&lines)?)])?;
    }
    transaction.commit()?;
    Ok(written)
}

fn run(connection: &mut SqliteConnection, sql: &str, binds: &[Bind<'_>]) -> Result<(), StorageError> {
    Statement::<()>::new(sql, binds).execute(connection).map(drop).map_err(storage_error)
}

fn refresh(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Refreshed, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let (counted, at): (i64, i64) =
        Statement::<(BigInt, BigInt)>::new(PROGRESS, &[]).get_result(connection).map_err(storage_error)?;
    let today = at.max(now.timestamp_micros().div_euclid(DAY));
    let windows = || TopWindow::ALL.into_iter().map(days);
    let longest = windows().max().unwrap_or(0);
    if today > at {
        for days in windows().filter(|days| *days >= 0) {
            run(connection, LESSEN, &[at - days, today - days, days].map(Bind::Int))?;
            run(connection, EMPTY, &[Bind::Int(days)])?;
        }
        run(connection, FORGET_DAYS, &[Bind::Int(today - longest)])?;
    }
    let next = [counted, i64::from(limit)].map(Bind::Int);
    let (last, orders): (i64, i64) = Statement::<(BigInt, BigInt)>::new(NEXT_ORDERS, &next)
        .get_result(connection)
        .map_err(storage_error)?;
    let last = last.max(counted);
    if orders > 0 {
        let paired = i64::from(MAX_PAIRED);
        run(connection, PAIR, &[counted, last, paired, paired].map(Bind::Int))?;
        run(connection, COUNT_DAYS, &[today, counted, last, today - longest].map(Bind::Int))?;
        for days in windows() {
            let first = if days < 0 { i64::MIN } else { (today - days) * DAY };
            run(connection, COUNT_SALES, &[days, counted, last, first].map(Bind::Int))?;
        }
    }
    run(connection, SET_PROGRESS, &[last, today].map(Bind::Int))?;
    transaction.commit()?;
    let orders = u64::try_from(orders).map_err(|error| broken("a count", error))?;
    Ok(Refreshed { orders, more: limit > 0 && orders >= u64::from(limit) })
}
