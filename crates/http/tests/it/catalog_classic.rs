//! Documents in the cache, at the address that existing clients use.

use actix_web::http::Method;
use cartwright_http::HttpSettings;

use crate::kit::{Shop, request};

const ADDRESS: &str = "/cache/product/1";

#[actix_web::test]
async fn a_document_comes_back_as_it_was_put_there() {
    let shop = Shop::open();
    shop.get(ADDRESS).await.problem(404, "document_not_found");
    for document in [
        r#"{"name":"Laptop","price":1299.990, "nested":[{"a":null}]}"#,
        r#"["茶","\u0000","\ud83e\uded6"]"#,
        "12.50",
        "\"text\"",
        "null",
        "1e400",
    ] {
        let put = shop.json(Method::POST, ADDRESS, document).await;
        assert_eq!(put.status, 200, "{put:?}");
        assert_eq!((&put.json()["product_id"], &put.json()["cached"]), (&"1".into(), &true.into()));
        assert!(put.json()["expires_at"].as_str().unwrap().ends_with('Z'));
        let got = shop.get(ADDRESS).await;
        assert_eq!((got.header("x-cache"), got.body.as_str()), ("miss", document));
        let again = shop.get(ADDRESS).await;
        assert_eq!((again.header("x-cache"), again.body.as_str()), ("l1", document));
        assert_eq!(again.header("content-type"), "application/json");
    }
    // the catalogue knows nothing of it, and the other way round
    shop.get("/api/v1/products/1").await.problem(404, "product_not_found");
    shop.get("/cache/product/sku-1").await.problem(404, "document_not_found");
    // no Content-Type: old clients send none
    assert_eq!(shop.send(request(Method::POST, ADDRESS).set_payload("{}")).await.status, 200);
    assert_eq!(shop.get(ADDRESS).await.body, "{}");
}

#[actix_web::test]
async fn what_is_no_document_is_refused() {
    let shop = Shop::with(HttpSettings { body_limit: 10_000, ..HttpSettings::default() });
    for bad in ["", "{", "{}{}", "NaN", "\u{feff}1"] {
        shop.json(Method::POST, ADDRESS, bad).await.problem(400, "malformed_json");
    }
    let deep = |levels: usize| format!("{}\"[[\"{}", "[".repeat(levels), "]".repeat(levels));
    shop.json(Method::POST, ADDRESS, &deep(101)).await.points_to("", "too_deep");
    assert_eq!(shop.json(Method::POST, ADDRESS, &deep(100)).await.status, 200);
    shop.json(Method::POST, ADDRESS, &" ".repeat(10_001)).await.problem(413, "body_too_large");
    shop.json(Method::POST, "/cache/product/a%20b", "{}").await.points_to("/path/product_id", "invalid_id");
}
