//! Fields that are not the client's to set, in every body that the OpenAPI document knows: refused by name, and without effect.

use std::rc::Rc;

use actix_web::{
    http::Method,
    test::{self, TestRequest},
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Map, Value, json};

use crate::kit::{Answer, Shop, request, with_json};

/// What a client might try to decide, and values that would do some harm.
fn tempting() -> Vec<(&'static str, Value)> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        ("id", json!("sku-1")),
        ("_id", json!(1)),
        ("user_id", json!("bob")),
        ("owner", json!("bob")),
        ("owner_id", json!("bob")),
        ("principal", json!("bob")),
        ("session_id", json!("A".repeat(43))),
        ("order_id", json!("018f0000-0000-7000-8000-000000000000")),
        ("status", json!("completed")),
        ("paid", json!(true)),
        ("total", json!(0)),
        ("total_price", json!(0.01)),
        ("total_quantity", json!(0)),
        ("price", json!(0.01)),
        ("discount", json!(100)),
        ("version", json!(99)),
        ("created_at", json!("1999-01-01T00:00:00Z")),
        ("updated_at", json!("1999-01-01T00:00:00Z")),
        ("expires_at", json!("2999-01-01T00:00:00Z")),
        ("stock", json!(1_000_000)),
        ("held", json!(0)),
        ("sold", json!(0)),
        ("active", json!(false)),
        ("enabled", json!(false)),
        ("scopes", json!(["admin"])),
        ("scope", json!("admin")),
        ("role", json!("admin")),
        ("is_admin", json!(true)),
        ("currency", json!("JPY")),
        ("secret", json!("whsec_AAAA")),
        ("attempts", json!(0)),
        ("__proto__", json!({"is_admin": true})),
        ("constructor", json!({"prototype": {"is_admin": true}})),
        ("", json!(1)),
        ("a/b~c", json!(1)),
        ("deep", deep),
    ]
}

/// An operation with a JSON body.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Which fields its body has.
    fields: Vec<String>,
    classic: bool,
}

pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&cartwright_http::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let mut fields = Vec::new();
            named(&document, schema, &mut fields);
            operations.push(Operation {
                method: method.to_ascii_uppercase().parse().unwrap(),
                path: path.clone(),
                fields,
                classic: operation["tags"][0] == "classic",
            });
        }
    }
    assert!(operations.len() > 20, "{}", operations.len());
    operations
}

/// The fields that a schema names, or one of those that it may be.
fn named(document: &Value, schema: &Value, fields: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        named(document, &document["components"]["schemas"][name], fields);
    }
    fields.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned());
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        named(document, one, fields);
    }
}

/// By Ana, who may do all.
fn by_ana(request: TestRequest) -> TestRequest {
    request.insert_header(("x-user-id", "ana")).insert_header(("x-user-scopes", "admin"))
}

/// Sends as Ana.
pub(crate) struct Desk(Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>);

impl Desk {
    /// The application is made once: there are thousands of requests.
    pub(crate) async fn of(shop: &Shop) -> Self {
        let app = Rc::new(test::init_service(cartwright_http::create_app(shop.state.clone())).await);
        Self(Box::new(move |request| {
            let app = Rc::clone(&app);
            let answered =
                async move { Answer::read(test::call_service(&*app, request.to_request()).await).await };
            answered.boxed_local()
        }))
    }

    /// As it is.
    pub(crate) async fn call(&self, request: TestRequest) -> Answer {
        (self.0)(request).await
    }

    async fn send(&self, method: &Method, uri: &str, body: &str) -> Answer {
        (self.0)(by_ana(with_json(method.clone(), uri, body))).await
    }

    async fn get(&self, uri: &str) -> Answer {
        (self.0)(by_ana(request(Method::GET, uri)).insert_header(("x-request-id", "r"))).await
    }

    async fn made(&self, uri: &str, body: &Value) -> Value {
        let answer = self.send(&Method::POST, uri, &body.to_string()).await;
        assert!(answer.status.is_success(), "{uri}: {answer:?}");
        answer.json()
    }
}

