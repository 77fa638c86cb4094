//! What goes over the wire, as the OpenAPI document describes it.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::openapi::values::{Amount, CategoryName, CurrencyCode, IdOrInteger, ProductName, Prose};

/// What can be bought.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Product {
    #[schema(example = "1")]
    id: String,
    #[schema(min_length = 1, max_length = 200, example = "Laptop")]
    name: String,
    #[schema(max_length = 10000, example = "14 inches, 32 GB")]
    description: String,
    /// A number with the exact decimal text.
    #[schema(example = 1299.99)]
    price: f64,
    /// ISO 4217 code.
    #[schema(example = "USD")]
    currency: String,
    /// How many there are.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 25)]
    stock: u32,
    /// `null`: in no category.
    #[schema(max_length = 100, example = "Computers")]
    category: Option<String>,
    /// What else there is to say.
    #[schema(value_type = Object, example = json!({"colour": "grey"}))]
    attributes: serde_json::Value,
    /// Whether it can be bought.
    #[schema(example = true)]
    active: bool,
    /// Grows by one with every change.
    #[schema(example = 3)]
    version: u64,
    #[schema(format = DateTime, example = "2026-01-31T12:00:00Z")]
    created_at: String,
    #[schema(format = DateTime, example = "2026-01-31T12:05:00Z")]
    updated_at: String,
}

/// A product that is to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that the catalogue reads")]
#[schema(example = json!({"name": "Laptop", "price": 1299.99, "currency": "USD", "stock": 25,
    "category": "Computers", "attributes": {"colour": "grey"}}))]
pub(crate) struct NewProduct {
    /// Left out: the next number.
    #[schema(value_type = Option<IdOrInteger>)]
    id: Option<String>,
    #[serde(flatten)]
    all: WholeProduct,
}

/// All that is to be said of a product that is there. What is left out is as in a new one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that the catalogue reads")]
#[schema(example = json!({"name": "Laptop", "price": 1299.99, "currency": "USD", "stock": 25,
    "category": "Computers", "attributes": {"colour": "grey"}}))]
pub(crate) struct WholeProduct {
    #[schema(value_type = ProductName)]
    name: String,
    /// May have more than one line.
    #[schema(value_type = Option<Prose>)]
    description: Option<String>,
    #[schema(value_type = Amount)]
    price: f64,
    /// The server's default when absent.
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Option<String>,
    #[schema(minimum = 0, maximum = 1_000_000_000, default = 0)]
    stock: Option<u32>,
    #[schema(value_type = Option<CategoryName>)]
    category: Option<String>,
    /// At most 16 KiB, 5 levels deep.
    #[schema(value_type = Option<Object>)]
    attributes: Option<serde_json::Value>,
    #[schema(default = true)]
    active: Option<bool>,
}

/// What is to be different about a product.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that the catalogue reads")]
#[schema(example = json!({"price": 1199.99, "category": null}))]
pub(crate) struct ProductPatch {
    #[schema(value_type = ProductName, required = false)]
    name: Option<String>,
    /// `null` empties it.
    #[schema(value_type = Option<Prose>)]
    description: Option<String>,
    #[schema(value_type = Amount, required = false)]
    price: Option<f64>,
    /// Of the price that comes with it.
    #[schema(value_type = CurrencyCode, required = false)]
    currency: Option<String>,
    #[schema(minimum = 0, maximum = 1_000_000_000, nullable = false)]
    stock: Option<u32>,
    /// `null` takes it out of its category.
    #[schema(value_type = Option<CategoryName>)]
    category: Option<String>,
    /// All of them; `null` empties them.
    #[schema(value_type = Option<Object>)]
    attributes: Option<serde_json::Value>,
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// What became of a product that was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedProduct {
    #[schema(example = "1")]
    pub(crate) product_id: String,
    /// `removed`, or `retired` when orders name it.
    #[schema(example = "removed")]
    pub(crate) outcome: &'static str,
}

/// How many there are of a product.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stocked {
    #[schema(example = "1")]
    pub(crate) product_id: String,
    #[schema(example = 25)]
    pub(crate) stock: u32,
}

/// A part of a list. With `cursor` or `limit` only items and the next cursor.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Products {
    items: Vec<Product>,
    #[schema(example = 1)]
    page: Option<u32>,
    #[schema(example = 20)]
    page_size: Option<u32>,
    /// How many there are on all pages.
    #[schema(example = 120)]
    total: Option<u64>,
    /// Where to go on. `null`: this is the end.
    #[schema(example = "i,42")]
    next_cursor: Option<String>,
}

/// All categories.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Categories {
    items: Vec<CategoryCount>,
}

/// A category and how many products it has.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct CategoryCount {
    /// `null`: no category.
    #[schema(example = "Computers")]
    category: Option<String>,
    #[schema(example = 12)]
    products: u64,
}

/// What a search found.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Found {
    items: Vec<Product>,
    #[schema(example = 1)]
    page: u32,
    #[schema(example = 20)]
    page_size: u32,
    /// How many were found.
    #[schema(example = 7)]
    total: u64,
    /// Whether there are more than `total`: then it and the facets are about the best of them.
    #[schema(example = false)]
    total_is_bounded: bool,
    /// Whether the words are only like those that were looked for.
    #[schema(example = false)]
    fuzzy: bool,
    facets: Facets,
}

