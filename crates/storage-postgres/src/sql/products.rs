use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};

use super::statement;

/// What is read of a product, in the order of `KeptProduct`.
macro_rules! product_columns {
    () => {
        "p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.category, p.attributes, p.active, \
         p.version, p.created_at, p.updated_at"
    };
}
pub(crate) use product_columns;

/// A row of these columns.
pub(crate) type ProductRow = (
    String,
    String,
    String,
    i64,
    String,
    i32,
    Option<String>,
    String,
    bool,
    i64,
    DateTime<Utc>,
    DateTime<Utc>,
);
/// Their types.
pub(crate) type ProductColumns =
    (Text, Text, Text, BigInt, Text, Integer, Nullable<Text>, Text, Bool, BigInt, Timestamptz, Timestamptz);

statement! {
    /// Products by id, each with its position from 1.
    LoadProducts<'a> { ids: Vec<&'a str> as Array<Text> }
    (BigInt, ProductColumns)
    concat!("SELECT u.at, ", product_columns!(), " FROM unnest($1) WITH ORDINALITY AS u (id, at) \
     JOIN products p ON p.id = u.id COLLATE \"C\" AND p.retired_at IS NULL")
}

statement! {
    /// Makes a product, unless the id is in use.
    CreateProduct<'a> {
        id: &'a str as Text,
        name: &'a str as Text,
        name_key: String as Text,
        description: &'a str as Text,
        price: i64 as BigInt,
        currency: &'a str as Text,
        stock: i32 as Integer,
        category: Option<&'a str> as Nullable<Text>,
        attributes: String as Text,
        active: bool as Bool,
        now: DateTime<Utc> as Timestamptz,
    }
    (Text)
    "INSERT INTO products (id, name, name_key, description, price_minor, currency, stock, category, attributes, \
         active, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (id) DO NOTHING RETURNING id"
}

statement! {
    /// Makes a product under the next integer, and returns that. Nothing, when somebody else has just used it; it is
    /// skipped then. The condition is that of the index of integers.
    CreateNumbered<'a> {
        name: &'a str as Text,
        name_key: String as Text,
        description: &'a str as Text,
        price: i64 as BigInt,
        currency: &'a str as Text,
        stock: i32 as Integer,
        category: Option<&'a str> as Nullable<Text>,
        attributes: String as Text,
        active: bool as Bool,
        now: DateTime<Utc> as Timestamptz,
    }
    (Text)
    "WITH next AS ( \
         UPDATE product_numbers SET last = 1 + greatest(last, coalesce(( \
             SELECT id::integer FROM products WHERE id ~ '^[1-9][0-9]{0,8}$' ORDER BY id::integer DESC LIMIT 1), 0)) \
         WHERE id = 1 RETURNING last) \
     INSERT INTO products (id, name, name_key, description, price_minor, currency, stock, category, attributes, \
         active, created_at, updated_at) \
     SELECT last::text, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10 FROM next \
     ON CONFLICT (id) DO NOTHING RETURNING id"
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
        id: &'a str as Text,
        name: &'a str as Text,
        name_key: String as Text,
        description: &'a str as Text,
        price: i64 as BigInt,
        currency: &'a str as Text,
        stock: i32 as Integer,
        category: Option<&'a str> as Nullable<Text>,
        attributes: String as Text,
        active: bool as Bool,
        version: i64 as BigInt,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "UPDATE products SET name = $2, name_key = $3, description = $4, price_minor = $5, currency = $6, stock = $7, \
         category = $8, attributes = $9, active = $10, version = $11, updated_at = $12 WHERE id = $1"
}

statement! {
    /// Retires a product that is locked when an order names it, and removes it otherwise: how many of each.
    RemoveProduct<'a> { id: &'a str as Text, now: DateTime<Utc> as Timestamptz }
    (BigInt, BigInt)
    "WITH ordered AS MATERIALIZED ( \
         SELECT EXISTS (SELECT FROM order_lines WHERE product_id = $1) AS ordered), \
     retired AS ( \
         UPDATE products SET active = false, retired_at = $2, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND (SELECT ordered FROM ordered) RETURNING id), \
     removed AS ( \
         DELETE FROM products WHERE id = $1 AND NOT (SELECT ordered FROM ordered) RETURNING id) \
     SELECT (SELECT count(*) FROM retired), (SELECT count(*) FROM removed)"
}

statement! {
    /// Writes products over those with the same id: how many are new, and how many are different.
    ImportProducts<'a> {
        ids: Vec<&'a str> as Array<Text>,
        names: Vec<&'a str> as Array<Text>,
        name_keys: Vec<String> as Array<Text>,
        descriptions: Vec<&'a str> as Array<Text>,
        prices: Vec<i64> as Array<BigInt>,
        currencies: Vec<&'a str> as Array<Text>,
        stocks: Vec<i32> as Array<Integer>,
        categories: Vec<Option<&'a str>> as Array<Nullable<Text>>,
        attributes: Vec<String> as Array<Text>,
        active: Vec<bool> as Array<Bool>,
        now: DateTime<Utc> as Timestamptz,
    }
    (BigInt, BigInt)
    "WITH written AS ( \
         INSERT INTO products AS p (id, name, name_key, description, price_minor, currency, stock, category, \
             attributes, active, created_at, updated_at) \
         SELECT u.*, $11, $11 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS u \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
             description = excluded.description, price_minor = excluded.price_minor, currency = excluded.currency, \
             stock = excluded.stock, category = excluded.category, attributes = excluded.attributes, \
             active = excluded.active, version = p.version + 1, updated_at = excluded.updated_at, retired_at = NULL \
         WHERE p.retired_at IS NOT NULL \
             OR (p.name, p.description, p.price_minor, p.currency, p.stock, p.category, p.attributes, p.active) \
                 IS DISTINCT FROM (excluded.name, excluded.description, excluded.price_minor, excluded.currency, \
                     excluded.stock, excluded.category, excluded.attributes, excluded.active) \
         RETURNING version) \
     SELECT count(*) FILTER (WHERE version = 1), count(*) FILTER (WHERE version > 1) FROM written"
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
