//! Lists of products, and categories.

use actix_web::{HttpRequest, web::Data};
use cartwright_catalog::surrogate::of_list;
use cartwright_domain::{Category, Cursor, CursorError, ListQuery, Paging, ProductSort};
use percent_encoding::percent_decode_str;

use super::{
    edge::{Keep, Served, document, keys},
    wire,
};
use crate::{
    AppState,
    answer::Answer,
    problem::Problem,
    query::{Part, Query},
};

const SORTS: [(&str, ProductSort); 5] = [
    ("id", ProductSort::Id),
    ("newest", ProductSort::Newest),
    ("price_asc", ProductSort::PriceUp),
    ("price_desc", ProductSort::PriceDown),
    ("name", ProductSort::Name),
];

/// Products
///
/// By numbered pages with a total (`page`, `page_size`), or from one to the next with a cursor (`cursor`, `limit`), which
/// costs the same however far it goes.
#[utoipa::path(get, path = "/api/v1/products", tag = "products", operation_id = "list_products",
    params(wire::CategoryParam, wire::ListParams),
    responses((status = 200, description = "Products", body = wire::Products)))]
pub(crate) async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    let mut query = Query::of(&request)?;
    let category = category(&mut query);
    let active = query.flag("active");
    let wanted = list_query(query, category, active)?;
    answer_list(&request, &state, wanted).await
}

/// Categories
///
/// Those with products that can be bought; `null` counts those without a category.
#[utoipa::path(get, path = "/api/v1/categories", tag = "products", operation_id = "list_categories",
    responses((status = 200, description = "Categories", body = wire::Categories)))]
pub(crate) async fn categories(request: HttpRequest, state: Data<AppState>) -> Answer {
    let found = Served::take(state.catalog.categories().await?);
    document(&request, found, &Keep::Told(&state.settings.edge), keys(&[of_list(None)]))
}

/// Products of a category
///
/// Those that can be bought, unless `active` says otherwise.
#[utoipa::path(get, path = "/api/v1/categories/{category}/products", tag = "products",
    operation_id = "list_category", params(wire::ListParams),
    responses((status = 200, description = "Products", body = wire::Products)))]
pub(crate) async fn of_category(request: HttpRequest, state: Data<AppState>) -> Answer {
    let category = category_of_path(&request)?;
    let mut query = Query::of(&request)?;
    let active = query.flag("active").or(Some(true));
    let wanted = list_query(query, Some(category), active)?;
    answer_list(&request, &state, wanted).await
}

async fn answer_list(request: &HttpRequest, state: &AppState, wanted: ListQuery) -> Answer {
    let keys = keys(&[of_list(wanted.category.as_ref())]);
    let found = Served::take(state.catalog.list(wanted).await?);
    document(request, found, &Keep::Told(&state.settings.edge), keys)
}

/// The category in the path, as it was sent: the router leaves some characters encoded.
fn category_of_path(request: &HttpRequest) -> Result<Category, Problem> {
    let segment = request.uri().path().rsplit('/').nth(1).unwrap_or_default();
    let text = percent_decode_str(segment).decode_utf8().map_err(|_bytes| {
        Problem::invalid("/path/category", "not_utf8", "a category is percent-encoded UTF-8")
    })?;
    Category::new(&text).map_err(|error| Problem::invalid("/path/category", error.code(), error))
}

pub(super) fn category(query: &mut Query) -> Option<Category> {
    let read = Category::new(query.get("category")?);
    query.keep("category", read, cartwright_domain::TextError::code)
}

fn list_query(
    mut query: Query,
    category: Option<Category>,
    active: Option<bool>,
) -> Result<ListQuery, Problem> {
    let sort = query.choice("sort", &SORTS);
    let paging = paging(&mut query);
    // A cursor says in which order it goes on.
    let of_cursor = match &paging {
        Paging::After(Some(cursor), _) => Some(cursor.sort()),
        Paging::After(None, _) | Paging::Page(_) => None,
    };
    let sort = sort.or(of_cursor).unwrap_or_default();
    let wanted = ListQuery { category, active, sort, paging };
    query.keep("cursor", wanted.check(), cursor_code);
    query.finish().map(|()| wanted)
}

fn paging(query: &mut Query) -> Paging {
    match query.part() {
        Part::Page(page) => Paging::Page(page),
        Part::After(cursor, size) => {
            let cursor = cursor.map(|text| text.parse::<Cursor>());
            Paging::After(cursor.and_then(|read| query.keep("cursor", read, cursor_code)), size)
        }
    }
}

fn cursor_code(error: &CursorError) -> &'static str {
    match error {
        CursorError::Invalid => "invalid_cursor",
        CursorError::OtherSort => "other_sort",
    }
}
