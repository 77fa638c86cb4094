//! The OpenAPI document: what the handlers say of themselves, and what all of them have in common.

mod also;
mod bodies;
mod links;
mod parts;
pub(crate) mod values;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::{
    access::{Group, Rule, Who, rule},
    carts,
    catalog::{cached, classic, import, lists, products, rankings, search, stats},
    docs, events, feed, guests, health, holds,
    jobs::{list as job_list, one, overview as jobs_overview, page as jobs_page, queues},
    orders::{buy, look},
    people::{person, profiles, sessions},
    problem::Problem,
    webhooks::{deliveries, targets},
    wire,
};
use also::{Also, also};
use parts::{headers, parameters, refer, responses, security, security_schemes};

#[derive(OpenApi)]
#[openapi(
    info(title = "Cartwright", license(name = "MIT OR Apache-2.0"), description = DESCRIPTION),
    paths(
        carts::get_cart, carts::add, carts::set_quantity, carts::remove, carts::clear, carts::count, carts::merge,
        events::events,
        lists::list, products::create, products::get_product, products::replace, products::change,
        products::delete, cached::cached, cached::inventory, rankings::related, import::import,
        lists::categories, lists::of_category, search::search, rankings::recommendations, rankings::top,
        classic::put, classic::get, stats::cache_stats,
        jobs_overview::overview, jobs_overview::failures,
        job_list::list, job_list::purge, job_list::retry, one::get, one::retry, one::cancel,
        queues::all, queues::pause, queues::resume, queues::limit, queues::unlimit, queues::workers,
        jobs_page::page,
        buy::create, buy::checkout, buy::cancel, buy::step, look::get, look::status, look::list, look::of_user,
        holds::create, holds::get, holds::renew, holds::release,
        feed::all, feed::of_user, guests::create,
        sessions::create, sessions::get, sessions::replace, sessions::delete, sessions::log_in, sessions::list,
        sessions::end_all, sessions::end, profiles::get, profiles::put, person::erase, person::export,
        targets::add, targets::list, targets::get, targets::change, targets::remove, targets::rotate,
        deliveries::test, deliveries::replay, deliveries::list,
        health::health, health::livez, health::readyz, health::redis_info, health::metrics,
        docs::document, docs::redoc, docs::swagger_redirect,
    ),
    components(schemas(wire::ProblemBody, feed::wire::Event)),
    tags(
        (name = "carts", description = "One cart per user or guest"),
        (name = "products", description = "The catalogue: products, lists, searches, and what is bought"),
        (name = "orders", description = "What was bought: exactly what there was, and once"),
        (name = "holds", description = "Units that are kept for somebody for a while, at the prices of the moment"),
        (name = "guests", description = "Shoppers who have not said who they are"),
        (name = "sessions", description = "What a shop remembers of somebody from one request to the next"),
        (name = "users", description = "What is kept of somebody: his profile, and all of it, erased or handed out"),
        (name = "classic", description = "The same operations at the addresses that existing clients use. Unknown fields are ignored here."),
        (name = "jobs", description = "Background jobs: what waits, runs and has failed"),
        (name = "events", description = "What happened: as a list, and as it happens"),
        (name = "webhooks", description = "Who is told of events by HTTP, signed as in Standard Webhooks"),
        (name = "operations", description = "Health, metrics, the cache"),
        (name = "documentation", description = "This document"),
    )
)]
struct Document;

const DESCRIPTION: &str = "Shopping carts, a catalogue and orders. Every read of a cart returns the newest version that was \
    acknowledged before it, or a later one. Products, lists and searches are read by way of caches, which are told of \
    every change within a fraction of a second; edge caches can be purged by `Surrogate-Key`.\n\nErrors are \
    `application/problem+json` (RFC 9457) with a stable `code`. The `ETag` is the version of a cart or a product. Every \
    answer carries `X-Request-ID`.";

/// Classic addresses: method, address, and the operation that answers there.
const CLASSIC: [(&str, &str, &str); 15] = [
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
    ("get", "/stats/top-products", "top_products"),
    ("post", "/session/create", "create_session"),
    ("get", "/session/{session_id}", "get_session"),
    ("delete", "/session/{session_id}", "delete_session"),
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
    links::add(paths)?;
    for (path, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut()?.iter_mut() {
            finish(operation.as_object_mut()?, path, method)?;
        }
    }
    let components = document.get_mut("components")?.as_object_mut()?;
    components.insert("parameters".into(), parameters());
    components.insert("headers".into(), headers());
    components.insert("responses".into(), responses());
    components.insert("securitySchemes".into(), security_schemes());
    bodies::complete(document)
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

/// How those are refused who may not call this, or not now, or not so.
fn refusals(rule: &Rule, method: &str) -> Vec<&'static str> {
    let mut statuses = match rule.who {
        Who::Anyone => Vec::new(),
        Who::Known => vec!["401"],
        // What a page of another site sends with a guest's cookie.
        Who::Caller if method == "get" => vec!["401"],
        Who::Caller | Who::Named | Who::Staff | Who::Operators => vec!["401", "403"],
    };
    // What the door says to any of them.
    statuses.extend(["400", "414", "431"]);
    if rule.group != Group::Free {
        statuses.extend(["429", "503"]);
    }
    statuses
}

/// Whether it is a parameter of the query that is `true` or `false`.
fn is_flag(parameter: &Value) -> bool {
    let kind = parameter.get("schema").and_then(|schema| schema.get("type"));
    let boolean = kind.is_some_and(|kind| {
        kind == "boolean" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "boolean"))
    });
    boolean && parameter.get("in").is_some_and(|place| place == "query")
}

/// Adds what an operation does not say itself.
fn finish(operation: &mut Map<String, Value>, path: &str, method: &str) -> Option<()> {
    let Also { parameters, statuses, headers } = also(path, method, operation.contains_key("requestBody"));
    let list = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()?;
    list.retain(|parameter| parameter.get("in").is_none_or(|place| place != "path"));
    for flag in list.iter_mut().filter(|parameter| is_flag(parameter)) {
        // Its name alone says `true`.
        flag.as_object_mut()?.insert("allowEmptyValue".into(), json!(true));
    }
    list.extend(
        parameters.into_iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})),
    );
    let rule = rule(&method.to_ascii_uppercase(), path)?;
    operation.insert("security".into(), security(rule.who));
    let answers = operation.get_mut("responses")?.as_object_mut()?;
    for status in statuses.into_iter().chain(refusals(&rule, method)) {
        answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/S{status}")}));
    }
    for answer in answers.values_mut().filter_map(Value::as_object_mut) {
        if !answer.contains_key("$ref") {
            answer.insert("headers".into(), refer(&headers));
        }
    }
    Some(())
}
