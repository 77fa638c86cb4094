//! Products from files.

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    web::{Data, Payload},
};
use cartwright_catalog::import::Format;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::wire;
use crate::{
    AppState,
    answer::{Answer, plain},
    headers::query_flag,
    problem::Problem,
    wire::json,
};

/// Import products
///
/// A table whose first row names its columns, or one JSON object a line; of any size, row by row at most 64 KiB. `id`,
/// `name` and `price` are in every row. What else a row leaves out stays as it is in a product that is there, and is as in
/// a new product otherwise; only a price is always in the currency that its row names, or else in the server's default.
/// A column that is not there and a cell without text leave out; in an object, `null` takes the product out of its
/// category and empties description and attributes. Rows with the same id count one after the other.
///
/// Rows with something wrong are left out and named, the others are written, a thousand at a time. When the answer does
/// not come, import all again: what is there already stays as it is. That is why an `Idempotency-Key` is not looked at
/// here: a file of any size is not one transaction, and what a key is for, the rows are by themselves.
#[utoipa::path(post, path = "/api/v1/products/import", tag = "products", operation_id = "import_products",
    params(("dry_run" = Option<bool>, Query, description = "Only say what would be done: each thousand rows are compared with what is there now", example = false)),
    request_body(content(
        (String = "text/csv", example = "id,name,description,price,currency,stock,category,attributes,active\n1,Laptop,,1299.99,USD,25,Computers,\"{\"\"colour\"\":\"\"grey\"\"}\",true\n"),
        (String = "application/x-ndjson", example = "{\"id\":1,\"name\":\"Laptop\",\"price\":1299.99,\"currency\":\"USD\",\"stock\":25}\n"),
    )),
    responses((status = 200, description = "What became of the rows", body = wire::Imported)))]
pub(crate) async fn import(request: HttpRequest, state: Data<AppState>, mut payload: Payload) -> Answer {
    let (format, dry_run) = (format(&request)?, query_flag(&request, "dry_run")?);
    let mut import = state.catalog.begin_import(format, state.settings.default_currency, dry_run);
    let patience = state.settings.body_patience;
    while let Some(chunk) = timeout(patience, payload.next()).await.map_err(|_elapsed| Problem::TooSlow)? {
        import.push(&chunk.map_err(|error| Problem::BodyLost(error.into()))?).await?;
    }
    let report = import.finish().await?;
    Ok(plain(StatusCode::OK, json(&report)?))
}

fn format(request: &HttpRequest) -> Result<Format, Problem> {
    let packed = request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let format = match parts.next().as_deref() {
        Some("text/csv") => Format::Csv,
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => Format::Ndjson,
        _ => return Err(Problem::NotRows),
    };
    let foreign = |part: String| {
        part.strip_prefix("charset=")
            .is_some_and(|set| !matches!(set.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
    };
    if packed || parts.any(foreign) { Err(Problem::NotRows) } else { Ok(format) }
}
