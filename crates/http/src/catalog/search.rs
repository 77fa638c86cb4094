//! Searches.

use actix_web::{HttpRequest, web::Data};
use cartwright_catalog::surrogate::of_list;
use cartwright_domain::{
    Currency, Money, MoneyError, PriceRange, PriceRangeError, SearchQuery, SearchSort, SearchText,
};
use cartwright_edge::SurrogateKey;

use super::{
    edge::{Keep, Served, document, keys},
    lists::category,
    wire,
};
use crate::{AppState, answer::Answer, problem::Problem, query::Query};

const SORTS: [(&str, SearchSort); 4] = [
    ("relevance", SearchSort::Relevance),
    ("price_asc", SearchSort::PriceUp),
    ("price_desc", SearchSort::PriceDown),
    ("newest", SearchSort::Newest),
];

/// Search
///
/// Products that can be bought, with all the words of `q` in name, description or category; the last word may be
/// incomplete. With facets of all that was found.
#[utoipa::path(get, path = "/api/v1/search", tag = "products", operation_id = "search",
    params(wire::CategoryParam, wire::SearchParams),
    responses((status = 200, description = "What was found", body = wire::Found)))]
pub(crate) async fn search(request: HttpRequest, state: Data<AppState>) -> Answer {
    let wanted = search_query(Query::of(&request)?, state.settings.default_currency)?;
    let keys = keys(&[of_list(wanted.category.as_ref()), SurrogateKey::new("search")]);
    let found = Served::take(state.catalog.search(wanted).await?);
    document(&request, found, &Keep::Told(&state.settings.edge), keys)
}

fn search_query(mut query: Query, default: Currency) -> Result<SearchQuery, Problem> {
    // A form that was sent without words looks for nothing in particular.
    let text = query.get("q").filter(|text| !text.trim().is_empty()).map(SearchText::new);
    let wanted = SearchQuery {
        text,
        category: category(&mut query),
        price: prices(&mut query, default),
        in_stock: query.flag("in_stock").unwrap_or_default(),
        sort: query.choice("sort", &SORTS).unwrap_or_default(),
        page: query.page(),
    };
    query.finish().map(|()| wanted)
}

fn prices(query: &mut Query, default: Currency) -> Option<PriceRange> {
    let currency = match query.get("currency").map(Currency::new) {
        None => default,
        Some(read) => query.keep("currency", read, MoneyError::code)?,
    };
    let mut price = |name| {
        let read = Money::parse(query.get(name)?, currency);
        query.keep(name, read, MoneyError::code)
    };
    let (min, max) = (price("min_price"), price("max_price"));
    query.keep("max_price", PriceRange::new(min, max), range_code).flatten()
}

fn range_code(error: &PriceRangeError) -> &'static str {
    match error {
        PriceRangeError::Currencies(..) => "unknown_currency",
        PriceRangeError::Empty(..) => "below_min_price",
    }
}
