//! Requests that are too large, too slow or too many, and what browsers are told.

use std::time::Duration;

use actix_web::{
    dev::{Payload, Service},
    error::PayloadError,
    http::Method,
    test::{self, TestRequest},
};
use bytes::Bytes;
use cartwright_http::{HttpSettings, Load, MostUnderWay};
use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::kit::{Answer, Shop, request, with_json};

/// The beginning of a body whose rest does not come.
fn unfinished(request: TestRequest, begin: &'static str) -> actix_http::Request {
    let begin = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(begin.as_bytes()))]);
    let rest: std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
        Box::pin(begin.chain(stream::pending()));
    request.to_request().replace_payload(Payload::Stream { payload: rest }).0
}

#[actix_web::test]
async fn addresses_and_headers_have_a_size() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    for path in ["/api/v1/carts/ana", "/api/v1/products/sku-1/cached", "/api/v1/search", "/cart/ana"] {
        let long = format!("{path}?q={}", "x".repeat(8 * 1024));
        shop.get(&long).await.problem(414, "address_too_long");
        assert_eq!(shop.get(&long[..8 * 1024]).await.status, 200, "{path}");
        let heavy = |bytes| request(Method::GET, path).insert_header(("x-anything", "x".repeat(bytes)));
        shop.send(heavy(16 * 1024)).await.problem(431, "headers_too_large");
        assert_eq!(shop.send(heavy(15 * 1024)).await.status, 200, "{path}");
        let mut many = request(Method::GET, path);
        for n in 0..90 {
            many = many.append_header((format!("x-{n}"), "x".repeat(200)));
        }
        shop.send(many).await.problem(431, "headers_too_large");
    }
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let patience = Duration::from_millis(50);
    let shop = Shop::with(HttpSettings { body_patience: patience, ..HttpSettings::default() });
    let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
    for (path, kind, begin) in [
        ("/api/v1/carts/ana/items", "application/json", r#"{"product_id":"sku-1","#),
        ("/api/v1/orders", "application/json", ""),
        ("/api/v1/products/import", "text/csv", "id,name,price,currency\nnew,New,"),
    ] {
        let slow = request(Method::POST, path).insert_header(("content-type", kind));
        let slow = if path == "/api/v1/orders" { slow.insert_header(("x-user-id", "ana")) } else { slow };
        let answer = Answer::read(test::call_service(&app, unfinished(slow, begin)).await).await;
        answer.problem(408, "body_too_slow");
    }
    assert_eq!(shop.get("/api/v1/carts/ana").await.json()["version"], 0);
    shop.get("/api/v1/products/new").await.problem(404, "product_not_found");
}

#[actix_web::test]
async fn searches_are_refused_first_and_shoppers_last() {
    let mut shop = Shop::open();
    shop.state.load = Load::new(MostUnderWay { searches: 1, others: 2, shopping: 3 });
    let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
    let import = || {
        let import =
            request(Method::POST, "/api/v1/products/import").insert_header(("content-type", "text/csv"));
        unfinished(import, "id,name,price,currency\n")
    };
    // Of each kind an ordinary one, and one of those that are asked most.
    const SEARCHES: [&str; 2] = ["/api/v1/search?q=x", "/api/v1/products"];
    const OTHERS: [&str; 2] = ["/api/v1/products/sku-1/cached", "/api/v1/users/ana/profile"];
    const SHOPPING: [&str; 3] = ["/api/v1/carts/ana", "/cart/ana", "/api/v1/orders"];
    let answered = async |paths: &[&str], well: bool| {
        for path in paths {
            let response = test::call_service(&app, request(Method::GET, path).to_request()).await;
            let answer = Answer::read(response).await;
            if well {
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
            } else {
                answer.problem(503, "overloaded");
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
    };
    let mut under_way = Vec::new();
    for (searches, others) in [(true, true), (false, true), (false, false)] {
        answered(&SEARCHES, searches).await;
        answered(&OTHERS, others).await;
        answered(&SHOPPING, true).await;
        answered(&["/readyz", "/livez"], true).await;
        let mut one = Box::pin(app.call(import()));
        assert_eq!(one.as_mut().now_or_never().is_none(), others);
        under_way.push(one);
    }
    // What a shopper has not sent yet keeps nobody out.
    let add = || unfinished(with_json(Method::POST, "/api/v1/carts/ana/items", ""), "{");
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(Box::pin(app.call(add())));
        assert!(slow.last_mut().and_then(|add| add.as_mut().now_or_never()).is_none());
    }
    answered(&SHOPPING, true).await;
    // As many as there are in all.
    shop.state.load = Load::new(MostUnderWay { searches: 0, others: 1, shopping: 1 });
    let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
    let mut one = Box::pin(app.call(import()));
    assert!(one.as_mut().now_or_never().is_none());
    for path in SHOPPING {
        let response = test::call_service(&app, request(Method::GET, path).to_request()).await;
        Answer::read(response).await.problem(503, "overloaded");
    }
    assert_eq!(shop.get(SEARCHES[0]).await.status, 200, "0: never");
    drop((one, slow));
    assert_eq!(shop.get(SHOPPING[0]).await.status, 200, "who has gone is not counted any more");
}

#[actix_web::test]
async fn what_is_no_page_cannot_be_made_one() {
    let shop = Shop::open();
    let json = [
        "/api/v1/carts/ana",
        "/api/v1/products/sku-1",
        "/nowhere",
        "/api/v1/carts/%ff",
        "/livez",
        "/metrics",
    ];
    for path in json {
        let answer = shop.get(path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    }
    for path in ["/jobs", "/redoc", "/docs/"] {
        let policy = shop.get(path).await;
        let policy = policy.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}

#[actix_web::test]
async fn other_sites_do_not_change_who_a_browser_is() {
    let shop = Shop::with(HttpSettings {
        cors_origins: vec!["https://shop.example".into()],
        ..HttpSettings::default()
    });
    let ask = |site: &'static str, origin: &'static str, path: &'static str| {
        request(Method::POST, path).insert_header(("sec-fetch-site", site)).insert_header(("origin", origin))
    };
    let cookie = "/api/v1/guests?cookie=true";
    for (site, origin) in [("cross-site", "https://evil.example"), ("same-site", "https://blog.shop.example")]
    {
        let refused = shop.send(ask(site, origin, cookie)).await;
        refused.problem(403, "cross_site");
        let document: serde_json::Value = serde_json::from_str(&cartwright_http::openapi()).unwrap();
        assert!(document["paths"]["/api/v1/guests"]["post"]["responses"]["403"].is_object());
        assert_eq!(refused.header("set-cookie"), "");
    }
    for (site, origin) in [("cross-site", "https://shop.example"), ("same-origin", "https://evil.example")] {
        let guest = shop.send(ask(site, origin, cookie)).await;
        assert_eq!(guest.status, 201, "{guest:?}");
        assert!(guest.header("set-cookie").contains("HttpOnly; SameSite=Lax; Secure"), "{guest:?}");
    }
    assert_eq!(shop.send(ask("cross-site", "https://evil.example", "/api/v1/guests")).await.status, 201);
}
