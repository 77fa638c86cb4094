//! Search: one statement finds, ranks and reads the page. A single word is looked for in descriptions when few names have
//! it; when hardly anything is found, words that are alike are looked for, and it is asked again with them.

mod statement;
mod typos;

use cartwright_domain::{Product, SearchQuery, SearchText};
use cartwright_storage::{Found, KeptFacets, MAX_FOUND, ReadFrom, StorageError};
use diesel::{QueryResult, result::Error};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use self::statement::{ENOUGH, Row, Search, Wanted};
use crate::{read, replicas::read_from, sql::AlikeWords, store::PostgresStore};

/// With fewer matches than this, words that are alike are looked for, too.
const FEW: u64 = 3;

impl PostgresStore {
    /// All on one connection: whoever has one does not queue again for what a typo takes more.
    pub(crate) async fn find(&self, query: &SearchQuery, from: ReadFrom) -> Result<Found, StorageError> {
        if query.text.as_ref().is_some_and(|text| text.words().is_empty()) {
            return Ok(Found::default());
        }
        let _turn = self.search_turn().await?;
        read_from!(self, from, |pipe| search(pipe, query))
    }
}

async fn search(pipe: &AsyncPgConnection, query: &SearchQuery) -> QueryResult<Found> {
    let Some(text) = &query.text else { return run(pipe, query, None).await };
    let mut wanted = Wanted::exactly(text);
    let mut exact = run(pipe, query, Some(&wanted)).await?;
    if !wanted.described && exact.total < ENOUGH.into() {
        wanted.described = true;
        exact = run(pipe, query, Some(&wanted)).await?;
    }
    if exact.total >= FEW {
        return Ok(exact);
    }
    let Some(corrected) = corrected(pipe, text, exact.total > 0).await? else { return Ok(exact) };
    let more = run(pipe, query, Some(&corrected)).await?;
    Ok(if more.total > exact.total { Found { fuzzy: true, ..more } } else { exact })
}

async fn run(
    mut pipe: &AsyncPgConnection,
    query: &SearchQuery,
    wanted: Option<&Wanted>,
) -> QueryResult<Found> {
    let search = Search::new(query, wanted);
    let rows: Vec<Row> = search.statement().load(&mut pipe).await?;
    found(rows).map_err(unreadable)
}

fn unreadable(error: StorageError) -> Error {
    Error::DeserializationError(Box::new(error))
}

/// The words that were probably meant. `None`: those that were looked for. `found`: whether those are found.
async fn corrected(
    mut pipe: &AsyncPgConnection,
    text: &SearchText,
    found: bool,
) -> QueryResult<Option<Wanted>> {
    let (words, open) = typos::to_compare(text);
    if words.is_empty() && open.is_none() {
        return Ok(None);
    }
    let positions: Vec<usize> = words.iter().map(|(at, _)| *at).collect();
    let statement = AlikeWords { words: words.into_iter().map(|(_, word)| word).collect(), open };
    let rows: Vec<(i64, String)> = statement.load(&mut pipe).await?;
    let alike = by_word(text, &positions, rows).map_err(unreadable)?;
    Ok(typos::correct(text, alike, found))
}

/// For each word of the text, those that are like it.
fn by_word(
    text: &SearchText,
    positions: &[usize],
    rows: Vec<(i64, String)>,
) -> Result<Vec<Vec<String>>, StorageError> {
    let mut alike = vec![Vec::new(); text.words().len()];
    for (at, word) in rows {
        let at = if at == 0 { text.words().len() - 1 } else { *read::at(positions, at)? };
        alike.get_mut(at).ok_or_else(|| StorageError::unexpected("a word like none"))?.push(word);
    }
    Ok(alike)
}

/// What the rows say: the first one of all that was found, the others of the page.
fn found(rows: Vec<Row>) -> Result<Found, StorageError> {
    let mut all = None;
    let mut items: Vec<Product> = Vec::with_capacity(rows.len());
    for (_, counted, product) in rows {
        all = all.or(counted);
        items.extend(product.map(read::product).transpose()?);
    }
    let (categories, currencies, prices, in_stock, more) =
        all.ok_or_else(|| StorageError::unexpected("a search without its counts"))?;
    let (currencies, prices) = (currencies.iter().map(String::as_str), prices.into_iter());
    let facets = KeptFacets::count(
        categories
            .iter()
            .map(Option::as_deref)
            .zip(currencies)
            .zip(prices)
            .zip(in_stock)
            .map(|(((category, currency), price), in_stock)| (category, currency, price, in_stock)),
    );
    let (total, bounded) = (facets.total, more || facets.total > u64::from(MAX_FOUND));
    Ok(Found { items, total, bounded, fuzzy: false, facets: facets.read()? })
}
