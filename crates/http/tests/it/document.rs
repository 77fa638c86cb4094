//! What the OpenAPI document says, and that it is so. Most of it is asked by schemathesis, of the binary.

use std::collections::BTreeMap;

use actix_web::http::Method;
use serde_json::Value;

use crate::kit::{Shop, request};

fn document() -> Value {
    serde_json::from_str(&cartwright_http::openapi()).unwrap()
}

/// Operations by their names, with their addresses.
fn operations(document: &Value) -> BTreeMap<String, (String, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    items
        .flat_map(|(path, item)| item.as_object().unwrap().values().map(move |one| (path.clone(), one)))
        .map(|(path, one)| (one["operationId"].as_str().unwrap().to_owned(), (path, one)))
        .collect()
}

/// Names of the parameters of an operation.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> Vec<&'a str> {
    let all = operation["parameters"].as_array().unwrap().iter();
    all.map(|one| match one["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap()["name"].as_str().unwrap(),
        None => one["name"].as_str().unwrap(),
    })
    .collect()
}

#[test]
fn links_lead_to_operations_with_parameters_that_they_have() {
    let document = document();
    let operations = operations(&document);
    let mut seen = 0;
    for (from, (_, operation)) in &operations {
        let answers = operation["responses"].as_object().unwrap().values();
        for link in answers.filter_map(|answer| answer["links"].as_object()).flat_map(|links| links.values())
        {
            let to = link["operationId"].as_str().unwrap();
            let (_, target) = operations.get(to).unwrap_or_else(|| panic!("{from} leads to {to}"));
            let known = parameters(&document, target);
            for name in link["parameters"].as_object().into_iter().flat_map(|all| all.keys()) {
                assert!(known.contains(&name.as_str()), "{from} to {to}: {name}");
            }
            assert!(link["requestBody"].is_null() || target["requestBody"].is_object(), "{from} to {to}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
    let made = &operations["create_product"].1["responses"]["201"]["links"];
    assert_eq!(made["get_product"]["parameters"]["product_id"], "$response.body#/id");
    assert_eq!(made["replace_product_if_match"]["parameters"]["If-Match"], "$response.header.ETag");
}

#[test]
fn bodies_have_nothing_but_what_is_named_except_at_classic_addresses() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mut seen = 0;
    for (id, (path, operation)) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let mut names: Vec<&str> = schema["$ref"].as_str().into_iter().collect();
        while let Some(name) = names.pop() {
            let schema = document.pointer(name.trim_start_matches('#')).unwrap();
            names.extend(
                schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["$ref"].as_str()),
            );
            if schema["properties"].is_object() {
                let closed = schema["additionalProperties"] == false;
                assert_eq!(closed, path.starts_with("/api/"), "{id}: {name}");
                assert!(schema["allOf"].is_null(), "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
    let members =
        |name: &str| schemas[name]["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members("HoldBought"), ["currency", "expected_total", "hold_id"]);
    assert_eq!(schemas["OneBought"]["required"], serde_json::json!(["product_id"]));
    assert!(schemas["Expected"].is_null(), "a part of others only");
    assert!(schemas["ClassicSetQuantity"]["required"].is_null(), "the query may say it");
    // What is put together of answers stays open.
    assert!(schemas["Cart"]["additionalProperties"].is_null());
}

#[test]
fn bodies_that_may_be_left_out_are_no_null() {
    let document = document();
    let operations = operations(&document);
    for id in ["create_session", "renew_hold", "cancel_order"] {
        let body = &operations[id].1["requestBody"];
        assert_eq!(body["required"], false, "{id}");
        assert!(body["content"]["application/json"]["schema"]["$ref"].is_string(), "{id}: {body}");
    }
    let classic = &operations["create_session_at_session_create"].1["requestBody"];
    assert_eq!(classic["content"]["application/json"]["schema"]["type"], "object");
    assert_eq!(classic["required"], false);
}

#[actix_web::test]
async fn the_name_of_a_flag_alone_is_true() {
    let document = document();
    let mut flags = Vec::new();
    for (id, (_, operation)) in operations(&document) {
        let all = operation["parameters"].as_array().unwrap().iter();
        let empty = all.filter(|one| one["allowEmptyValue"] == true);
        flags.extend(empty.map(|one| format!("{id} {}", one["name"].as_str().unwrap())));
    }
    for wanted in ["create_guest cookie", "merge_cart dry_run", "import_products dry_run", "search in_stock"]
    {
        assert!(flags.iter().any(|flag| flag == wanted), "{wanted}: {flags:?}");
    }
    let shop = Shop::open();
    let guest = shop.json(Method::POST, "/api/v1/guests?cookie", "").await;
    assert!(guest.header("set-cookie").contains("HttpOnly") && guest.json()["token"].is_null(), "{guest:?}");
}

/// JSON Schema's integers are numbers without a fraction, however they are written.
#[actix_web::test]
async fn whole_numbers_may_have_a_fraction_of_zero() {
    let shop = Shop::open();
    let items = "/api/v1/carts/ana/items";
    let added = shop.json(Method::POST, items, r#"{"product_id":"sku-1","quantity":2.0}"#).await;
    assert_eq!(added.json()["total_quantity"], 2, "{added:?}");
    let set = shop.json(Method::PUT, &format!("{items}/sku-1"), r#"{"quantity":0.00}"#).await;
    assert_eq!(set.json()["item_count"], 0);
    let made = r#"{"id":7.0,"name":"Lamp","price":1,"stock":3.0}"#;
    let made = shop.json(Method::POST, "/api/v1/products", made).await;
    assert_eq!((&made.json()["id"], &made.json()["stock"]), (&"7".into(), &3.into()), "{made:?}");
    for quantity in ["2.5", "2.", "1e0", "-1.0", "\"2.0\"", "1.0.0"] {
        let body = format!(r#"{{"product_id":"sku-1","quantity":{quantity}}}"#);
        assert!(
            [400, 422].contains(&shop.json(Method::POST, items, &body).await.status.as_u16()),
            "{quantity}"
        );
    }
}

#[actix_web::test]
async fn the_address_of_the_import_answers_what_products_do_too() {
    let shop = Shop::open();
    let options = shop.send(request(Method::OPTIONS, "/api/v1/products/import")).await;
    assert_eq!(options.header("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    options.problem(405, "method_not_allowed");
    shop.get("/api/v1/products/import").await.problem(404, "product_not_found");
    shop.json(Method::POST, "/api/v1/products", r#"{"id":"import","name":"Lamp","price":1}"#).await;
    assert_eq!(shop.get("/api/v1/products/import").await.json()["name"], "Lamp");
    assert_eq!(shop.delete("/api/v1/products/import").await.status, 200);
}

#[actix_web::test]
async fn a_number_that_is_none_is_refused_of_a_list_as_of_a_stream() {
    let shop = Shop::open();
    let list = request(Method::GET, "/api/v1/events").insert_header(("last-event-id", "x"));
    shop.send(list).await.points_to("/header/Last-Event-ID", "not_an_integer");
}
