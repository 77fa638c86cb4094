//! The canonical addresses.

use actix_web::http::Method;

use crate::kit::{Shop, request};

#[actix_web::test]
async fn a_cart_from_its_first_line_to_its_last() {
    let shop = Shop::open();
    let empty = shop.get("/api/v1/carts/ana").await;
    assert_eq!((empty.status.as_u16(), empty.header("etag")), (200, "\"0\""));
    assert_eq!(empty.json()["items"].as_array().unwrap().len(), 0);

    let added = shop.add("ana", "sku-1", 2).await;
    assert_eq!(added.header("etag"), "\"1\"");
    assert_eq!(added.json()["items"][0]["name"], "Product sku-1");
    assert!(added.body.contains(r#""total_price":39.98"#), "{added:?}");

    let again = shop.add("ana", "sku-1", 3).await;
    assert_eq!(
        (again.json()["item_count"].as_u64(), again.json()["total_quantity"].as_u64()),
        (Some(1), Some(5))
    );

    let set = shop.json(Method::PUT, "/api/v1/carts/ana/items/sku-1", r#"{"quantity":1}"#).await;
    assert_eq!(set.json()["items"][0]["quantity"], 1);

    let count = shop.get("/api/v1/carts/ana/count").await;
    assert_eq!(count.body, r#"{"count":1,"total_quantity":1}"#);

    let zero = shop.json(Method::PUT, "/api/v1/carts/ana/items/sku-1", r#"{"quantity":0}"#).await;
    assert_eq!(zero.json()["item_count"], 0);

    shop.add("ana", "sku-1", 1).await;
    shop.add("ana", "sku-2", 1).await;
    let removed = shop.send(request(Method::DELETE, "/api/v1/carts/ana/items/sku-1")).await;
    assert_eq!(removed.json()["items"][0]["product_id"], "sku-2");

    let cleared = shop.send(request(Method::DELETE, "/api/v1/carts/ana")).await;
    assert_eq!((cleared.status.as_u16(), cleared.json()["item_count"].as_u64()), (200, Some(0)));
    let read = shop.get("/api/v1/carts/ana").await;
    assert_eq!(read.body, cleared.body);
    assert_eq!(shop.get("/api/v1/carts/bob").await.json()["version"], 0);
}

#[actix_web::test]
async fn head_has_the_headers_of_get() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    let head = shop.send(request(Method::HEAD, "/api/v1/carts/ana")).await;
    assert_eq!((head.status.as_u16(), head.header("etag")), (200, "\"1\""));
}

#[actix_web::test]
async fn a_merge_can_be_tried_and_done() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 2).await;
    shop.add("guest", "sku-1", 1).await;
    shop.add("guest", "sku-2", 4).await;
    let body = r#"{"from_user_id":"guest"}"#;

    let tried = shop.json(Method::POST, "/api/v1/carts/ana/merge?dry_run=true", body).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    assert_eq!(tried.json()["dry_run"], true);
    assert_eq!(tried.json()["merged"][0]["result"], 3);
    assert_eq!(shop.get("/api/v1/carts/guest").await.json()["item_count"], 2, "nothing has moved");

    // A trial is held to the same as what it tries.
    let dry = async |tag: &'static str| {
        let merge = request(Method::POST, "/api/v1/carts/ana/merge?dry_run=true");
        let headers =
            merge.insert_header(("if-match", tag)).insert_header(("content-type", "application/json"));
        shop.send(headers.set_payload(body)).await
    };
    assert_eq!(dry("\"1\"").await.status, 200);
    assert_eq!(dry("\"7\"").await.problem(412, "version_mismatch")["cart"]["version"], 1);
    dry("7").await.problem(400, "malformed_if_match");
    let merge =
        request(Method::POST, "/api/v1/carts/ana/merge?dry_run=true").insert_header(("idempotency-key", "é"));
    let merge = merge.insert_header(("content-type", "application/json")).set_payload(body);
    shop.send(merge).await.problem(400, "malformed_idempotency_key");

    let done = shop.json(Method::POST, "/api/v1/carts/ana/merge", body).await;
    assert_eq!(done.json()["dry_run"], false);
    assert_eq!(done.json()["merged"], tried.json()["merged"]);
    assert_eq!(done.json()["cart"]["total_quantity"], 7);
    assert_eq!(shop.get("/api/v1/carts/guest").await.json()["item_count"], 0);

    let again = shop.json(Method::POST, "/api/v1/carts/ana/merge", body).await;
    assert_eq!(again.json()["merged"].as_array().unwrap().len(), 0);
    assert_eq!(again.json()["cart"]["total_quantity"], 7);

    let itself = shop.json(Method::POST, "/api/v1/carts/ana/merge", r#"{"from_user_id":"ana"}"#).await;
    itself.problem(422, "merge_into_itself");
    let maybe = shop.json(Method::POST, "/api/v1/carts/ana/merge?dry_run=maybe", body).await;
    maybe.points_to("/query/dry_run", "not_a_boolean");
}

#[actix_web::test]
async fn rules_of_carts_are_refused_with_their_own_codes() {
    let shop = Shop::open();
    let items = "/api/v1/carts/ana/items";
    shop.add("ana", "sku-1", 1000).await;
    let post = async |body: &str| shop.json(Method::POST, items, body).await;
    let more = post(r#"{"product_id":"sku-1","quantity":1}"#).await.problem(422, "too_many_units");
    assert_eq!(more["errors"][0]["pointer"], "/quantity");
    let unknown = post(r#"{"product_id":"nothing"}"#).await.problem(422, "unknown_product");
    assert_eq!(unknown["errors"][0]["pointer"], "/product_id");
    post(r#"{"product_id":"retired"}"#).await.problem(409, "not_for_sale");
    post(r#"{"product_id":"sku-jpy"}"#).await.problem(409, "currency_mismatch");
    let absent = "/api/v1/carts/ana/items/sku-2";
    shop.json(Method::PUT, absent, r#"{"quantity":2}"#).await.problem(404, "line_not_found");
    shop.send(request(Method::DELETE, absent)).await.problem(404, "line_not_found");
}

/// What an address is answered, without what differs from request to request.
async fn answered(shop: &Shop, uri: &str, etag: Option<&str>) -> (u16, String, Vec<(String, String)>) {
    let mut request = request(Method::GET, uri).insert_header(("x-request-id", "r1"));
    if let Some(etag) = etag {
        request = request.insert_header(("if-none-match", etag));
    }
    let answer = shop.send(request).await;
    let mut headers: Vec<_> = (answer.headers.iter())
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), answer.body, headers)
}

/// An escaped letter is enough for an address not to be taken for one of the hottest.
#[actix_web::test]
async fn the_hottest_reads_are_answered_like_all_others() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 2).await;
    let long = "a".repeat(300);
    for (hot, escaped) in [
        ("/api/v1/carts/ana".to_owned(), "/api/v1/carts/%61na".to_owned()),
        ("/api/v1/carts/ana?a=b".to_owned(), "/api/v1/carts/%61na?a=b".to_owned()),
        ("/api/v1/carts/nobody".to_owned(), "/api/v1/carts/%6eobody".to_owned()),
        ("/api/v1/carts/cached".to_owned(), "/api/v1/carts/%63ached".to_owned()),
        (format!("/api/v1/carts/a{long}"), format!("/api/v1/carts/%61{long}")),
        ("/api/v1/products/sku-1/cached".to_owned(), "/api/v1/products/%73ku-1/cached".to_owned()),
        ("/api/v1/products/none/cached".to_owned(), "/api/v1/products/%6eone/cached".to_owned()),
        ("/api/v1/products/cached/cached".to_owned(), "/api/v1/products/%63ached/cached".to_owned()),
        (format!("/api/v1/products/a{long}/cached"), format!("/api/v1/products/%61{long}/cached")),
    ] {
        for etag in [None, Some("\"1\""), Some("*")] {
            answered(&shop, &hot, etag).await; // from now on it is cached
            assert_eq!(
                answered(&shop, &hot, etag).await,
                answered(&shop, &escaped, etag).await,
                "{hot} {etag:?}"
            );
        }
    }
    for other in ["/api/v1/carts/", "/api/v1/products//cached", "/api/v1/carts/a/b", "/api/v1/cartsana"] {
        assert_eq!(shop.get(other).await.status, 404, "{other}");
    }
}
