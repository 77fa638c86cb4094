//! Bad input, place by place.

use actix_web::http::Method;
use cartwright_http::HttpSettings;

use crate::kit::{Shop, request, with_json};

const ITEMS: &str = "/api/v1/carts/ana/items";

#[actix_web::test]
async fn fields_that_are_wrong_are_named() {
    let shop = Shop::open();
    let data = |data: &str| format!(r#"{{"product_id":"x","product_data":{data}}}"#);
    let long = "x".repeat(201);
    for (body, pointer, code) in [
        ("{}".to_owned(), "/product_id", "missing"),
        (r#"{"product_id":1.5}"#.to_owned(), "/product_id", "not_an_id"),
        (r#"{"product_id":null}"#.to_owned(), "/product_id", "not_an_id"),
        (r#"{"product_id":""}"#.to_owned(), "/product_id", "invalid_id"),
        (r#"{"product_id":"a\u0000b"}"#.to_owned(), "/product_id", "invalid_id"),
        (format!(r#"{{"product_id":"{long}"}}"#), "/product_id", "invalid_id"),
        (r#"{"product_id":"x","quantity":0}"#.to_owned(), "/quantity", "out_of_range"),
        (r#"{"product_id":"x","quantity":-1}"#.to_owned(), "/quantity", "out_of_range"),
        (r#"{"product_id":"x","quantity":1001}"#.to_owned(), "/quantity", "out_of_range"),
        (r#"{"product_id":"x","quantity":99999999999999999999}"#.to_owned(), "/quantity", "out_of_range"),
        (r#"{"product_id":"x","quantity":1.5}"#.to_owned(), "/quantity", "not_an_integer"),
        (r#"{"product_id":"x","quantity":"2"}"#.to_owned(), "/quantity", "not_an_integer"),
        (r#"{"product_id":"x","quantity":null}"#.to_owned(), "/quantity", "not_an_integer"),
        (r#"{"product_id":"x","colour":"red"}"#.to_owned(), "/colour", "unknown_field"),
        (r#"{"product_id":"x","a/b~c":1}"#.to_owned(), "/a~1b~0c", "unknown_field"),
        (data("[]"), "/product_data", "not_an_object"),
        (data(r#"{"price":1}"#), "/product_data/name", "missing"),
        (data(r#"{"name":5,"price":1}"#), "/product_data/name", "not_a_string"),
        (data(r#"{"name":"","price":1}"#), "/product_data/name", "length"),
        (data(&format!(r#"{{"name":"{long}","price":1}}"#)), "/product_data/name", "length"),
        (data(r#"{"name":"a\u0000","price":1}"#), "/product_data/name", "forbidden_character"),
        (data(r#"{"name":"a\u202eb","price":1}"#), "/product_data/name", "forbidden_character"),
        (data(r#"{"name":"a"}"#), "/product_data/price", "missing"),
        (data(r#"{"name":"a","price":-1}"#), "/product_data/price", "negative"),
        (data(r#"{"name":"a","price":1.999}"#), "/product_data/price", "too_precise"),
        (data(r#"{"name":"a","price":"NaN"}"#), "/product_data/price", "not_a_number"),
        (data(r#"{"name":"a","price":true}"#), "/product_data/price", "not_a_number"),
        (data(r#"{"name":"a","price":1e400}"#), "/product_data/price", "too_large"),
        (data(r#"{"name":"a","price":1,"currency":"XXY"}"#), "/product_data/currency", "unknown_currency"),
        (data(r#"{"name":"a","price":1,"vat":0}"#), "/product_data/vat", "unknown_field"),
        ("[]".to_owned(), "", "not_an_object"),
        ("7".to_owned(), "", "not_an_object"),
    ] {
        shop.json(Method::POST, ITEMS, &body).await.points_to(pointer, code);
    }
    assert_eq!(shop.get("/api/v1/carts/ana").await.json()["version"], 0);
}

#[actix_web::test]
async fn all_that_is_wrong_is_said_at_once() {
    let shop = Shop::open();
    let body = r#"{"quantity":0,"product_data":{"name":"","price":-1},"x":1}"#;
    let problem = shop.json(Method::POST, ITEMS, body).await.problem(422, "invalid_request");
    let mut places: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, ["/product_data/name", "/product_data/price", "/product_id", "/quantity", "/x"]);
}

#[actix_web::test]
async fn prices_are_exact() {
    let shop = Shop::open();
    for (id, price, shown) in [
        ("a", "1299.99", "1299.99"),
        ("b", "\"0.10\"", "0.10"),
        ("c", "1e2", "100.00"),
        ("d", "0.29", "0.29"),
    ] {
        let body = format!(r#"{{"product_id":"{id}","product_data":{{"name":"n","price":{price}}}}}"#);
        let answer = shop.json(Method::POST, &format!("/api/v1/carts/{id}/items"), &body).await;
        assert!(answer.body.contains(&format!(r#""total_price":{shown},"#)), "{answer:?}");
    }
    let yen = r#"{"product_id":"y","product_data":{"name":"n","price":1.5,"currency":"JPY"}}"#;
    shop.json(Method::POST, ITEMS, yen).await.points_to("/product_data/price", "too_precise");
}

#[actix_web::test]
async fn what_is_no_json_is_said_with_its_place() {
    let shop = Shop::open();
    for body in ["", "{", "{\"product_id\": NaN}", "{\"a\":1}x", "\u{feff}{}"] {
        for uri in [ITEMS, "/cart/ana/add"] {
            let problem = shop.json(Method::POST, uri, body).await.problem(400, "malformed_json");
            assert!(problem["detail"].as_str().unwrap().contains("line 1, column"), "{problem}");
        }
    }
    let not_utf8 = with_json(Method::POST, ITEMS, "").set_payload(&b"{\"product_id\":\"\xff\"}"[..]);
    shop.send(not_utf8).await.problem(400, "malformed_json");
    // deeper than any recursion would bear, and no stack overflows
    let deep = format!("{{\"product_id\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(shop.json(Method::POST, ITEMS, &deep).await.status.is_client_error());
}

#[actix_web::test]
async fn the_media_type_must_be_json() {
    let shop = Shop::open();
    let body = r#"{"product_id":"sku-1"}"#;
    let typed = |uri: &str, kind: &str| {
        request(Method::POST, uri).insert_header(("content-type", kind)).set_payload(body)
    };
    for uri in [ITEMS, "/cart/ana/add"] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            shop.send(typed(uri, kind)).await.problem(415, "unsupported_media_type");
        }
        for kind in ["application/json", "application/JSON; charset=utf-8", "application/vnd.shop+json"] {
            assert_eq!(shop.send(typed(uri, kind)).await.status, 200);
        }
    }
    let untyped = |uri: &str| request(Method::POST, uri).set_payload(body);
    shop.send(untyped(ITEMS)).await.problem(415, "unsupported_media_type");
    assert_eq!(shop.send(untyped("/cart/ana/add")).await.status, 200);
}

#[actix_web::test]
async fn bodies_have_a_limit() {
    let shop = Shop::with(HttpSettings { body_limit: 100, ..HttpSettings::default() });
    let body = |length: usize| format!("{:<length$}", r#"{"product_id":"sku-1"}"#);
    assert_eq!(shop.json(Method::POST, ITEMS, &body(100)).await.status, 200);
    shop.json(Method::POST, ITEMS, &body(101)).await.problem(413, "body_too_large");
}

#[actix_web::test]
async fn ids_in_paths_are_checked() {
    let shop = Shop::open();
    let long = "x".repeat(101);
    for bad in ["a%20b", "a%00b", "%E2%80%AE", "a%2Fb", long.as_str()] {
        shop.get(&format!("/api/v1/carts/{bad}")).await.points_to("/path/user_id", "invalid_id");
        shop.get(&format!("/cart/{bad}")).await.points_to("/path/user_id", "invalid_id");
        let line = format!("/api/v1/carts/ana/items/{bad}");
        shop.send(request(Method::DELETE, &line)).await.points_to("/path/product_id", "invalid_id");
    }
    assert_eq!(shop.get("/api/v1/carts/a%40b.example").await.json()["user_id"], "a@b.example");
}
