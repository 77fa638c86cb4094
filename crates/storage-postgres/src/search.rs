//! Search: one statement that finds, ranks, counts and reads the page.

use cartwright_domain::{Category, Money, Product, SearchQuery, SearchSort, SearchText};
use cartwright_storage::{
    Found, KeptFacets, KeptProduct, MAX_FACETS, MAX_FOUND, PRICE_STEPS, ReadFrom, StorageError,
};
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;

use crate::{
    read,
    replicas::read_from,
    sql::{Bind, Built},
    store::PostgresStore,
};

/// How many products with words that are only alike are looked at: those are compared letter by letter.
const MAX_ALIKE: u32 = 100;
/// With fewer matches than this, words that are alike are looked for, too.
const FEW: u32 = 3;

/// Facets and items as JSON, and whether some are only alike.
type Columns = (Text, Text, Bool);

/// What passes the filters: only those that are asked for are named, so that the planner sees what is there to be
/// read.
///
/// With words, what passes is picked from what the words find: no index of a category or a price is read beside theirs,
/// which would be read whole. Without, the category's index is followed in the order that is asked for, and in that of
/// prices from price to price. `coalesce` and `+ 0` hide the columns from their indexes.
fn filters(query: &SearchQuery) -> String {
    // What can be bought is not retired. Saying so, too, would offer the planner every index of a list.
    let mut filters =
        if query.text.is_some() { "p.active" } else { "p.active AND p.retired_at IS NULL" }.to_owned();
    if query.category.is_some() {
        let category = if query.text.is_some() { "coalesce(p.category, '')" } else { "p.category" };
        filters.push_str(&format!(" AND {category} = $2::text"));
    }
    if query.price.is_some() {
        let by_price =
            query.text.is_none() && matches!(query.sort, SearchSort::PriceUp | SearchSort::PriceDown);
        let price = if by_price { "p.price_minor" } else { "p.price_minor + 0" };
        filters
            .push_str(&format!(" AND {price} BETWEEN $4::bigint AND $5::bigint AND p.currency = $3::text"));
    }
    if query.in_stock {
        filters.push_str(" AND p.stock > 0");
    }
    filters
}

/// What is remembered of a match.
const MATCH: &str = "p.id, p.price_minor, p.created_at, p.category, p.currency, p.stock > 0 AS in_stock";

/// The words as a `tsquery`. They are letters and digits, so that the quotes hold.
fn all_words(text: &SearchText) -> String {
    let mut query = String::new();
    for (n, word) in text.words().iter().enumerate() {
        let (and, last) = (if n == 0 { "" } else { " & " }, n + 1 == text.words().len());
        let prefix = if last && text.is_open() { ":*" } else { "" };
        query.push_str(&format!("{and}'{word}'{prefix}"));
    }
    query
}

/// In which order: among what was found, and of the index when there are no words.
fn order(sort: SearchSort, has_words: bool) -> &'static str {
    match sort {
        SearchSort::Relevance if has_words => "rank DESC, id",
        SearchSort::Relevance | SearchSort::Newest => "created_at DESC, id DESC",
        SearchSort::PriceUp => "price_minor, id",
        SearchSort::PriceDown => "price_minor DESC, id DESC",
    }
}