/// The address with something in it that is there, and a body that is taken.
async fn valid(desk: &Desk, operation: &Operation) -> (String, Value) {
    let line = json!({"product_id": "sku-1", "quantity": 2});
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let Operation { method, path, .. } = operation;
    let (place, body) = match (method.as_str(), path.as_str()) {
        ("POST", path) if path.ends_with("/items") || path.ends_with("/add") => (
            ("{user_id}", "ana".to_owned()),
            json!({"product_id": "sku-9", "quantity": 2,
                "product_data": {"name": "Tea", "price": 2.5, "currency": "USD"}}),
        ),
        ("PUT", path) if path.contains("/items/") || path.contains("/update/") => {
            desk.made("/api/v1/carts/ana/items", &line).await;
            (("{user_id}", "ana".to_owned()), json!({"quantity": 3}))
        }
        ("POST", path) if path.ends_with("/checkout") => {
            let cart = desk.made("/api/v1/carts/ana/items", &line).await;
            (("{user_id}", "ana".to_owned()), json!({"cart_version": cart["version"]}))
        }
        ("POST", path) if path.ends_with("/merge") => {
            desk.made("/api/v1/carts/eve/items", &line).await;
            (("{user_id}", "ana".to_owned()), json!({"from_user_id": "eve"}))
        }
        ("POST", "/api/v1/holds") => (("", String::new()), json!({"lines": [line], "seconds": 60})),
        ("POST", "/api/v1/holds/{hold_id}/renew") => {
            let hold = desk.made("/api/v1/holds", &line).await;
            (("{hold_id}", text(&hold, "id")), json!({"seconds": 60}))
        }
        ("PUT", "/api/v1/jobs/queues/{queue}/rate") => {
            (("{queue}", "mail".to_owned()), json!({"per_second": 5.0, "burst": 10}))
        }
        ("POST", "/api/v1/orders") => (("", String::new()), json!({"lines": [line]})),
        ("POST", "/api/v1/orders/{order_id}/cancel") => {
            let order = desk.made("/api/v1/orders", &line).await;
            (("{order_id}", text(&order, "id")), json!({"reason": "too late"}))
        }
        ("POST", "/api/v1/orders/{order_id}/steps") => {
            let order = desk.made("/api/v1/orders", &line).await;
            (("{order_id}", text(&order, "id")), json!({"status": "processing", "percent": 5}))
        }
        ("POST", "/api/v1/products") => (("", String::new()), json!({"name": "Tea", "price": 2.5})),
        ("PUT", "/api/v1/products/{product_id}") => {
            (("{product_id}", "sku-2".to_owned()), json!({"name": "Tea", "price": 2.5}))
        }
        ("PATCH", "/api/v1/products/{product_id}") => {
            (("{product_id}", "sku-2".to_owned()), json!({"description": "green"}))
        }
        ("POST", "/api/v1/sessions") => (("", String::new()), json!({"data": {"a": 1}})),
        ("PUT", "/api/v1/sessions/{session_id}") => {
            let session = desk.made("/api/v1/sessions", &json!({})).await;
            (("{session_id}", text(&session, "session_id")), json!({"data": {"a": 1}}))
        }
        ("PUT", "/api/v1/users/{user_id}/profile") => {
            (("{user_id}", "ana".to_owned()), json!({"data": {"a": 1}}))
        }
        ("POST", "/api/v1/webhooks") => {
            (("", String::new()), json!({"url": "https://hooks.example.com/", "events": ["*"]}))
        }
        ("PATCH", "/api/v1/webhooks/{webhook_id}") => {
            let target = desk.made("/api/v1/webhooks", &json!({"url": "https://hooks.example.com/"})).await;
            (("{webhook_id}", text(&target, "id")), json!({"description": "the warehouse"}))
        }
        ("POST", "/api/v1/webhooks/{webhook_id}/replay") => {
            let target = desk.made("/api/v1/webhooks", &json!({"url": "https://hooks.example.com/"})).await;
            (("{webhook_id}", text(&target, "id")), json!({"after": "0"}))
        }
        other => panic!("what is a good body of {other:?}?"),
    };
    (path.replace(place.0, &place.1).replace("{product_id}", "sku-1"), body)
}

