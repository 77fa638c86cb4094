use cartwright_domain::{Category, ProductDetails, Stock, sort_key};
use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz},
};

use super::statement;

pub(crate) use cartwright_storage::product_columns;

/// A row of [`product_columns!`].
pub(crate) type ProductRow = cartwright_storage::ProductRow<DateTime<Utc>>;
/// Their types.
pub(crate) type ProductColumns =
    (Text, Text, Text, BigInt, Text, BigInt, Nullable<Text>, Text, Bool, BigInt, Timestamptz, Timestamptz);

/// What is written of [`Details`].
macro_rules! detail_columns {
    () => {
        "name, name_key, description, price_minor, currency, stock, category, attributes, active"
    };
}

/// What an editor decides of a product: `$1` to `$9` of a statement, in the order of `detail_columns!`.
#[derive(Debug)]
pub(crate) struct Details<'a> {
    name: &'a str,
    name_key: String,
    description: &'a str,
    price: i64,
    currency: &'a str,
    stock: i32,
    category: Option<&'a str>,
    attributes: String,
    active: bool,
}

impl<'a> Details<'a> {
    pub(crate) fn of(details: &'a ProductDetails) -> Self {
        Self {
            name: details.name.as_str(),
            name_key: sort_key(details.name.as_str()),
            description: details.description.as_str(),
            price: details.price.minor(),
            currency: details.price.currency().code(),
            stock: units(details.stock),
            category: details.category.as_ref().map(Category::as_str),
            attributes: details.attributes.to_json(),
            active: details.active,
        }
    }

    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param_value_only::<Text, _>(&self.name)?;
        out.push_bind_param_value_only::<Text, _>(&self.name_key)?;
        out.push_bind_param_value_only::<Text, _>(&self.description)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.price)?;
        out.push_bind_param_value_only::<Text, _>(&self.currency)?;
        out.push_bind_param_value_only::<Integer, _>(&self.stock)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&self.category)?;
        out.push_bind_param_value_only::<Text, _>(&self.attributes)?;
        out.push_bind_param_value_only::<Bool, _>(&self.active)
    }
}

/// A stock as its column has it: it is at most a billion.
pub(crate) fn units(stock: Stock) -> i32 {
    i32::try_from(stock.get()).unwrap_or(i32::MAX)
}

statement! {
    /// Products by id, each with its position from 1.
    LoadProducts<'a> { ids: Vec<&'a str> as Array<Text> }
    (BigInt, ProductColumns)
    concat!("SELECT u.at, ", product_columns!(), " FROM unnest($1) WITH ORDINALITY AS u (id, at) \
     CROSS JOIN LATERAL ( \
         SELECT * FROM products WHERE id = u.id COLLATE \"C\" AND retired_at IS NULL LIMIT 1) p")
}

statement! {
    /// Makes a product, unless the id is in use.
    CreateProduct<'a> { ..details: Details<'a>, id: &'a str as Text, now: DateTime<Utc> as Timestamptz }
    (Text)
    concat!("INSERT INTO products (", detail_columns!(), ", id, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (id) DO NOTHING RETURNING id")
}

statement! {
    /// Makes a product under the next integer, and returns that. Nothing, when somebody else has just used it; it is
    /// skipped then. The condition is that of the index of integers.
    CreateNumbered<'a> { ..details: Details<'a>, now: DateTime<Utc> as Timestamptz }
    (Text)
    concat!("WITH next AS ( \
         UPDATE product_numbers SET last = 1 + greatest(last, coalesce(( \
             SELECT id::integer FROM products WHERE id ~ '^[1-9][0-9]{0,8}$' ORDER BY id::integer DESC LIMIT 1), 0)) \
         WHERE id = 1 RETURNING last) \
     INSERT INTO products (", detail_columns!(), ", id, created_at, updated_at) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, last::text, $10, $10 FROM next \
     ON CONFLICT (id) DO NOTHING RETURNING id")
}

statement! {
    /// A product, which stays as it is until the transaction ends.
    LockProduct<'a> { id: &'a str as Text }
    (ProductColumns)
    concat!("SELECT ", product_columns!(), " FROM products p WHERE p.id = $1 AND p.retired_at IS NULL FOR UPDATE")
}

statement! {
    /// Writes a product that is locked.
    UpdateProduct<'a> {
        ..details: Details<'a>,
        id: &'a str as Text,
        version: i64 as BigInt,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    concat!("UPDATE products SET (", detail_columns!(), ") = ($1, $2, $3, $4, $5, $6, $7, $8, $9), \
         version = $11, updated_at = $12 WHERE id = $10")
}

