//! The OpenAPI document: what the handlers say of themselves, and what all of them have in common.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::{carts, docs, events, health, problem::Problem, wire};

#[derive(OpenApi)]
#[openapi(
    info(title = "Cartwright", license(name = "MIT OR Apache-2.0"), description = DESCRIPTION),
    paths(
        carts::get_cart, carts::add, carts::set_quantity, carts::remove, carts::clear, carts::count, carts::merge,
        events::events,
        health::health, health::livez, health::readyz, health::redis_info, health::metrics,
        docs::document, docs::redoc, docs::swagger_redirect,
    ),
    components(schemas(wire::ProblemBody)),
    tags(
        (name = "carts", description = "One cart per user or guest"),
        (name = "classic", description = "The same operations at the addresses that existing clients use. Unknown fields are ignored here."),
        (name = "operations", description = "Health, metrics, the cache"),
        (name = "documentation", description = "This document"),
    )
)]
struct Document;

const DESCRIPTION: &str = "Shopping carts. Every read returns the newest version that was acknowledged before it, or \
    a later one.\n\nErrors are `application/problem+json` (RFC 9457) with a stable `code`. The `ETag` is the cart's \
    version. Every answer carries `X-Request-ID`.";

/// Classic addresses: method, address, and the operation that answers there.
const CLASSIC: [(&str, &str, &str); 11] = [
    ("get", "/cart/{user_id}", "get_cart"),
    ("post", "/cart/{user_id}/add", "add_item"),
    ("post", "/cart/{user_id}/remove/{product_id}", "remove_item"),
    ("put", "/cart/{user_id}/update/{product_id}", "set_quantity"),
    ("post", "/cart/{user_id}/clear", "clear_cart"),
    ("get", "/cart", "get_cart"),
    ("post", "/cart/add", "add_item"),
    ("delete", "/cart/remove/{product_id}", "remove_item"),
    ("put", "/cart/update/{product_id}", "set_quantity"),
    ("delete", "/cart/clear", "clear_cart"),
    ("get", "/cart/count", "count_cart"),
];

/// Other addresses of the same operations.
const ALSO: [(&str, &str, &str); 3] = [
    ("get", "/api/v1/health", "health"),
    ("get", "/api/v1/health/ready", "readyz"),
    ("get", "/api/v1/redis/info", "redis_info"),
];

/// The document, as JSON.
pub(crate) fn document(version: &str) -> Result<String, Problem> {
    let text = Document::openapi().to_json().map_err(|error| Problem::Docs(error.to_string()))?;
    let mut document: Value =
        serde_json::from_str(&text).map_err(|error| Problem::Docs(error.to_string()))?;
    complete(&mut document, version).ok_or_else(|| Problem::Docs(String::from("it has another shape")))?;
    Ok(document.to_string())
}

fn complete(document: &mut Value, version: &str) -> Option<()> {
    document.get_mut("info")?.as_object_mut()?.insert("version".into(), json!(version));
    let paths = document.get_mut("paths")?.as_object_mut()?;
    let aliases = CLASSIC.iter().map(|alias| (alias, true)).chain(ALSO.iter().map(|alias| (alias, false)));
    for ((method, path, operation), classic) in aliases {
        let copy = alias(find(paths, operation)?, path, operation, classic)?;
        let item = paths.entry(*path).or_insert_with(|| json!({}));
        item.as_object_mut()?.insert((*method).to_owned(), copy);
    }
    for (path, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut()?.iter_mut() {
            finish(operation.as_object_mut()?, path, method)?;
        }
    }
    let components = document.get_mut("components")?.as_object_mut()?;
    components.insert("parameters".into(), parameters());
    components.insert("headers".into(), headers());
    components.insert("responses".into(), responses());
    Some(())
}

fn find<'a>(paths: &'a Map<String, Value>, operation: &str) -> Option<&'a Value> {
    let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    operations.into_iter().find(|value| value.get("operationId").is_some_and(|id| id == operation))
}

fn alias(operation: &Value, path: &str, id: &str, classic: bool) -> Option<Value> {
    let mut copy = operation.clone();
    let object = copy.as_object_mut()?;
    let name: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    object.insert("operationId".into(), json!(format!("{id}_at{name}")));
    if classic {
        object.insert("tags".into(), json!(["classic"]));
    }
    Some(copy)
}