/// What there is of Ana and of the shop.
async fn all_there_is(shop: &Shop, desk: &Desk, own: &str) -> Vec<String> {
    shop.state.catalog.settle().await;
    let mut seen = Vec::new();
    for uri in [
        "/api/v1/carts/ana",
        "/api/v1/carts/bob",
        "/api/v1/carts/eve",
        "/api/v1/orders",
        "/api/v1/products/sku-1",
        "/api/v1/products/sku-2",
        "/api/v1/products/sku-9",
        "/api/v1/products?limit=100",
        "/api/v1/users/ana/profile",
        "/api/v1/users/bob/profile",
        "/api/v1/users/ana/sessions",
        "/api/v1/users/bob/sessions",
        "/api/v1/webhooks",
        "/api/v1/jobs/queues",
        own.trim_end_matches("/cancel").trim_end_matches("/renew").trim_end_matches("/replay"),
    ] {
        seen.push(format!("{uri}: {}", desk.get(uri).await.body));
    }
    seen
}

/// Pointers to all objects of a body in which the shop knows every field.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    let each: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => return,
    };
    for (name, value) in each.into_iter().filter(|(name, _)| name != "data" && name != "attributes") {
        objects(value, &format!("{at}/{name}"), found);
    }
}

/// Without the times at which something was done.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !name.ends_with("_at"));
            members.values_mut().for_each(|member| *member = timeless(member.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|one| *one = timeless(one.take())),
        _ => {}
    }
    value
}

/// The names of all places that are wrong, with their codes.
fn places(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = answer.problem(422, "invalid_request")["errors"].clone();
    errors.as_array().unwrap().iter().map(|one| (text(&one["pointer"]), text(&one["code"]))).collect()
}

#[actix_web::test]
async fn what_is_not_the_clients_to_set_is_refused_by_name() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    for operation in operations().into_iter().filter(|operation| !operation.classic) {
        let Operation { method, path, fields, .. } = &operation;
        let what = format!("{method} {path}");
        let (uri, body) = valid(&desk, &operation).await;
        let before = all_there_is(&shop, &desk, &uri).await;
        let mut found = Vec::new();
        objects(&body, "", &mut found);
        for at in &found {
            for (name, value) in tempting() {
                // At the top the document says what is known; further in, nothing tempting is but a price with its currency.
                let known = if at.is_empty() {
                    fields.iter().any(|field| field == name)
                } else {
                    at == "/product_data" && ["price", "currency"].contains(&name)
                };
                if known {
                    continue;
                }
                let mut bad = body.clone();
                bad.pointer_mut(at).unwrap()[name] = value;
                let answer = desk.send(method, &uri, &bad.to_string()).await;
                let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                let said = places(&answer);
                assert_eq!(said.len(), 1, "{what}: {answer:?}");
                assert_eq!(said[0].0, pointer, "{what}: {answer:?}");
                assert!(
                    ["unknown_field", "read_only", "contradiction"].contains(&said[0].1.as_str()),
                    "{what}: {answer:?}"
                );
            }
            // A field twice, the same or another one: nobody shall have to know which of them counts.
            for (name, value) in body.pointer(at).unwrap().as_object().unwrap() {
                let pointer = format!("{at}/{name}");
                for twice in [value.clone(), Value::Null] {
                    let object = body.pointer(at).unwrap().to_string();
                    let doubled = format!(r#"{{"{name}":{twice},{}"#, &object[1..]);
                    let text = body.to_string().replace(&object, &doubled);
                    let said = places(&desk.send(method, &uri, &text).await);
                    assert!(
                        said.contains(&(pointer.clone(), "repeated_field".to_owned())),
                        "{what}: {said:?}"
                    );
                }
            }
        }
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(desk.send(method, &uri, &deep).await.status.is_client_error(), "{what}");
        assert_eq!(
            all_there_is(&shop, &desk, &uri).await,
            before,
            "{what}: what was refused changed nothing"
        );
        let good = desk.send(method, &uri, &body.to_string()).await;
        assert!(good.status.is_success(), "{what}: without them it is taken: {good:?}");
    }
}

