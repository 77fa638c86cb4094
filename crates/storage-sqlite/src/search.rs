//! Search. What is found is ranked and counted here: there is no network in between.

use cartwright_domain::{Money, ProductId, SearchQuery, SearchSort, SearchText};
use cartwright_storage::{Found, KeptFacets, MAX_FOUND, StorageError};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Double, Nullable, Text},
};

use crate::{
    error::storage_error,
    products, rows,
    statement::{Bind, Statement},
};

/// Id, price, currency, category, creation, whether in stock, rank (less is better).
type Match = (String, i64, String, Option<String>, i64, bool, f64);
type Columns = (Text, BigInt, Text, Nullable<Text>, BigInt, Bool, Double);

const MATCH: &str = "p.id, p.price_minor, p.currency, p.category, p.created_at, p.stock > 0";

const FILTERS: &str = "p.active = 1 AND p.retired_at IS NULL AND p.price_minor BETWEEN ? AND ?";

/// The words as FTS5 reads them. They are letters and digits, so that the quotes hold.
fn all_words(text: &SearchText) -> String {
    let words: Vec<String> = text.words().iter().map(|word| format!("\"{word}\"")).collect();
    words.join(" ") + if text.is_open() && !words.is_empty() { "*" } else { "" }
}

/// The statement that finds, with its parameters. `words` is made of the text.
pub(crate) fn statement<'a>(query: &'a SearchQuery, words: Option<&'a str>) -> (String, Vec<Bind<'a>>) {
    let minor = |money: Option<Money>| money.map(Money::minor);
    let (mut sql, mut binds) = match words {
        Some(words) => (
            format!(
                "SELECT {MATCH}, bm25(product_words, 10.0, 4.0, 1.0) FROM product_words \
                 CROSS JOIN products AS p ON p.number = product_words.rowid \
                 WHERE product_words MATCH ? AND {FILTERS}"
            ),
            vec![Bind::Text(words)],
        ),
        None => (format!("SELECT {MATCH}, 0.0 FROM products AS p WHERE {FILTERS}"), Vec::new()),
    };
    let price = query.price.as_ref();
    binds.push(Bind::Int(price.and_then(|price| minor(price.min())).unwrap_or(0)));
    binds.push(Bind::Int(price.and_then(|price| minor(price.max())).unwrap_or(i64::MAX)));
    if let Some(price) = price {
        sql.push_str(" AND p.currency = ?");
        binds.push(Bind::Text(price.currency().code()));
    }
    if let Some(category) = &query.category {
        sql.push_str(" AND p.category = ?");
        binds.push(Bind::Text(category.as_str()));
    }
    if query.in_stock {
        sql.push_str(" AND p.stock > 0");
    }
    if words.is_none() {
        sql.push_str(match query.sort {
            SearchSort::Relevance | SearchSort::Newest => " ORDER BY p.created_at DESC, p.id DESC",
            SearchSort::PriceUp => " ORDER BY p.price_minor, p.id",
            SearchSort::PriceDown => " ORDER BY p.price_minor DESC, p.id DESC",
        });
    }
    // One more than counts: it tells whether there are more.
    sql.push_str(" LIMIT ?");
    binds.push(Bind::Int(i64::from(MAX_FOUND) + 1));
    (sql, binds)
}

fn sort(matches: &mut [Match], query: &SearchQuery) {
    match query.sort {
        SearchSort::Relevance if query.text.is_some() => {
            matches.sort_by(|a, b| a.6.total_cmp(&b.6).then_with(|| a.0.cmp(&b.0)));
        }
        SearchSort::Relevance | SearchSort::Newest => {
            matches.sort_by(|a, b| (b.4, &b.0).cmp(&(a.4, &a.0)));
        }
        SearchSort::PriceUp => matches.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0))),
        SearchSort::PriceDown => matches.sort_by(|a, b| (b.1, &b.0).cmp(&(a.1, &a.0))),
    }
}

fn facets(matches: &[Match]) -> KeptFacets {
    KeptFacets::count((matches.iter()).map(|(_, price, currency, category, _, in_stock, _)| {
        (category.as_deref(), &**currency, *price, *in_stock)
    }))
}

pub(crate) fn find(connection: &mut SqliteConnection, query: &SearchQuery) -> Result<Found, StorageError> {
    let words = query.text.as_ref().map(all_words);
    if words.as_ref().is_some_and(String::is_empty) {
        return Ok(Found::default());
    }
    let (sql, binds) = statement(query, words.as_deref());
    let mut matches: Vec<Match> =
        Statement::<Columns>::new(&sql, &binds).load(connection).map_err(storage_error)?;
    sort(&mut matches, query);
    let facets = facets(&matches);
    let page = usize::try_from(query.page.offset()).ok().zip(usize::try_from(query.page.size()).ok());
    let (offset, size) = page.unwrap_or_default();
    let ids = matches.iter().skip(offset).take(size).map(|found| ProductId::new(&found.0));
    let ids = ids.collect::<Result<Vec<_>, _>>().map_err(|error| rows::broken("a product", error))?;
    let items = products::by_ids(connection, &ids)?.into_iter().flatten().collect();
    let (total, bounded) = (facets.total, facets.total > u64::from(MAX_FOUND));
    Ok(Found { items, total, bounded, fuzzy: false, facets: facets.read()? })
}