/// Adds what an operation does not say itself: parameters by its address and method, the statuses they bring.
fn finish(operation: &mut Map<String, Value>, path: &str, method: &str) -> Option<()> {
    let cart = path.contains("/cart");
    let changes = method != "get";
    let body = operation.contains_key("requestBody");
    let quantity_in_query = path.starts_with("/cart") && method == "put";
    let mut names = vec!["RequestId"];
    let mut problems = Vec::new();
    if cart {
        names.push(if path.contains("{user_id}") { "UserId" } else { "UserHeader" });
        problems.extend(["422", "500", "503"]);
        if !path.contains("{user_id}") {
            problems.push("400");
        }
    }
    if path.contains("{product_id}") {
        names.push("ProductId");
        problems.push("404");
    }
    if cart && changes {
        names.push("IfMatch");
        problems.extend(["400", "409", "412"]);
    } else if cart && !path.ends_with("/events") {
        names.push("IfNoneMatch");
        problems.push("304");
    }
    if method == "post" {
        names.push("IdempotencyKey");
    }
    if body {
        problems.extend(["413", "415"]);
    }
    if quantity_in_query {
        names.push("Quantity");
        operation.get_mut("requestBody")?.as_object_mut()?.insert("required".into(), json!(false));
    }
    let list = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()?;
    list.retain(|parameter| parameter.get("in").is_none_or(|place| place != "path"));
    list.extend(names.into_iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})));
    let answers = operation.get_mut("responses")?.as_object_mut()?;
    for status in problems {
        answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/S{status}")}));
    }
    for answer in answers.values_mut().filter_map(Value::as_object_mut) {
        if answer.contains_key("$ref") {
            continue;
        }
        let mut told = vec!["X-Request-ID"];
        if cart && !path.ends_with("/events") {
            told.push("ETag");
            told.push(if changes { "Idempotent-Replayed" } else { "X-Cache" });
        }
        answer.insert("headers".into(), refer(&told));
    }
    Some(())
}

fn refer(headers: &[&str]) -> Value {
    let one = |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    Value::Object(headers.iter().map(one).collect())
}

fn parameters() -> Value {
    let id = json!({"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._:@-]+$"});
    let text = json!({"type": "string"});
    let parameter = |name: &str, place: &str, required: bool, schema: &Value, example: Value, says: &str| {
        json!({"name": name, "in": place, "required": required, "schema": schema, "example": example,
            "description": says})
    };
    json!({
        "UserId": parameter("user_id", "path", true, &id, json!("user-1"), "Whose cart"),
        "UserHeader": parameter("X-User-ID", "header", true, &id, json!("user-1"), "Whose cart"),
        "ProductId": parameter("product_id", "path", true, &id, json!("1"), "Which product"),
        "Quantity": parameter("quantity", "query", false,
            &json!({"type": "integer", "minimum": 0, "maximum": 1000}), json!(2),
            "The quantity, when the body does not say it"),
        "RequestId": parameter("X-Request-ID", "header", false,
            &json!({"type": "string", "minLength": 1, "maxLength": 128}), json!("checkout-17"),
            "Comes back in the answer and stands in the log; made up when absent"),
        "IfMatch": parameter("If-Match", "header", false, &text, json!("\"3\""),
            "Only if the cart is at one of these versions; else 412 with the cart as it is"),
        "IfNoneMatch": parameter("If-None-Match", "header", false, &text, json!("\"3\""),
            "304 when the cart is at one of these versions"),
        "IdempotencyKey": parameter("Idempotency-Key", "header", false,
            &json!({"type": "string", "minLength": 1, "maxLength": 255}), json!("4f1c9a52"),
            "The request takes effect once in 24 hours, however often it is sent; again gets the first answer"),
    })
}

fn headers() -> Value {
    let header = |says: &str, example: &str| json!({"description": says, "schema": {"type": "string"}, "example": example});
    json!({
        "X-Request-ID": header("Names the request in the log", "8a6f3c0d52e149b7"),
        "ETag": header("The version of the cart", "\"3\""),
        "X-Cache": header("Who answered: memory, replica, primary or database", "replica"),
        "Idempotent-Replayed": header("true: this is the answer that was given before", "true"),
        "Retry-After": header("Seconds after which to try again", "1"),
        "Allow": header("What the address answers", "GET, HEAD"),
    })
}

fn responses() -> Value {
    let problem = |says: &str, headers: &[&str]| {
        json!({"description": says, "headers": refer(headers),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
    };
    json!({
        "S304": {"description": "The caller has this version", "headers": refer(&["X-Request-ID", "ETag", "X-Cache"])},
        "S400": problem("Malformed: JSON, a header, or no X-User-ID", &["X-Request-ID"]),
        "S404": problem("The cart has no such line", &["X-Request-ID"]),
        "S409": problem("In conflict: not for sale, another currency, or the key's request is under way",
            &["X-Request-ID", "Retry-After"]),
        "S412": problem("The cart is at another version; it is in `cart`", &["X-Request-ID", "ETag"]),
        "S413": problem("The body is too large", &["X-Request-ID"]),
        "S415": problem("The body is not called JSON", &["X-Request-ID"]),
        "S422": problem("Invalid; `errors` says where", &["X-Request-ID"]),
        "S500": problem("A bug", &["X-Request-ID"]),
        "S503": problem("Not now; try again", &["X-Request-ID", "Retry-After"]),
    })
}