/// The classic addresses ignore what they do not know; so it must have no effect.
#[actix_web::test]
async fn what_is_not_the_clients_to_set_has_no_effect_at_classic_addresses() {
    let mut tried = 0;
    for operation in operations().into_iter().filter(|operation| operation.classic) {
        let Operation { method, path, fields, .. } = &operation;
        if path == "/cache/product/{product_id}" || path == "/session/create" {
            continue; // all of the body is the caller's; below
        }
        tried += 1;
        let mut answers = Vec::new();
        for with_more in [false, true] {
            let shop = Shop::open();
            let desk = Desk::of(&shop).await;
            let (uri, mut body) = valid(&desk, &operation).await;
            if with_more {
                let mut found = Vec::new();
                objects(&body, "", &mut found);
                for at in &found {
                    for (name, value) in tempting() {
                        let object = body.pointer_mut(at).unwrap();
                        if !fields.iter().any(|field| field == name) && object[name].is_null() {
                            object[name] = value;
                        }
                    }
                }
            }
            let mut seen = vec![timeless(desk.send(method, &uri, &body.to_string()).await.json())];
            for user in ["ana", "bob", "eve"] {
                seen.push(timeless(desk.get(&format!("/api/v1/carts/{user}")).await.json()));
            }
            answers.push(seen);
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
        assert!(answers[0][0]["items"].is_array(), "{method} {path}: {answers:?}");
    }
    assert!(tried >= 4, "{tried}");
}

/// Where a body is what the caller likes, it is that and no more.
#[actix_web::test]
async fn documents_of_callers_are_nothing_but_documents() {
    let shop = Shop::open();
    let body: Map<String, Value> =
        tempting().into_iter().filter(|(name, _)| *name != "deep").map(|(n, v)| (n.to_owned(), v)).collect();
    let body = Value::Object(body).to_string();
    let product = shop.get("/api/v1/products/sku-1").await.body;
    let put = shop.json(Method::POST, "/cache/product/sku-1", &body).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(shop.get("/api/v1/products/sku-1").await.body, product);

    let made = shop.json(Method::POST, "/session/create", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!(
        (&made["user_id"], &made["version"], &made["data"]["user_id"]),
        (&Value::Null, &1.into(), &"bob".into())
    );
    assert_ne!(made["session_id"], "A".repeat(43));
}

/// No answer is much longer than what was sent, whatever is wrong with it.
#[actix_web::test]
async fn so_many_faults_say_enough() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    let unknown: String = (0..20_000).map(|n| format!("\"f{n}\":1,")).collect();
    let twice: String = (0..10_000).map(|n| format!("\"f{n}\":1,\"f{n}\":1,")).collect();
    let lines = format!(r#"{{"lines":[{}{{}}]}}"#, "{},".repeat(50_000));
    for (uri, body) in [
        ("/api/v1/carts/ana/items", format!("{{{unknown}\"product_id\":\"sku-1\"}}")),
        ("/api/v1/carts/ana/items", format!("{{{twice}\"product_id\":\"sku-1\"}}")),
        ("/api/v1/products", format!("{{{unknown}\"name\":\"Tea\"}}")),
        ("/api/v1/products", format!("{{{twice}\"name\":\"Tea\"}}")),
        ("/api/v1/orders", lines),
    ] {
        let answer = desk.send(&Method::POST, uri, &body).await;
        assert!((50..=210).contains(&places(&answer).len()), "{uri}: {}", places(&answer).len());
        assert!(answer.body.len() < 40_000, "{uri}: {}", answer.body.len());
    }
}
