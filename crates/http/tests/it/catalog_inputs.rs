//! Bad input to the catalogue, place by place.

use actix_web::http::Method;
use cartwright_http::HttpSettings;

use crate::kit::{Shop, request, with_json};

#[actix_web::test]
async fn fields_that_are_wrong_are_named() {
    let shop = Shop::open();
    let with = |field: &str| format!(r#"{{"name":"n","price":1,{field}}}"#);
    let long = "é".repeat(201);
    let deep = format!(r#""attributes":{}1{}"#, r#"{"a":"#.repeat(200), "}".repeat(200));
    for (body, pointer, code) in [
        ("{}".to_owned(), "/name", "missing"),
        (r#"{"name":"n"}"#.to_owned(), "/price", "missing"),
        (r#"{"name":null,"price":1}"#.to_owned(), "/name", "not_a_string"),
        (r#"{"name":7,"price":1}"#.to_owned(), "/name", "not_a_string"),
        (r#"{"name":"\ud800","price":1}"#.to_owned(), "/name", "not_a_string"),
        (r#"{"name":" \u200b","price":1}"#.to_owned(), "/name", "length"),
        (format!(r#"{{"name":"{long}","price":1}}"#), "/name", "length"),
        (r#"{"name":"a\u202eb","price":1}"#.to_owned(), "/name", "forbidden_character"),
        (r#"{"name":"a\u0000","price":1}"#.to_owned(), "/name", "forbidden_character"),
        (r#"{"name":"n","price":-1}"#.to_owned(), "/price", "negative"),
        (r#"{"name":"n","price":1.999}"#.to_owned(), "/price", "too_precise"),
        (r#"{"name":"n","price":true}"#.to_owned(), "/price", "not_a_number"),
        (r#"{"name":"n","price":null}"#.to_owned(), "/price", "not_a_number"),
        (r#"{"name":"n","price":"NaN"}"#.to_owned(), "/price", "not_a_number"),
        (r#"{"name":"n","price":1e400}"#.to_owned(), "/price", "too_large"),
        (with(r#""currency":"XXY""#), "/currency", "unknown_currency"),
        (with(r#""currency":5"#), "/currency", "not_a_string"),
        (with(r#""id":1.5"#), "/id", "not_an_id"),
        (with(r#""id":"a b""#), "/id", "invalid_id"),
        (with(r#""id":"""#), "/id", "invalid_id"),
        (with(r#""stock":-1"#), "/stock", "out_of_range"),
        (with(r#""stock":99999999999999999999"#), "/stock", "out_of_range"),
        (with(r#""stock":1.5"#), "/stock", "not_an_integer"),
        (with(r#""stock":"5""#), "/stock", "not_an_integer"),
        (with(r#""category":"""#), "/category", "length"),
        (with(r#""category":"a\nb""#), "/category", "forbidden_character"),
        (with(r#""description":"a\u0000""#), "/description", "forbidden_character"),
        (with(r#""attributes":[]"#), "/attributes", "not_an_object"),
        (with(r#""attributes":{"":1}"#), "/attributes", "length"),
        (with(&deep), "/attributes", "too_deep"),
        (with(r#""active":"yes""#), "/active", "not_a_boolean"),
        (with(r#""colour":"red""#), "/colour", "unknown_field"),
        (with(r#""a/b~c":1"#), "/a~1b~0c", "unknown_field"),
        (with(r#""version":3"#), "/version", "read_only"),
        ("[]".to_owned(), "", "not_an_object"),
    ] {
        shop.json(Method::POST, "/api/v1/products", &body).await.points_to(pointer, code);
        if pointer != "/id" {
            shop.json(Method::PUT, "/api/v1/products/sku-1", &body).await.points_to(pointer, code);
        }
    }
    for (body, pointer, code) in [
        (r#"{"stock":null}"#, "/stock", "null"),
        (r#"{"active":null}"#, "/active", "null"),
        (r#"{"name":null}"#, "/name", "not_a_string"),
        (r#"{"price":"x"}"#, "/price", "not_a_number"),
        (r#"{"price":-1}"#, "/price", "negative"),
        (r#"{"id":"other"}"#, "/id", "contradiction"),
        (r#"{"updated_at":"x"}"#, "/updated_at", "read_only"),
    ] {
        shop.json(Method::PATCH, "/api/v1/products/sku-1", body).await.points_to(pointer, code);
    }
    assert_eq!(shop.get("/api/v1/products/sku-1").await.json()["name"], "Product sku-1");
}

#[actix_web::test]
async fn all_that_is_wrong_is_said_at_once() {
    let shop = Shop::open();
    let body = r#"{"id":"a b","name":"","price":"x","currency":"XXY","stock":-1,"vat":0}"#;
    let problem = shop.json(Method::POST, "/api/v1/products", body).await.problem(422, "invalid_request");
    let mut places: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    // what the price is worth is not known without its currency
    assert_eq!(places, ["/currency", "/id", "/name", "/stock", "/vat"]);

    let junk: Vec<String> = (0..20_000).map(|n| format!("\"x{n}\":1")).collect();
    let junk = format!("{{{}}}", junk.join(","));
    let answer = shop.json(Method::POST, "/api/v1/products", &junk).await;
    assert!(answer.body.len() < junk.len(), "{} bytes", answer.body.len());
    assert_eq!(answer.json()["errors"][0]["code"], "unknown_field");
}

#[actix_web::test]
async fn queries_and_paths_are_checked() {
    let shop = Shop::open();
    let long = "x".repeat(101);
    for (uri, pointer, code) in [
        ("/api/v1/products?page=0", "/query/page", "out_of_range"),
        ("/api/v1/products?page=-1", "/query/page", "not_an_integer"),
        ("/api/v1/products?page=x", "/query/page", "not_an_integer"),
        ("/api/v1/products?page=99999999999", "/query/page", "too_far"),
        ("/api/v1/products?page_size=0", "/query/page_size", "out_of_range"),
        ("/api/v1/products?page_size=101", "/query/page_size", "out_of_range"),
        ("/api/v1/products?limit=101", "/query/limit", "out_of_range"),
        ("/api/v1/products?limit=5&page=1", "/query/limit", "contradiction"),
        ("/api/v1/products?cursor=i,1&page_size=5", "/query/cursor", "contradiction"),
        ("/api/v1/products?cursor=nonsense", "/query/cursor", "invalid_cursor"),
        ("/api/v1/products?cursor=i,1&sort=name", "/query/cursor", "other_sort"),
        ("/api/v1/products?sort=best", "/query/sort", "unknown"),
        ("/api/v1/products?active=perhaps", "/query/active", "not_a_boolean"),
        ("/api/v1/products?category=", "/query/category", "length"),
        ("/api/v1/products?category=%00", "/query/category", "forbidden_character"),
        ("/api/v1/categories/%FF/products", "/path/category", "not_utf8"),
        ("/api/v1/categories/%E2%80%AE/products", "/path/category", "forbidden_character"),
        ("/api/v1/categories/x/products?page=0", "/query/page", "out_of_range"),
        ("/api/v1/search?sort=id", "/query/sort", "unknown"),
        ("/api/v1/search?min_price=x", "/query/min_price", "not_a_number"),
        ("/api/v1/search?min_price=5&max_price=4", "/query/max_price", "below_min_price"),
        ("/api/v1/search?max_price=1.5&currency=JPY", "/query/max_price", "too_precise"),
        ("/api/v1/search?currency=usd", "/query/currency", "unknown_currency"),
        ("/api/v1/search?in_stock=2", "/query/in_stock", "not_a_boolean"),
        ("/api/v1/search?page=1001&page_size=100", "/query/page", "too_far"),
        ("/api/v1/stats/top-products?limit=0", "/query/limit", "out_of_range"),
        ("/stats/top-products?limit=101", "/query/limit", "out_of_range"),
        ("/stats/top-products?window=year", "/query/window", "unknown"),
        ("/api/v1/products/tea/related?limit=x", "/query/limit", "not_an_integer"),
        ("/api/v1/recommendations/a%20b", "/path/user_id", "invalid_id"),
        ("/api/v1/recommendations/ana?limit=1000", "/query/limit", "out_of_range"),
        ("/cache/product/a%20b", "/path/product_id", "invalid_id"),
    ] {
        shop.get(uri).await.points_to(pointer, code);
    }
    for bad in ["a%20b", "a%00b", "%E2%80%AE", "a%2Fb", long.as_str()] {
        for rest in ["", "/cached", "/inventory", "/related"] {
            let uri = format!("/api/v1/products/{bad}{rest}");
            shop.get(&uri).await.points_to("/path/product_id", "invalid_id");
        }
    }
    // with a hint what would be right
    let problem = shop.get("/stats/top-products?window=year").await.json();
    assert!(problem["detail"].as_str().unwrap().contains("day, week, month, all"), "{problem}");
}

#[actix_web::test]
async fn bodies_are_json_and_have_a_limit() {
    let shop = Shop::with(HttpSettings { body_limit: 100, ..HttpSettings::default() });
    let body = |length: usize| format!("{:<length$}", r#"{"name":"n","price":1}"#);
    assert_eq!(shop.json(Method::POST, "/api/v1/products", &body(100)).await.status, 201);
    shop.json(Method::POST, "/api/v1/products", &body(101)).await.problem(413, "body_too_large");
    for body in ["", "{", "{\"name\": NaN}", "\u{feff}{}"] {
        shop.json(Method::POST, "/api/v1/products", body).await.problem(400, "malformed_json");
        shop.json(Method::PATCH, "/api/v1/products/sku-1", body).await.problem(400, "malformed_json");
    }
    let text = request(Method::PUT, "/api/v1/products/sku-1").insert_header(("content-type", "text/plain"));
    shop.send(text.set_payload("{}")).await.problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn hostile_text_comes_back_as_it_went_in() {
    let shop = Shop::open();
    for (n, text) in [
        "Zażółć 茶 🫖",
        "مرحبا",
        "'; DROP TABLE products; --",
        "<script>alert(1)</script>",
        "50% a\\\"b",
        "e\u{301}\u{200d}",
    ]
    .into_iter()
    .enumerate()
    {
        let body = serde_json::json!({"id": n, "name": text, "price": 1, "category": text, "description": text,
            "attributes": {text: [text]}});
        shop.make(&body.to_string()).await;
        let shown = shop.get(&format!("/api/v1/products/{n}/cached")).await;
        let product = shown.json();
        for field in ["name", "category", "description"] {
            assert_eq!(product[field], text);
        }
        assert_eq!(product["attributes"][text][0], text);
        assert_eq!(shown.header("surrogate-key"), format!("product:{n}"));

        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let listed = shop.get(&format!("/api/v1/categories/{encoded}/products")).await.json();
        assert_eq!((&listed["total"], &listed["items"][0]["name"]), (&1.into(), &text.into()));
        let filtered = shop.get(&format!("/api/v1/products?category={encoded}")).await.json();
        assert_eq!(filtered["total"], 1);
        let found = shop.get(&format!("/api/v1/search?q={encoded}")).await;
        assert_eq!(found.status, 200, "{found:?}");
    }
    let odd = with_json(Method::POST, "/api/v1/products", r#"{"name":"n","price":1,"category":"a/b+c %41"}"#);
    assert_eq!(shop.send(odd).await.status, 201);
    shop.state.catalog.settle().await;
    let listed = shop.get("/api/v1/categories/a%2Fb+c%20%2541/products").await.json();
    assert_eq!(listed["total"], 1);
}