statement! {
    /// Retires a product that is locked when an order or a hold has moved its stock, and removes it otherwise: how many of each.
    RemoveProduct<'a> { id: &'a str as Text, now: DateTime<Utc> as Timestamptz }
    (BigInt, BigInt)
    "WITH ordered AS MATERIALIZED ( \
         SELECT moves > 0 AS ordered FROM products WHERE id = $1), \
     retired AS ( \
         UPDATE products SET active = false, retired_at = $2, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND (SELECT ordered FROM ordered) RETURNING id), \
     removed AS ( \
         DELETE FROM products WHERE id = $1 AND NOT (SELECT ordered FROM ordered) RETURNING id) \
     SELECT (SELECT count(*) FROM retired), (SELECT count(*) FROM removed)"
}

statement! {
    /// Makes products, and changes those that are there: how many were there, were not, came back, are different.
    ///
    /// Null is what was left out; of a category, the empty text is none. Those that are there are locked first, in their
    /// order, and read as they are then: nothing that somebody else writes meanwhile is written over. One that is made
    /// or removed meanwhile is neither there nor not: the first two counts do not come to all.
    ImportProducts<'a> {
        ids: Vec<&'a str> as Array<Text>,
        names: Vec<&'a str> as Array<Text>,
        name_keys: Vec<String> as Array<Text>,
        descriptions: Vec<Option<&'a str>> as Array<Nullable<Text>>,
        prices: Vec<i64> as Array<BigInt>,
        currencies: Vec<&'a str> as Array<Text>,
        stocks: Vec<Option<i32>> as Array<Nullable<Integer>>,
        categories: Vec<Option<&'a str>> as Array<Nullable<Text>>,
        attributes: Vec<Option<String>> as Array<Nullable<Text>>,
        active: Vec<Option<bool>> as Array<Nullable<Bool>>,
        now: DateTime<Utc> as Timestamptz,
    }
    (BigInt, BigInt, BigInt, BigInt)
    concat!("WITH wanted AS ( \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY \
         AS u (id, ", detail_columns!(), ", at)), \
     there AS MATERIALIZED ( \
         SELECT p.id, p.retired_at IS NOT NULL AS retired, w.name, w.name_key, \
             coalesce(w.description, old.description, '') AS description, w.price_minor, w.currency, \
             coalesce(w.stock, old.stock, 0) AS stock, nullif(coalesce(w.category, old.category), '') AS category, \
             coalesce(w.attributes, old.attributes, '{}') AS attributes, coalesce(w.active, old.active, true) AS active \
         FROM wanted w JOIN products p ON p.id = w.id COLLATE \"C\" \
         LEFT JOIN LATERAL (SELECT p.description, p.stock, p.category, p.attributes, p.active) AS old \
             ON p.retired_at IS NULL \
         ORDER BY w.at FOR UPDATE OF p), \
     made AS ( \
         INSERT INTO products (id, ", detail_columns!(), ", created_at, updated_at) \
         SELECT w.id, w.name, w.name_key, coalesce(w.description, ''), w.price_minor, w.currency, \
             coalesce(w.stock, 0), nullif(w.category, ''), coalesce(w.attributes, '{}'), coalesce(w.active, true), \
             $11, $11 \
         FROM wanted w WHERE NOT EXISTS (SELECT FROM products p WHERE p.id = w.id COLLATE \"C\") \
         ORDER BY w.at ON CONFLICT (id) DO NOTHING RETURNING id), \
     changed AS ( \
         UPDATE products p SET (", detail_columns!(), ") = (t.name, t.name_key, t.description, t.price_minor, \
             t.currency, t.stock, t.category, t.attributes, t.active), version = p.version + 1, updated_at = $11, \
             retired_at = NULL \
         FROM there t \
         WHERE p.id = t.id AND (t.retired \
             OR (p.name, p.description, p.price_minor, p.currency, p.stock, p.category, p.attributes, p.active) \
                 IS DISTINCT FROM (t.name, t.description, t.price_minor, t.currency, t.stock, t.category, \
                     t.attributes, t.active)) \
         RETURNING t.retired) \
     SELECT (SELECT count(*) FROM there), (SELECT count(*) FROM made), \
         (SELECT count(*) FROM changed WHERE retired), (SELECT count(*) FROM changed WHERE NOT retired)")
}

statement! {
    /// Sorts what was added into the index of words: searches read what is not sorted in one by one.
    CleanPending {}
    (BigInt)
    "SELECT gin_clean_pending_list('products_by_words')"
}

statement! {
    /// Categories and how many of their products can be bought.
    CountCategories {}
    (Text, BigInt)
    "SELECT category, active FROM category_counts WHERE active > 0 ORDER BY category"
}