/// What can be said of all that was found.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Facets {
    categories: Vec<CategoryCount>,
    prices: Vec<PriceCount>,
    /// How many are in stock.
    #[schema(example = 5)]
    in_stock: u64,
}

/// How many were found from one price to below another.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct PriceCount {
    #[schema(example = 100.00)]
    from: f64,
    /// `null`: there is no end.
    #[schema(example = 500.00)]
    below: Option<f64>,
    #[schema(example = "USD")]
    currency: String,
    #[schema(example = 3)]
    products: u64,
}

/// Products in an order that comes from purchases.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Ranked {
    items: Vec<Place>,
}

/// A product and what it is sorted by.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the document that the catalogue writes")]
pub(crate) struct Place {
    product: Product,
    /// Units that were sold, or orders in which it was bought together with the others.
    #[schema(example = 42)]
    count: u64,
}

/// What became of the rows: `rows = created + changed + unchanged + rejected`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the report that the catalogue writes")]
pub(crate) struct Imported {
    /// Whether nothing was written.
    #[schema(example = false)]
    dry_run: bool,
    #[schema(example = 1000)]
    rows: u64,
    #[schema(example = 900)]
    created: u64,
    #[schema(example = 50)]
    changed: u64,
    /// Rows that brought nothing new, or were followed by another about the same product.
    #[schema(example = 49)]
    unchanged: u64,
    /// Rows with something wrong.
    #[schema(example = 1)]
    rejected: u64,
    /// What is wrong with them, at most 1,000 entries.
    errors: Vec<RowError>,
}

/// One thing that is wrong with a row.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the report that the catalogue writes")]
pub(crate) struct RowError {
    /// On which line of the file the row begins.
    #[schema(example = 17)]
    line: u64,
    /// Which field; empty for the whole row.
    #[schema(example = "/price")]
    pointer: String,
    #[schema(example = "too_precise")]
    code: String,
    #[schema(example = "USD has 2 decimals, \"1.999\" has more")]
    detail: String,
}

/// What was put in the cache.
#[derive(Serialize, ToSchema)]
pub(crate) struct CachedDocument {
    #[schema(example = "1")]
    pub(crate) product_id: String,
    #[schema(example = true)]
    pub(crate) cached: bool,
    /// Until when it is kept.
    #[schema(format = DateTime, example = "2026-02-01T12:00:00Z")]
    pub(crate) expires_at: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct CategoryParam {
    /// Only of this category
    #[param(value_type = Option<CategoryName>, nullable = false, example = "Computers")]
    category: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct ListParams {
    /// Only those that can be bought, or only those that cannot
    #[param(example = true)]
    active: Option<bool>,
    /// `id`, `newest`, `price_asc`, `price_desc` or `name`
    #[param(pattern = "^(id|newest|price_asc|price_desc|name)$", example = "newest")]
    sort: Option<String>,
    /// Which page, from 1; up to item 100,000
    #[param(minimum = 1, maximum = 100_000, example = 1)]
    page: Option<u32>,
    /// How many on a page
    #[param(minimum = 1, maximum = 100, example = 20)]
    page_size: Option<u32>,
    /// `next_cursor` of the part before; not together with `page`
    #[param(
        pattern = "^((i|[npd]-?[0-9]{1,18}|a([0-9a-f]{2})*),[A-Za-z0-9._:@-]{1,100})?$",
        example = "i,42"
    )]
    cursor: Option<String>,
    /// How many after the cursor
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct SearchParams {
    /// Words that must all occur; without them, whatever passes the filters
    #[param(example = "lapt")]
    q: Option<String>,
    /// The lowest price
    #[param(pattern = r"^[0-9]{1,13}(\.[0-9]{1,4})?$", example = "100")]
    min_price: Option<String>,
    /// The highest price
    #[param(pattern = r"^[0-9]{1,13}(\.[0-9]{1,4})?$", example = "1500.00")]
    max_price: Option<String>,
    /// Of the prices; the server's default when absent
    #[param(pattern = "^[A-Z]{3}$", example = "USD")]
    currency: Option<String>,
    /// Only what is in stock
    #[param(example = true)]
    in_stock: Option<bool>,
    /// `relevance`, `price_asc`, `price_desc` or `newest`
    #[param(pattern = "^(relevance|price_asc|price_desc|newest)$", example = "relevance")]
    sort: Option<String>,
    /// Which page, from 1
    #[param(minimum = 1, maximum = 100_000, example = 1)]
    page: Option<u32>,
    /// How many on a page
    #[param(minimum = 1, maximum = 100, example = 20)]
    page_size: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct LimitParam {
    /// How many; 10 when absent
    #[param(minimum = 1, maximum = 100, example = 10)]
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct WindowParam {
    /// `day`, `week`, `month` or `all`; `week` when absent
    #[param(pattern = "^(day|week|month|all)$", example = "week")]
    window: Option<String>,
}
