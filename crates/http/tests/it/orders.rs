//! Orders over HTTP.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Shop, request, with_json};

const ORDERS: &str = "/api/v1/orders";

impl Shop {
    async fn buy(&self, user: &str, body: &str) -> Answer {
        self.send(with_json(Method::POST, ORDERS, body).insert_header(("x-user-id", user))).await
    }

    async fn checkout(&self, user: &str, body: &str) -> Answer {
        self.json(Method::POST, &format!("/api/v1/carts/{user}/checkout"), body).await
    }

    async fn get_as(&self, user: &str, uri: &str) -> Answer {
        self.send(request(Method::GET, uri).insert_header(("x-user-id", user))).await
    }

    async fn stock(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/products/{id}")).await.json()["stock"].clone()
    }
}

#[actix_web::test]
async fn an_order_is_made_and_looked_at() {
    let shop = Shop::open();
    let made = shop.buy("ana", r#"{"product_id":"sku-1","quantity":2}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let order = made.json();
    let id = order["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/orders/{id}"));
    assert!(
        made.body.contains(r#""price":19.99,"quantity":2,"subtotal":39.98}],"total_price":39.98,"#),
        "{made:?}"
    );
    assert_eq!(
        (&order["status"], &order["user_id"], &order["cart_version"]),
        (&json!("pending"), &json!("ana"), &Value::Null)
    );
    assert_eq!(shop.stock("sku-1").await, 9_998);
    let uri = format!("{ORDERS}/{id}");
    assert_eq!(shop.get_as("ana", &uri).await.json(), order);
    assert_eq!(shop.get(&uri).await.json(), order, "an operator");
    shop.get_as("bob", &uri).await.problem(404, "order_not_found");
    shop.get_as("bob", &format!("{uri}/status")).await.problem(404, "order_not_found");
    let status = shop.get(&format!("{uri}/status")).await.json();
    assert_eq!((&status["status"], &status["is_final"]), (&json!("pending"), &json!(false)));
    assert_eq!(status["history"][0]["to"], "pending");
    shop.get(&format!("{ORDERS}/01890a5d-ac96-774b-bcce-b302099a8057")).await.problem(404, "order_not_found");
    shop.get(&format!("{ORDERS}/17")).await.points_to("/path/order_id", "invalid_id");
}

#[actix_web::test]
async fn several_products_are_one_order_or_none() {
    let shop = Shop::open();
    let made = shop.buy("ana", r#"{"lines":[{"product_id":"sku-2","quantity":3},{"product_id":"sku-1"},{"product_id":"sku-2"}]}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let order = made.json();
    let lines: Vec<_> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (&line["product_id"], &line["quantity"]))
        .collect();
    assert_eq!(lines, [(&json!("sku-2"), &json!(4)), (&json!("sku-1"), &json!(1))]);
    shop.make(r#"{"id":"rare","name":"Rare","price":1,"currency":"USD","stock":1}"#).await;
    let short =
        shop.buy("ana", r#"{"lines":[{"product_id":"rare","quantity":2},{"product_id":"sku-1"}]}"#).await;
    let problem = short.problem(409, "insufficient_stock");
    assert_eq!(problem["detail"], "Insufficient stock. Available: 1, Requested: 2");
    assert_eq!(problem["errors"][0]["pointer"], "/lines/rare");
    assert_eq!(shop.stock("sku-1").await, 9_999);
    shop.buy("ana", r#"{"lines":[{"product_id":"sku-1"},{"product_id":"sku-jpy"}]}"#)
        .await
        .problem(409, "currency_mismatch");
    shop.buy("ana", r#"{"product_id":"retired"}"#).await.problem(409, "not_for_sale");
    shop.buy("ana", r#"{"product_id":"none"}"#).await.problem(422, "unknown_product");
}

#[actix_web::test]
async fn what_is_wrong_with_an_order_is_named() {
    let shop = Shop::open();
    for (body, pointer, code) in [
        ("{}", "/product_id", "missing"),
        (r#"{"product_id":"sku-1","quantity":0}"#, "/quantity", "out_of_range"),
        (r#"{"product_id":"sku-1","quantity":1001}"#, "/quantity", "out_of_range"),
        (r#"{"product_id":"sku-1","quantity":1.5}"#, "/quantity", "not_an_integer"),
        (r#"{"product_id":"a\u202eb"}"#, "/product_id", "invalid_id"),
        (r#"{"product_id":"sku-1","price":1}"#, "/price", "unknown_field"),
        (r#"{"lines":{}}"#, "/lines", "not_a_list"),
        (r#"{"lines":[1]}"#, "/lines/0", "not_an_object"),
        (r#"{"lines":[{"product_id":"sku-1"},{"quantity":1}]}"#, "/lines/1/product_id", "missing"),
        (r#"{"lines":[{"product_id":"sku-1","quantity":-1}]}"#, "/lines/0/quantity", "out_of_range"),
        (r#"{"lines":[{"product_id":"sku-1","name":"x"}]}"#, "/lines/0/name", "unknown_field"),
        (r#"{"product_id":"sku-1","lines":[]}"#, "/product_id", "contradiction"),
        (r#"{"product_id":"sku-1","expected_total":"x"}"#, "/expected_total", "not_a_number"),
        (r#"{"product_id":"sku-1","expected_total":1,"currency":"XXL"}"#, "/currency", "unknown_currency"),
    ] {
        shop.buy("ana", body).await.points_to(pointer, code);
    }
    shop.buy("ana", r#"{"lines":[]}"#).await.problem(422, "no_lines");
    let many: Vec<String> = (0..501).map(|n| format!(r#"{{"product_id":{n}}}"#)).collect();
    shop.buy("ana", &format!(r#"{{"lines":[{}]}}"#, many.join(","))).await.problem(422, "too_many_lines");
    let much = r#"{"lines":[{"product_id":"sku-1","quantity":600},{"product_id":"sku-1","quantity":600}]}"#;
    shop.buy("ana", much).await.problem(422, "too_many_units");
    shop.json(Method::POST, ORDERS, r#"{"product_id":"sku-1"}"#).await.problem(400, "missing_user");
    shop.buy("a b", r#"{"product_id":"sku-1"}"#).await.points_to("/header/X-User-ID", "invalid_id");
    shop.buy("ana", "{").await.problem(400, "malformed_json");
    assert_eq!(shop.stock("sku-1").await, 10_000);
}

#[actix_web::test]
async fn a_key_makes_one_order() {
    let shop = Shop::open();
    let keyed = |body: &str| {
        with_json(Method::POST, ORDERS, body)
            .insert_header(("x-user-id", "ana"))
            .insert_header(("idempotency-key", "k1"))
    };
    let first = shop.send(keyed(r#"{"product_id":"sku-1"}"#)).await;
    let again = shop.send(keyed(r#"{"quantity":1,"product_id":"sku-1"}"#)).await;
    assert_eq!((first.status, again.status), (201.try_into().unwrap(), 201.try_into().unwrap()));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(first.json(), again.json());
    shop.send(keyed(r#"{"product_id":"sku-2"}"#)).await.problem(422, "idempotency_key_reused");
    assert_eq!(shop.stock("sku-1").await, 9_999);
}

#[actix_web::test]
async fn a_cart_is_checked_out_once_and_is_empty_then() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    shop.add("ana", "sku-2", 2).await;
    shop.get("/api/v1/carts/ana").await; // in the cache
    shop.checkout("ana", "{}").await.points_to("/cart_version", "missing");
    shop.checkout("ana", r#"{"cart_version":"2"}"#).await.points_to("/cart_version", "not_a_version");
    let moved = shop.checkout("ana", r#"{"cart_version":1}"#).await;
    let problem = moved.problem(412, "version_mismatch");
    assert_eq!((&problem["cart"]["version"], moved.header("etag")), (&json!(2), "\"2\""));
    let other =
        shop.checkout("ana", r#"{"cart_version":2,"expected_total":1}"#).await.problem(409, "total_changed");
    assert_eq!(other["detail"], "The total is 29.99 USD, and not 1.00 USD.");
    let made = shop.checkout("ana", r#"{"cart_version":2,"expected_total":29.99}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["cart_version"], 2);
    let cart = shop.get("/api/v1/carts/ana").await.json();
    assert_eq!((&cart["version"], &cart["item_count"]), (&json!(3), &json!(0)), "nobody sees the old one");
    let again = shop.checkout("ana", r#"{"cart_version":2}"#).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201.try_into().unwrap(), "true"));
    assert_eq!(again.json()["id"], made.json()["id"]);
    shop.checkout("ana", r#"{"cart_version":3}"#).await.problem(409, "empty_cart");
    // By header, too; not by both when they disagree.
    shop.add("ana", "sku-1", 1).await;
    let uri = "/api/v1/carts/ana/checkout";
    let both = with_json(Method::POST, uri, r#"{"cart_version":3}"#).insert_header(("if-match", "\"4\""));
    shop.send(both).await.points_to("/cart_version", "contradiction");
    let made = shop.send(request(Method::POST, uri).insert_header(("if-match", "\"4\""))).await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[actix_web::test]
async fn a_price_that_rose_needs_a_word() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 2).await;
    let raised = shop.json(Method::PATCH, "/api/v1/products/sku-1", r#"{"price":25}"#).await;
    assert_eq!(raised.status, 200);
    let problem = shop.checkout("ana", r#"{"cart_version":1}"#).await.problem(409, "price_increased");
    assert_eq!(problem["errors"][0]["pointer"], "/lines/sku-1");
    assert_eq!(
        problem["errors"][0]["detail"],
        "sku-1 cost 19.99 USD when it was added, and costs 25.00 USD now"
    );
    let made = shop.checkout("ana", r#"{"cart_version":1,"expected_total":"50.00","currency":"USD"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
}

/// As a service does that packs and sends.
#[actix_web::test]
async fn operators_take_orders_further_and_say_how_far_they_are() {
    let shop = Shop::open();
    let made = shop.buy("ana", r#"{"product_id":"sku-1","quantity":5}"#).await.json();
    let uri = format!("{ORDERS}/{}/steps", made["id"].as_str().unwrap());
    let hers = with_json(Method::POST, &uri, r#"{"status":"completed"}"#).insert_header(("x-user-id", "ana"));
    shop.send(hers).await.problem(403, "operators_only");
    for (body, pointer, code) in [
        (r#"{}"#, "/status", "missing"),
        (r#"{"status":"done"}"#, "/status", "unknown_status"),
        (r#"{"status":1}"#, "/status", "not_a_string"),
        (r#"{"status":"processing","percent":101}"#, "/percent", "out_of_range"),
        (r#"{"status":"processing","percent":"1"}"#, "/percent", "out_of_range"),
        (r#"{"status":"processing","note":"x"}"#, "/percent", "missing"),
        (r#"{"status":"processing","percent":1,"note":"\u202e"}"#, "/note", "invalid_text"),
        (r#"{"status":"processing","when":1}"#, "/when", "unknown_field"),
    ] {
        shop.json(Method::POST, &uri, body).await.points_to(pointer, code);
    }
    shop.json(Method::POST, &uri, r#"{"status":"completed"}"#).await.problem(409, "status_not_allowed");
    for (body, percent, note) in [
        (r#"{"status":"processing"}"#, json!(0), json!(null)),
        (r#"{"status":"processing","percent":40,"note":"packed"}"#, json!(40), json!("packed")),
        (r#"{"status":"completed"}"#, json!(100), json!("packed")),
    ] {
        let after = shop.json(Method::POST, &uri, body).await;
        assert_eq!(after.status, 200, "{after:?}");
        let seen = shop.get(&uri.replace("/steps", "/status")).await.json();
        assert_eq!((&seen["percent"], &seen["note"]), (&percent, &note), "{body}");
        assert_eq!(after.json(), seen);
    }
    let nobody = format!("{ORDERS}/01890a5d-ac96-774b-bcce-b302099a8057/steps");
    shop.json(Method::POST, &nobody, r#"{"status":"failed"}"#).await.problem(404, "order_not_found");
}

#[actix_web::test]
async fn a_cancelled_order_gives_back_what_it_took_once() {
    let shop = Shop::open();
    let made = shop.buy("ana", r#"{"product_id":"sku-1","quantity":5}"#).await.json();
    let uri = format!("{ORDERS}/{}/cancel", made["id"].as_str().unwrap());
    let not_hers = request(Method::POST, &uri).insert_header(("x-user-id", "bob"));
    shop.send(not_hers).await.problem(404, "order_not_found");
    shop.json(Method::POST, &uri, r#"{"reason":"x\u0000"}"#).await.points_to("/reason", "invalid_text");
    for _ in 0..2 {
        let cancelled = shop.json(Method::POST, &uri, r#"{"reason":"ordered twice"}"#).await;
        assert_eq!(
            (cancelled.status, &cancelled.json()["status"]),
            (200.try_into().unwrap(), &json!("cancelled"))
        );
        assert_eq!(shop.stock("sku-1").await, 10_000);
    }
    let status = shop.get(&uri.replace("/cancel", "/status")).await.json();
    assert_eq!(
        (&status["history"][1]["reason"], &status["is_final"]),
        (&json!("ordered twice"), &json!(true))
    );
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

#[actix_web::test]
async fn orders_are_listed_for_their_owner() {
    let shop = Shop::open();
    for n in 0..5 {
        let user = if n == 4 { "bob" } else { "ana" };
        assert_eq!(shop.buy(user, r#"{"product_id":"sku-1"}"#).await.status, 201);
    }
    let mine = shop.get_as("ana", &format!("{ORDERS}?page_size=3")).await.json();
    assert_eq!((&mine["total"], mine["items"].as_array().unwrap().len()), (&json!(4), 3));
    assert_eq!(shop.get(ORDERS).await.json()["total"], 5, "an operator");
    assert_eq!(shop.get("/api/v1/users/bob/orders").await.json()["total"], 1);
    // One document, however it is asked for; other parts are not looked for in the cache.
    let first = shop.get("/api/v1/users/ana/orders").await;
    assert_eq!((first.header("x-cache"), &first.json()["page_size"]), ("database", &json!(20)));
    for same in ["/api/v1/users/ana/orders?page=1&page_size=20", "/api/v1/users/ana/orders?page_size=20"] {
        let again = shop.get(same).await;
        assert_eq!((again.header("x-cache"), &again.body), ("database", &first.body), "{same}");
    }
    let own = shop.get_as("ana", ORDERS).await;
    assert_eq!((own.header("x-cache"), &own.body), ("database", &first.body));
    for other in ["?page=2", "?page_size=3", "?limit=20", "?status=pending"] {
        let part = shop.get(&format!("/api/v1/users/ana/orders{other}")).await;
        assert_eq!((part.status.as_u16(), part.header("x-cache")), (200, ""), "{other}");
    }
    assert_eq!(shop.get(ORDERS).await.header("x-cache"), "", "everybody's");
    let part = shop.get("/api/v1/users/ana/orders?limit=3").await.json();
    let next = part["next_cursor"].as_str().unwrap();
    let rest = shop.get(&format!("/api/v1/users/ana/orders?limit=3&cursor={next}")).await.json();
    assert_eq!((&rest["next_cursor"], rest["items"].as_array().unwrap().len()), (&Value::Null, 1));
    assert_eq!(shop.get(&format!("{ORDERS}?status=cancelled")).await.json()["total"], 0);
    shop.get(&format!("{ORDERS}?status=lost")).await.points_to("/query/status", "unknown");
    shop.get(&format!("{ORDERS}?cursor=x")).await.points_to("/query/cursor", "invalid_cursor");
    shop.get(&format!("{ORDERS}?cursor=x&page=1")).await.points_to("/query/cursor", "contradiction");
}

#[actix_web::test]
async fn shoppers_see_at_once_what_is_sold_out_and_what_is_back() {
    let shop = Shop::open();
    shop.make(r#"{"id":"last","name":"Lastpiece","price":1,"currency":"USD","stock":1}"#).await;
    let found = async || shop.get("/api/v1/search?q=lastpiece&in_stock=true").await.json()["total"].clone();
    let cached = async || shop.get("/api/v1/products/last/cached").await.json()["stock"].clone();
    assert_eq!((found().await, cached().await), (json!(1), json!(1)));
    let made = shop.buy("ana", r#"{"product_id":"last"}"#).await.json();
    shop.buy("bob", r#"{"product_id":"last"}"#).await.problem(409, "insufficient_stock");
    let seen = async |stock: Value, total: Value| {
        for _ in 0..200 {
            if (found().await, cached().await) == (total.clone(), stock.clone()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the caches still show another stock than {stock}");
    };
    seen(json!(0), json!(0)).await;
    let cancel = format!("{ORDERS}/{}/cancel", made["id"].as_str().unwrap());
    assert_eq!(shop.send(request(Method::POST, &cancel)).await.status, 200);
    seen(json!(1), json!(1)).await;
}
