use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Date, SmallInt, Text, Timestamptz, Uuid as Key};
use uuid::Uuid;

use super::{
    ProductColumns, ProductRow,
    orders::{each_line, product_of_line},
    products::product_columns,
    statement,
};

/// A count and a product.
pub(crate) type RankedRow = (i64, ProductRow);

statement! {
    /// Writes orders that are not there, and in the rows of their products that there are some: how many.
    PutOrders<'a> {
        ids: Vec<Uuid> as Array<Key>,
        owners: Vec<&'a str> as Array<Text>,
        statuses: Vec<&'a str> as Array<Text>,
        currencies: Vec<&'a str> as Array<Text>,
        totals: Vec<i64> as Array<BigInt>,
        created: Vec<DateTime<Utc>> as Array<Timestamptz>,
        lines: Vec<String> as Array<Text>,
    }
    (BigInt)
    concat!("WITH made AS ( \
         INSERT INTO orders (id, owner, status, currency, total_minor, created_at, updated_at, lines) \
         SELECT u.id, u.owner, u.status, u.currency, u.total, u.created, u.created, u.lines \
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS u (id, owner, status, currency, total, created, lines) \
         ON CONFLICT (id) DO NOTHING RETURNING id, lines), \
     counted_later AS (INSERT INTO orders_to_count (orders) SELECT ARRAY[id] FROM made), \
     named AS ( \
         SELECT p.id FROM (SELECT DISTINCT ", product_of_line!(), " AS id FROM made o ", each_line!(), "ORDER BY id) AS n \
         CROSS JOIN LATERAL (SELECT id FROM products WHERE id = n.id COLLATE \"C\" AND moves = 0 LIMIT 1 FOR NO KEY UPDATE) AS p), \
     ordered AS (UPDATE products p SET moves = moves + 1 FROM named n WHERE p.id = n.id) \
     SELECT count(*) FROM made")
}

statement! {
    /// Moves the windows to a day: takes from each what was sold on the days that fall out of it.
    MoveWindows { today: NaiveDate as Date, windows: Vec<i16> as Array<SmallInt> }
    ()
    "WITH moved AS ( \
         UPDATE statistics_progress p SET today = $1 FROM statistics_progress before \
         WHERE p.id = 1 AND before.id = 1 AND p.today < $1 RETURNING before.today), \
     fallen AS MATERIALIZED ( \
         SELECT w.days, d.product_id, sum(d.units)::bigint AS units \
         FROM moved m CROSS JOIN unnest($2) AS w (days) \
         JOIN product_sales_by_day d ON d.day >= m.today - w.days AND d.day < $1 - w.days \
         GROUP BY w.days, d.product_id), \
     lessened AS ( \
         UPDATE product_sales s SET units = s.units - f.units FROM fallen f \
         WHERE s.days = f.days AND s.product_id = f.product_id AND s.units > f.units), \
     emptied AS ( \
         DELETE FROM product_sales s USING fallen f \
         WHERE s.days = f.days AND s.product_id = f.product_id AND s.units <= f.units) \
     DELETE FROM product_sales_by_day d USING moved \
     WHERE d.day < $1 - (SELECT max(w.days) FROM unnest($2) AS w (days))"
}

