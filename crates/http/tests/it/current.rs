//! Carts show what the catalogue says now.

use actix_web::http::Method;

use crate::kit::{Shop, request};

const CART: &str = "/api/v1/carts/ana";

#[actix_web::test]
async fn a_cart_shows_what_has_changed_and_is_another_answer_then() {
    let shop = Shop::open();
    let patch = async |body: &str| {
        let patched = shop.json(Method::PATCH, "/api/v1/products/sku-1", body).await;
        assert_eq!(patched.status, 200, "{patched:?}");
    };
    let line = r#"{"product_id":"sku-1","quantity":3}"#;
    assert_eq!(shop.json(Method::POST, &format!("{CART}/items"), line).await.status, 200);
    // Each twice: the second time it is remembered that the cart was looked through.
    let read = async || {
        let (first, again) = (shop.get(CART).await, shop.get(CART).await);
        assert_eq!((&first.body, first.header("etag")), (&again.body, again.header("etag")));
        again
    };
    let plain = read().await;
    assert_eq!(plain.json().get("warnings"), None);
    assert_eq!(plain.header("etag"), "\"1\"");

    patch(r#"{"price": 21}"#).await;
    let dearer = read().await;
    let cart = dearer.json();
    assert_eq!(
        (&cart["items"][0]["price"], &cart["items"][0]["current_price"]),
        (&19.99.into(), &21.0.into())
    );
    assert_eq!((&cart["warnings"][0]["code"], &cart["version"]), (&"price_changed".into(), &1.into()));
    assert_ne!(dearer.header("etag"), plain.header("etag"));
    let known = |etag: &str| request(Method::GET, CART).insert_header(("if-none-match", etag.to_owned()));
    assert_eq!(shop.send(known(dearer.header("etag"))).await.status, 304);
    assert_eq!(shop.send(known(plain.header("etag"))).await.status, 200);

    patch(r#"{"price": 22, "stock": 2}"#).await;
    let scarce = read().await.json();
    assert_eq!(scarce["items"][0]["current_price"], 22.0);
    let codes: Vec<_> = scarce["warnings"].as_array().unwrap().iter().map(|w| w["code"].clone()).collect();
    assert!(
        codes.contains(&"price_changed".into()) && codes.contains(&"insufficient_stock".into()),
        "{codes:?}"
    );

    // Another version of the cart is another answer, too.
    let set = shop.json(Method::PUT, &format!("{CART}/items/sku-1"), r#"{"quantity":2}"#).await.json();
    assert_eq!(set["warnings"].as_array().unwrap().len(), 1, "{set}");
    patch(r#"{"price": 19.99}"#).await;
    assert_eq!(read().await.json().get("warnings"), None);
    shop.delete("/api/v1/products/sku-1").await;
    assert_eq!(read().await.status, 200);
}