/// `$1` the words, `$2` the category, `$3` to `$5` the prices, `$6` and `$7` the page, `$8` the text as it is compared
/// letter by letter, `$9` the steps of prices. Not all are in every text.
fn sql(query: &SearchQuery) -> String {
    let has_words = query.text.is_some();
    let order = order(query.sort, has_words);
    // One more than counts: it tells whether there are more.
    let limit = MAX_FOUND + 1;
    let filters = filters(query);
    let found = if has_words {
        format!(
            "exact AS MATERIALIZED ( \
                 SELECT {MATCH}, ts_rank(p.search, $1::text::tsquery) AS rank FROM products p \
                 WHERE p.search @@ $1::text::tsquery AND {filters} LIMIT {limit}), \
             few AS MATERIALIZED (SELECT count(*) < {FEW} AS few FROM exact), \
             alike AS MATERIALIZED ( \
                 SELECT {MATCH}, word_similarity($8::text, p.name) - 2 AS rank FROM products p \
                 WHERE (SELECT few FROM few) AND $8::text <% p.name AND {filters} \
                     AND p.id NOT IN (SELECT id FROM exact) LIMIT {MAX_ALIKE}), \
             found AS MATERIALIZED (SELECT * FROM exact UNION ALL SELECT * FROM alike)"
        )
    } else {
        format!(
            "found AS MATERIALIZED ( \
                 SELECT {MATCH}, 0::real AS rank FROM products p \
                 WHERE {filters} \
                 ORDER BY {order} LIMIT {limit}), \
             alike AS (SELECT WHERE false)"
        )
    };
    format!(
        "WITH {found}, \
         page AS MATERIALIZED ( \
             SELECT id, row_number() OVER (ORDER BY {order}) AS at FROM found ORDER BY at \
             LIMIT $7::bigint OFFSET $6::bigint) \
         SELECT \
             json_build_object( \
                 'total', count(*), 'in_stock', count(*) FILTER (WHERE in_stock), \
                 'categories', ( \
                     SELECT coalesce(json_agg(json_build_array(category, n)), '[]') FROM ( \
                         SELECT category, count(*) AS n FROM found GROUP BY 1 \
                         ORDER BY n DESC, category NULLS FIRST LIMIT {MAX_FACETS}) c), \
                 'prices', ( \
                     SELECT coalesce(json_agg(json_build_array(currency, step, n)), '[]') FROM ( \
                         SELECT currency, width_bucket(price_minor, $9::bigint[]) AS step, count(*) AS n \
                         FROM found GROUP BY 1, 2) s))::text, \
             ( \
                 SELECT coalesce(json_agg(json_build_array( \
                     p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.category, p.attributes, \
                     p.active, p.version, (extract(epoch FROM p.created_at) * 1000000)::bigint, \
                     (extract(epoch FROM p.updated_at) * 1000000)::bigint) ORDER BY page.at), '[]') \
                 FROM page JOIN products p ON p.id = page.id)::text, \
             EXISTS (SELECT FROM alike) \
         FROM found"
    )
}

/// The statement of a search. `words` and `plain` are made of its text.
pub(crate) fn statement<'a>(
    query: &'a SearchQuery,
    words: Option<&'a str>,
    plain: Option<&'a str>,
) -> Built<'a, Columns> {
    let price = query.price.as_ref();
    let minor = |money: Option<Money>| money.map(Money::minor);
    let binds = vec![
        Bind::Maybe(words),
        Bind::Maybe(query.category.as_ref().map(Category::as_str)),
        Bind::Maybe(price.map(|price| price.currency().code())),
        Bind::Int(price.and_then(|price| minor(price.min())).unwrap_or(0)),
        Bind::Int(price.and_then(|price| minor(price.max())).unwrap_or(i64::MAX)),
        Bind::Int(query.page.offset().into()),
        Bind::Int(query.page.size().into()),
        Bind::Maybe(plain),
        Bind::Ints(&PRICE_STEPS),
    ];
    Built::new(sql(query), binds)
}

impl PostgresStore {
    pub(crate) async fn find(&self, query: &SearchQuery, from: ReadFrom) -> Result<Found, StorageError> {
        let words = query.text.as_ref().map(all_words);
        if words.as_ref().is_some_and(String::is_empty) {
            return Ok(Found::default());
        }
        let plain = query.text.as_ref().map(|text| text.words().join(" "));
        let statement = statement(query, words.as_deref(), plain.as_deref());
        let (facets, items, fuzzy): (String, String, bool) =
            read_from!(self, from, |pipe| (&statement).get_result(&mut { pipe }))?;
        let facets: KeptFacets = serde_json::from_str(&facets).map_err(read::bad("facets that are none"))?;
        let items: Vec<KeptProduct> =
            serde_json::from_str(&items).map_err(read::bad("products that are none"))?;
        let items = items.into_iter().map(KeptProduct::read).collect::<Result<Vec<Product>, _>>()?;
        let bounded = facets.total > u64::from(MAX_FOUND) || fuzzy && facets.total >= u64::from(MAX_ALIKE);
        Ok(Found { items, total: facets.total, bounded, fuzzy, facets: facets.read()? })
    }
}