statement! {
    /// Counts the next orders: how many, and whether there are more. As many as are wanted at most, unless more were written
    /// together. A clock that is behind another's does not move the windows back.
    CountOrders {
        today: NaiveDate as Date,
        windows: Vec<i16> as Array<SmallInt>,
        limit: i64 as BigInt,
        paired: i64 as BigInt,
    }
    (BigInt, Bool)
    concat!("WITH at AS MATERIALIZED ( \
         SELECT greatest(today, $1) AS today FROM statistics_progress WHERE id = 1), \
     waiting AS MATERIALIZED ( \
         SELECT ctid AS place, cardinality(orders) AS orders FROM orders_to_count LIMIT $3 + 1), \
     taken AS ( \
         DELETE FROM orders_to_count WHERE ctid = ANY (ARRAY( \
             SELECT place FROM ( \
                 SELECT place, orders, sum(orders) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS upto FROM waiting) AS w \
             WHERE $3 > 0 AND (upto <= $3 OR upto = orders))) RETURNING orders), \
     batch AS MATERIALIZED ( \
         SELECT o.id, o.status, o.lines, \
                least((o.created_at AT TIME ZONE 'UTC')::date, (SELECT today FROM at)) AS day \
         FROM taken t CROSS JOIN unnest(t.orders) AS u (id) \
         CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = u.id LIMIT 1) AS o), \
     lines AS MATERIALIZED ( \
         SELECT o.id, o.day, ", product_of_line!(), " AS product_id, (l.line -> 3)::text::integer AS quantity \
         FROM batch o ", each_line!(), "WHERE o.status NOT IN ('failed', 'cancelled', 'expired')), \
     together AS ( \
         SELECT (array_agg(product_id ORDER BY product_id))[:$4::integer] AS products FROM lines GROUP BY id HAVING count(*) > 1), \
     paired AS ( \
         INSERT INTO copurchases AS c (product_id, other_id, orders) \
         SELECT one.id, other.id, count(*) \
         FROM together t CROSS JOIN unnest(t.products) AS one (id) CROSS JOIN unnest(t.products) AS other (id) \
         WHERE one.id <> other.id GROUP BY 1, 2 ORDER BY 1, 2 \
         ON CONFLICT (product_id, other_id) DO UPDATE SET orders = c.orders + excluded.orders), \
     daily AS ( \
         INSERT INTO product_sales_by_day AS s (day, product_id, units) \
         SELECT day, product_id, sum(quantity) FROM lines \
         WHERE day >= (SELECT today FROM at) - (SELECT max(w.days) FROM unnest($2) AS w (days)) GROUP BY 1, 2 ORDER BY 1, 2 \
         ON CONFLICT (day, product_id) DO UPDATE SET units = s.units + excluded.units), \
     sold AS ( \
         INSERT INTO product_sales AS s (days, product_id, units) \
         SELECT w.days, l.product_id, sum(l.quantity) FROM lines l \
         JOIN unnest($2 || '{-1}'::smallint[]) AS w (days) ON w.days < 0 OR l.day >= (SELECT today FROM at) - w.days \
         GROUP BY 1, 2 ORDER BY 1, 2 \
         ON CONFLICT (days, product_id) DO UPDATE SET units = s.units + excluded.units) \
     SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM waiting) > (SELECT count(*) FROM taken)")
}

statement! {
    /// What was sold most. Along the index, until enough of it can be bought.
    TopProducts { days: i16 as SmallInt, limit: i64 as BigInt }
    (BigInt, ProductColumns)
    concat!("SELECT s.units, ", product_columns!(), " FROM product_sales s \
     JOIN products p ON p.id = s.product_id AND p.active AND p.stock > 0 \
     WHERE s.days = $1 ORDER BY s.units DESC, s.product_id LIMIT $2")
}

statement! {
    /// What was bought together with a product.
    RelatedProducts<'a> { id: &'a str as Text, limit: i64 as BigInt }
    (BigInt, ProductColumns)
    concat!("SELECT c.orders, ", product_columns!(), " FROM copurchases c \
     JOIN products p ON p.id = c.other_id AND p.active AND p.stock > 0 \
     WHERE c.product_id = $1 ORDER BY c.orders DESC, c.other_id LIMIT $2")
}

statement! {
    /// What was bought together with what somebody has. What he has is bounded, and so is what goes with each of it. It
    /// is put in order before products are read, so that no more of them are read than wanted.
    ///
    /// The products of the cart are taken out of its text: the server's own JSON refuses what names may contain. A quote
    /// inside a name comes after a backslash, so no name looks like an id.
    RecommendProducts<'a> { owner: &'a str as Text, limit: i64 as BigInt }
    (BigInt, ProductColumns)
    concat!("WITH recent AS MATERIALIZED ( \
         SELECT lines FROM orders WHERE owner = $1 ORDER BY id DESC LIMIT 50), \
     has AS MATERIALIZED ( \
         SELECT ", product_of_line!(), " AS product_id FROM recent o ", each_line!(), "\
         UNION \
         SELECT (regexp_matches(c.lines, '\"product_id\":\"([^\"]+)\"', 'g'))[1] FROM carts c WHERE c.owner = $1) \
     SELECT g.orders, ", product_columns!(), " FROM ( \
         SELECT c.other_id, sum(c.orders)::bigint AS orders \
         FROM (SELECT product_id FROM has LIMIT 100) AS h \
         CROSS JOIN LATERAL ( \
             SELECT other_id, orders FROM copurchases WHERE product_id = h.product_id \
             ORDER BY orders DESC, other_id LIMIT 30) AS c \
         WHERE c.other_id NOT IN (SELECT product_id FROM has) \
         GROUP BY c.other_id ORDER BY orders DESC, c.other_id) AS g \
     JOIN products p ON p.id = g.other_id AND p.active AND p.stock > 0 \
     ORDER BY g.orders DESC, g.other_id LIMIT $2")
}
