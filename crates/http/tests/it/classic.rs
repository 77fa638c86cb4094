//! The addresses that existing clients use.

use actix_web::http::Method;

use crate::kit::{Shop, request, with_json};

const LAPTOP: &str =
    r#"{"product_id":1,"quantity":1,"product_data":{"name":"Laptop","price":1299.99},"coupon":"ignored"}"#;

#[actix_web::test]
async fn by_path() {
    let shop = Shop::open();
    let added = shop.json(Method::POST, "/cart/ana/add", LAPTOP).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert!(
        added.body.contains(r#""product_id":"1""#) && added.body.contains(r#""price":1299.99"#),
        "{added:?}"
    );
    assert_eq!(shop.get("/cart/ana").await.body, added.body);

    let by_query = shop.send(request(Method::PUT, "/cart/ana/update/1?quantity=4")).await;
    assert_eq!(by_query.json()["total_quantity"], 4);
    let by_body = shop.json(Method::PUT, "/cart/ana/update/1", r#"{"quantity":5,"note":"ignored"}"#).await;
    assert_eq!(by_body.json()["total_quantity"], 5);

    let removed = shop.send(request(Method::POST, "/cart/ana/remove/1")).await;
    assert_eq!(removed.json()["item_count"], 0);
    shop.json(Method::POST, "/cart/ana/add", LAPTOP).await;
    let cleared = shop.send(request(Method::POST, "/cart/ana/clear")).await;
    assert_eq!(cleared.json()["item_count"], 0);
}

#[actix_web::test]
async fn by_header() {
    let shop = Shop::open();
    let ana = |method, uri: &str| request(method, uri).insert_header(("X-User-ID", "ana"));
    // no Content-Type: old clients send none
    let added = shop.send(ana(Method::POST, "/cart/add").set_payload(LAPTOP)).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(shop.send(ana(Method::GET, "/cart")).await.body, added.body);
    assert_eq!(shop.get("/api/v1/carts/ana").await.body, added.body);

    let by_query = shop.send(ana(Method::PUT, "/cart/update/1?quantity=2")).await;
    assert_eq!(by_query.json()["total_quantity"], 2);
    let by_body = with_json(Method::PUT, "/cart/update/1", r#"{"quantity":3}"#);
    let by_body = shop.send(by_body.insert_header(("X-User-ID", "ana"))).await;
    assert_eq!(by_body.json()["total_quantity"], 3);
    let count = shop.send(ana(Method::GET, "/cart/count")).await;
    assert_eq!(count.body, r#"{"count":1,"total_quantity":3}"#);

    let removed = shop.send(ana(Method::DELETE, "/cart/remove/1")).await;
    assert_eq!(removed.json()["item_count"], 0);
    shop.send(ana(Method::POST, "/cart/add").set_payload(LAPTOP)).await;
    let cleared = shop.send(ana(Method::DELETE, "/cart/clear")).await;
    assert_eq!(cleared.json()["item_count"], 0);
}

#[actix_web::test]
async fn the_header_is_asked_for_by_name() {
    let shop = Shop::open();
    for (method, uri) in [
        (Method::GET, "/cart"),
        (Method::GET, "/cart/count"),
        (Method::POST, "/cart/add"),
        (Method::PUT, "/cart/update/1?quantity=1"),
        (Method::DELETE, "/cart/remove/1"),
        (Method::DELETE, "/cart/clear"),
    ] {
        let missing = shop.send(request(method.clone(), uri)).await.problem(400, "missing_user");
        assert_eq!(missing["errors"][0]["pointer"], "/header/X-User-ID");
        let invalid = shop.send(request(method, uri).insert_header(("X-User-ID", "a b"))).await;
        invalid.points_to("/header/X-User-ID", "invalid_id");
    }
}

#[actix_web::test]
async fn query_and_body_must_agree() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    let uri = "/cart/ana/update/sku-1?quantity=2";
    shop.json(Method::PUT, uri, r#"{"quantity":3}"#).await.points_to("/query/quantity", "contradiction");
    assert_eq!(shop.json(Method::PUT, uri, r#"{"quantity":2}"#).await.status, 200);
    for (bad, code) in [("x", "not_an_integer"), ("1001", "out_of_range"), ("-1", "out_of_range")] {
        let uri = format!("/cart/ana/update/sku-1?quantity={bad}");
        shop.send(request(Method::PUT, &uri)).await.points_to("/query/quantity", code);
    }
    shop.send(request(Method::PUT, "/cart/ana/update/sku-1")).await.points_to("/quantity", "missing");
}
