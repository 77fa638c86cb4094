//! Versions, idempotency keys, request ids, addresses that are not there.

use actix_web::http::Method;
use cartwright_http::HttpSettings;

use crate::kit::{Shop, request, with_json};

const CART: &str = "/api/v1/carts/ana";
const LINE: &str = "/api/v1/carts/ana/items/sku-1";

#[actix_web::test]
async fn who_has_the_version_gets_no_body() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    for (tags, status) in
        [("\"1\"", 304), ("W/\"1\"", 304), ("*", 304), ("\"7\", \"1\"", 304), ("\"0\"", 200), ("junk", 200)]
    {
        for uri in [CART, "/cart/ana", "/api/v1/carts/ana/count"] {
            let answer = shop.send(request(Method::GET, uri).insert_header(("if-none-match", tags))).await;
            assert_eq!(answer.status, status, "{tags}: {answer:?}");
            assert_eq!(answer.header("etag"), "\"1\"");
            assert_eq!(answer.body.is_empty(), status == 304);
        }
    }
    let read = shop.get(CART).await;
    assert!(["memory", "database"].contains(&read.header("x-cache")), "{read:?}");
    assert_eq!(read.header("cache-control"), "private, no-cache");
    assert_eq!(read.header("content-type"), "application/json");
}

#[actix_web::test]
async fn who_looked_at_an_old_version_changes_nothing() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    shop.add("ana", "sku-1", 1).await;
    for (method, uri, body) in [
        (Method::PUT, LINE, r#"{"quantity":9}"#),
        (Method::DELETE, LINE, ""),
        (Method::DELETE, CART, ""),
        (Method::POST, "/cart/ana/clear", ""),
    ] {
        for tags in ["\"1\"", "\"0\", \"1\"", "W/\"2\"", "\"other\""] {
            let old = with_json(method.clone(), uri, body).insert_header(("if-match", tags));
            let answer = shop.send(old).await;
            let problem = answer.problem(412, "version_mismatch");
            assert_eq!(answer.header("etag"), "\"2\"");
            assert_eq!(problem["cart"], shop.get(CART).await.json());
        }
        for tags in ["1", "\"1", "", "\"1\" \"2\""] {
            let bad = with_json(method.clone(), uri, body).insert_header(("if-match", tags));
            let problem = shop.send(bad).await.problem(400, "malformed_if_match");
            assert_eq!(problem["errors"][0]["pointer"], "/header/If-Match");
        }
    }
    let put = |tags| with_json(Method::PUT, LINE, r#"{"quantity":9}"#).insert_header(("if-match", tags));
    assert_eq!(shop.send(put("\"1\", \"2\"")).await.header("etag"), "\"3\"");
    assert_eq!(shop.send(put("*")).await.status, 200);
    let clear_nothing = request(Method::DELETE, "/api/v1/carts/new").insert_header(("if-match", "\"0\""));
    assert_eq!(shop.send(clear_nothing).await.status, 200);
}

#[actix_web::test]
async fn a_key_takes_effect_once() {
    let shop = Shop::open();
    let post =
        |uri: &str, body: &str| with_json(Method::POST, uri, body).insert_header(("idempotency-key", "k-1"));
    let items = "/api/v1/carts/ana/items";
    let body = r#"{"product_id":"sku-1","quantity":2}"#;
    let first = shop.send(post(items, body)).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (200, ""));
    shop.add("ana", "sku-2", 1).await;
    // the same request, spelt differently
    let again = shop.send(post(items, r#"{ "quantity": 2, "product_id": "sku-1" }"#)).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.body, first.body);
    assert_eq!(shop.get(CART).await.json()["total_quantity"], 3);

    shop.send(post(items, r#"{"product_id":"sku-1","quantity":3}"#))
        .await
        .problem(422, "idempotency_key_reused");
    let merge = r#"{"from_user_id":"guest"}"#;
    shop.send(post("/api/v1/carts/ana/merge", merge)).await.problem(422, "idempotency_key_reused");
    let other = shop.send(post("/api/v1/carts/bob/items", body)).await;
    assert_eq!(other.header("idempotent-replayed"), "", "another principal's key is another key");

    let admin = |uri: &str| {
        post(uri, body).insert_header(("x-user-id", "admin")).insert_header(("x-user-scopes", "admin"))
    };
    assert_eq!(shop.send(admin(items)).await.header("idempotent-replayed"), "");
    shop.send(admin("/api/v1/carts/bob/items")).await.problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn a_merge_is_replayed_with_its_lines() {
    let shop = Shop::open();
    shop.add("guest", "sku-1", 2).await;
    let merge = || {
        with_json(Method::POST, "/api/v1/carts/ana/merge", r#"{"from_user_id":"guest"}"#)
            .insert_header(("idempotency-key", "m"))
    };
    let first = shop.send(merge()).await;
    let again = shop.send(merge()).await;
    assert_eq!(first.json()["merged"][0]["quantity"], 2);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
}

#[actix_web::test]
async fn keys_are_checked() {
    let shop = Shop::open();
    let long = "x".repeat(256);
    for bad in ["", "a b", long.as_str()] {
        let post = with_json(Method::POST, "/api/v1/carts/ana/items", r#"{"product_id":"sku-1"}"#);
        let problem = shop.send(post.insert_header(("idempotency-key", bad))).await;
        problem.problem(400, "malformed_idempotency_key");
    }
}

#[actix_web::test]
async fn every_answer_names_its_request() {
    let shop = Shop::open();
    for uri in [CART, "/nowhere", "/livez", "/docs/nothing", "/cart"] {
        let (one, two) = (shop.get(uri).await, shop.get(uri).await);
        assert!(one.header("x-request-id").len() >= 16, "{one:?}");
        assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
        assert_eq!(one.header("x-content-type-options"), "nosniff");
        let named = shop.send(request(Method::GET, uri).insert_header(("x-request-id", "mine-7"))).await;
        assert_eq!(named.header("x-request-id"), "mine-7");
    }
    let long = "x".repeat(129);
    for bad in ["", "a b", long.as_str()] {
        let answer = shop.send(request(Method::GET, CART).insert_header(("x-request-id", bad))).await;
        assert_ne!(answer.header("x-request-id"), bad);
    }
}

#[actix_web::test]
async fn addresses_and_methods_that_are_not_there() {
    let shop = Shop::open();
    for uri in ["/", "/nowhere", "/api/v1/carts", "/api/v1/carts/ana/items/1/2", "/cart//add"] {
        shop.get(uri).await.problem(404, "not_found");
        shop.json(Method::POST, uri, "{}").await.problem(404, "not_found");
    }
    for (path, allow) in cartwright_http::addresses() {
        if path == "/api/v1/products/import" {
            continue; // what is not an import there is about a product of that name
        }
        let answer = shop.send(request(Method::TRACE, path)).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}

#[actix_web::test]
async fn other_origins_are_answered_when_they_are_configured() {
    let origin = "https://shop.example";
    let preflight = || {
        request(Method::OPTIONS, CART)
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "PATCH"))
            .insert_header(("access-control-request-headers", "if-match"))
    };
    let closed = Shop::open();
    assert_eq!(closed.send(preflight()).await.header("access-control-allow-origin"), "");
    let open = Shop::with(HttpSettings { cors_origins: vec![origin.to_owned()], ..HttpSettings::default() });
    let answer = open.send(preflight()).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, origin));
    let read = open.send(request(Method::GET, CART).insert_header(("origin", origin))).await;
    assert_eq!(read.header("access-control-allow-origin"), origin);
    assert!(read.header("access-control-expose-headers").to_lowercase().contains("etag"), "{read:?}");
    let list = request(Method::GET, "/api/v1/products").insert_header(("origin", origin));
    let list = open.send(list.insert_header(("accept-encoding", "gzip"))).await;
    let vary = list.header("vary").to_lowercase();
    assert!(vary.contains("accept-encoding") && vary.contains("origin"), "{list:?}");
    assert_eq!(list.headers.get_all("vary").count(), 1, "{list:?}");
    let other = request(Method::GET, CART).insert_header(("origin", "https://evil.example"));
    assert_eq!(open.send(other).await.header("access-control-allow-origin"), "");
}

/// What the document says that a client may send and is told, a page of another origin may send and see.
#[actix_web::test]
async fn pages_of_other_origins_send_and_see_what_is_documented() {
    const SHOP: &str = "https://shop.example";
    let shop = Shop::with(HttpSettings { cors_origins: vec![SHOP.to_owned()], ..HttpSettings::default() });
    let document: serde_json::Value = serde_json::from_str(&cartwright_http::openapi()).unwrap();
    let parameters = document["components"]["parameters"].as_object().unwrap().values();
    let sent: Vec<&str> = parameters
        .filter(|parameter| parameter["in"] == "header")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .chain(["Authorization", "X-Guest-Token", "X-User-ID", "Content-Type"])
        .collect();
    assert!(sent.contains(&"X-Session-ID") && sent.contains(&"Idempotency-Key"), "{sent:?}");
    for name in sent {
        let preflight = request(Method::OPTIONS, CART)
            .insert_header(("origin", SHOP))
            .insert_header(("access-control-request-method", "DELETE"))
            .insert_header(("access-control-request-headers", name.to_ascii_lowercase()));
        assert_eq!(shop.send(preflight).await.status, 200, "{name}");
    }
    let read = shop.send(request(Method::GET, CART).insert_header(("origin", SHOP))).await;
    let seen = read.header("access-control-expose-headers").to_ascii_lowercase();
    let seen: Vec<&str> = seen.split(',').map(str::trim).collect();
    // The first everybody is told anyway; the other is for caches in front.
    const OTHERS: [&str; 2] = ["cache-control", "surrogate-key"];
    for name in document["components"]["headers"].as_object().unwrap().keys() {
        let name = name.to_ascii_lowercase();
        assert!(OTHERS.contains(&name.as_str()) || seen.contains(&name.as_str()), "{name} of {seen:?}");
    }
}
