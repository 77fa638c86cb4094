use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};

use super::statement;

/// Id, name, price, currency, whether it can be bought.
pub(crate) type ListingRow = (String, String, i64, String, bool);

statement! {
    /// Listings by id.
    LoadListings<'a> { ids: Vec<&'a str> as Array<Text> }
    (Text, Text, BigInt, Text, Bool)
    "SELECT p.id, p.name, p.price_minor, p.currency, p.active \
     FROM unnest($1) AS u (id) \
     CROSS JOIN LATERAL (SELECT * FROM products WHERE id = u.id COLLATE \"C\" LIMIT 1) p"
}

statement! {
    /// Writes listings. Those that are the same already are not rewritten; deleted ones are back.
    PutListings<'a> {
        ids: Vec<&'a str> as Array<Text>,
        names: Vec<&'a str> as Array<Text>,
        name_keys: Vec<String> as Array<Text>,
        prices: Vec<i64> as Array<BigInt>,
        currencies: Vec<&'a str> as Array<Text>,
        active: Vec<bool> as Array<Bool>,
    }
    ()
    "INSERT INTO products AS p (id, name, name_key, price_minor, currency, active) \
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
         price_minor = excluded.price_minor, currency = excluded.currency, active = excluded.active, \
         version = p.version + 1, updated_at = now(), retired_at = NULL \
     WHERE p.retired_at IS NOT NULL OR (p.name, p.price_minor, p.currency, p.active) \
         IS DISTINCT FROM (excluded.name, excluded.price_minor, excluded.currency, excluded.active)"
}

statement! {
    /// How many listings there are, up to a number.
    CountListings { up_to: i32 as Integer }
    (BigInt)
    "SELECT count(*) FROM (SELECT FROM products WHERE retired_at IS NULL LIMIT $1) AS p"
}
