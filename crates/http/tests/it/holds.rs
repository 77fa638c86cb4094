//! Holds over HTTP.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Shop, request, with_json};

const HOLDS: &str = "/api/v1/holds";
const ORDERS: &str = "/api/v1/orders";

impl Shop {
    async fn hold(&self, user: &str, body: &str) -> Answer {
        self.send(with_json(Method::POST, HOLDS, body).insert_header(("x-user-id", user))).await
    }

    /// A hold that must be made: its address.
    async fn held(&self, user: &str, body: &str) -> (String, Value) {
        let made = self.hold(user, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        (made.header("location").to_owned(), made.json())
    }

    async fn claim(&self, user: &str, body: &str) -> Answer {
        self.send(with_json(Method::POST, ORDERS, body).insert_header(("x-user-id", user))).await
    }

    async fn as_user(&self, user: &str, method: Method, uri: &str) -> Answer {
        self.send(request(method, uri).insert_header(("x-user-id", user))).await
    }

    async fn left(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/products/{id}")).await.json()["stock"].clone()
    }
}

#[actix_web::test]
async fn a_hold_is_made_looked_at_and_released() {
    let shop = Shop::open();
    let body =
        r#"{"lines":[{"product_id":"sku-2"},{"product_id":"sku-1","quantity":2},{"product_id":"sku-2"}]}"#;
    let (uri, hold) = shop.held("ana", body).await;
    assert_eq!(uri, format!("{HOLDS}/{}", hold["id"].as_str().unwrap()));
    assert_eq!(
        (&hold["status"], &hold["user_id"], &hold["total_price"], &hold["order_id"]),
        (&json!("active"), &json!("ana"), &json!(49.98), &Value::Null)
    );
    assert_eq!(
        (&hold["items"][0]["product_id"], &hold["items"][0]["quantity"]),
        (&json!("sku-2"), &json!(2))
    );
    assert!(hold["expires_at"].as_str() < hold["renewable_until"].as_str(), "{hold}");
    assert_eq!((shop.left("sku-1").await, shop.left("sku-2").await), (json!(9_998), json!(9_998)));
    assert_eq!(shop.as_user("ana", Method::GET, &uri).await.json(), hold);
    assert_eq!(shop.get(&uri).await.json(), hold, "an operator");
    assert_eq!(shop.send(request(Method::HEAD, &uri)).await.status, 200);
    for method in [Method::GET, Method::DELETE] {
        shop.as_user("bob", method.clone(), &uri).await.problem(404, "hold_not_found");
        let nowhere = format!("{HOLDS}/01890a5d-ac96-774b-bcce-b302099a8057");
        shop.as_user("ana", method.clone(), &nowhere).await.problem(404, "hold_not_found");
        shop.as_user("ana", method, &format!("{HOLDS}/17")).await.points_to("/path/hold_id", "invalid_id");
    }
    for _ in 0..2 {
        let released = shop.as_user("ana", Method::DELETE, &uri).await;
        assert_eq!((released.status.as_u16(), &released.json()["status"]), (200, &json!("released")));
        assert_eq!(shop.left("sku-1").await, json!(10_000));
    }
    let renew = format!("{uri}/renew");
    let problem = shop.as_user("ana", Method::POST, &renew).await.problem(409, "hold_ended");
    assert_eq!(problem["detail"], "The hold is released.");
    let body = format!(r#"{{"hold_id":{}}}"#, hold["id"]);
    shop.claim("ana", &body).await.problem(409, "hold_ended");
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

#[actix_web::test]
async fn a_hold_is_bought_once_at_its_price() {
    let shop = Shop::open();
    shop.make(r#"{"id":"rare","name":"Rare","price":10,"currency":"USD","stock":2}"#).await;
    let (uri, hold) = shop.held("ana", r#"{"product_id":"rare","quantity":2}"#).await;
    let dearer = shop.json(Method::PATCH, "/api/v1/products/rare", r#"{"price":25}"#).await;
    assert_eq!(dearer.status, 200);
    let short = shop.claim("bob", r#"{"product_id":"rare"}"#).await.problem(409, "insufficient_stock");
    assert_eq!(short["detail"], "Insufficient stock. Available: 0, Requested: 1");
    let body = format!(r#"{{"hold_id":{}}}"#, hold["id"]);
    let unknown = shop.claim("bob", &body).await.problem(422, "unknown_hold");
    assert_eq!(unknown["errors"][0]["pointer"], "/hold_id");
    let expecting = format!(r#"{{"hold_id":{},"expected_total":50}}"#, hold["id"]);
    shop.claim("ana", &expecting).await.problem(409, "total_changed");
    let made = shop.claim("ana", &body).await;
    assert_eq!((made.status.as_u16(), made.header("idempotent-replayed")), (201, ""));
    assert_eq!((&made.json()["total_price"], &made.json()["items"]), (&json!(20.00), &hold["items"]));
    let again = shop.claim("ana", &body).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.json(), made.json());
    let claimed = shop.get(&uri).await.json();
    assert_eq!((&claimed["status"], &claimed["order_id"]), (&json!("claimed"), &made.json()["id"]));
    shop.as_user("ana", Method::DELETE, &uri).await.problem(409, "hold_ended");
    assert_eq!(shop.left("rare").await, json!(0));
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

#[actix_web::test]
async fn a_hold_is_renewed_for_as_long_as_may_be() {
    let shop = Shop::open();
    let (uri, hold) = shop.held("ana", r#"{"product_id":"sku-1","seconds":60}"#).await;
    let renew = format!("{uri}/renew");
    let longer = shop.as_user("ana", Method::POST, &renew).await.json();
    assert!(longer["expires_at"].as_str() > hold["expires_at"].as_str(), "{longer}");
    let longest = shop.json(Method::POST, &renew, r#"{"seconds":3600}"#).await.json();
    assert_eq!(longest["expires_at"], hold["renewable_until"]);
    shop.as_user("bob", Method::POST, &renew).await.problem(404, "hold_not_found");
    for (body, code) in [
        (r#"{"seconds":0}"#, "out_of_range"),
        (r#"{"seconds":-5}"#, "out_of_range"),
        (r#"{"seconds":1.5}"#, "out_of_range"),
        (r#"{"seconds":"60"}"#, "out_of_range"),
        (r#"{"seconds":99999999999}"#, "out_of_range"),
    ] {
        shop.json(Method::POST, &renew, body).await.points_to("/seconds", code);
    }
    shop.json(Method::POST, &renew, r#"{"minutes":1}"#).await.points_to("/minutes", "unknown_field");
    let problem = shop.json(Method::POST, &renew, r#"{"seconds":3601}"#).await.problem(422, "hold_too_long");
    assert_eq!(
        (&problem["detail"], &problem["errors"][0]["pointer"]),
        (&json!("A hold lasts for 1 to 3600 seconds."), &json!("/seconds"))
    );
}

#[actix_web::test]
async fn what_is_wrong_with_a_hold_is_named() {
    let shop = Shop::open();
    for (body, pointer, code) in [
        ("{}", "/product_id", "missing"),
        (r#"{"product_id":"sku-1","quantity":0}"#, "/quantity", "out_of_range"),
        (r#"{"product_id":"sku-1","seconds":0}"#, "/seconds", "out_of_range"),
        (r#"{"product_id":"sku-1","expected_total":1}"#, "/expected_total", "unknown_field"),
        (r#"{"lines":[{"product_id":"a\u202eb"}]}"#, "/lines/0/product_id", "invalid_id"),
        (r#"{"product_id":"sku-1","lines":[]}"#, "/product_id", "contradiction"),
    ] {
        shop.hold("ana", body).await.points_to(pointer, code);
    }
    for (body, status, code) in [
        (r#"{"lines":[]}"#, 422, "no_lines"),
        (r#"{"product_id":"none"}"#, 422, "unknown_product"),
        (r#"{"product_id":"retired"}"#, 409, "not_for_sale"),
        (r#"{"lines":[{"product_id":"sku-1"},{"product_id":"sku-jpy"}]}"#, 409, "currency_mismatch"),
        (r#"{"product_id":"sku-1","seconds":3601}"#, 422, "hold_too_long"),
        (
            r#"{"lines":[{"product_id":"sku-1","quantity":600},{"product_id":"sku-2","quantity":401}]}"#,
            422,
            "too_many_units",
        ),
        ("{", 400, "malformed_json"),
    ] {
        shop.hold("ana", body).await.problem(status, code);
    }
    let many: Vec<String> = (0..101).map(|n| format!(r#"{{"product_id":{n}}}"#)).collect();
    shop.hold("ana", &format!(r#"{{"lines":[{}]}}"#, many.join(","))).await.problem(422, "too_many_lines");
    shop.json(Method::POST, HOLDS, r#"{"product_id":"sku-1"}"#).await.problem(400, "missing_user");
    for (body, pointer, code) in [
        (r#"{"hold_id":"x"}"#, "/hold_id", "invalid_id"),
        (r#"{"hold_id":7}"#, "/hold_id", "not_a_string"),
        (r#"{"hold_id":"01890a5d-ac96-774b-bcce-b302099a8057","lines":[]}"#, "/lines", "contradiction"),
        (r#"{"hold_id":"01890a5d-ac96-774b-bcce-b302099a8057","quantity":1}"#, "/quantity", "contradiction"),
    ] {
        shop.claim("ana", body).await.points_to(pointer, code);
    }
    assert_eq!(shop.left("sku-1").await, json!(10_000));
}

#[actix_web::test]
async fn nobody_holds_more_than_his_share() {
    let shop = Shop::open();
    let mut last = String::new();
    for _ in 0..10 {
        last = shop.held("ana", r#"{"product_id":"sku-1"}"#).await.0;
    }
    let problem = shop.hold("ana", r#"{"product_id":"sku-1"}"#).await.problem(409, "too_many_holds");
    assert_eq!(problem["detail"], "Nobody has more than 10 holds at the same time.");
    shop.held("bob", r#"{"product_id":"sku-1"}"#).await;
    assert_eq!(shop.as_user("ana", Method::DELETE, &last).await.status, 200);
    shop.held("ana", r#"{"product_id":"sku-1"}"#).await;
}

#[actix_web::test]
async fn a_key_makes_one_hold() {
    let shop = Shop::open();
    let keyed = |body: &str| {
        with_json(Method::POST, HOLDS, body)
            .insert_header(("x-user-id", "ana"))
            .insert_header(("idempotency-key", "k1"))
    };
    let first = shop.send(keyed(r#"{"product_id":"sku-1"}"#)).await;
    let again = shop.send(keyed(r#"{"quantity":1,"product_id":"sku-1"}"#)).await;
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()));
    let other = shop.send(keyed(r#"{"product_id":"sku-1","seconds":5}"#)).await;
    other.problem(422, "idempotency_key_reused");
    assert_eq!(shop.left("sku-1").await, json!(9_999));
}
