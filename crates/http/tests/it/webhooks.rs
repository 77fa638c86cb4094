//! Webhook targets, as an operator's scripts see them.

use std::time::Duration;

use actix_web::http::Method;
use cartwright_domain::{Clock, ProductId, SystemClock};
use cartwright_storage::{Claim, Finished, JobName, JobOutcome, NewEvents};
use serde_json::{Value, json};

use crate::{
    hostile::hostile,
    kit::{Answer, Shop, request},
};

const HOOK: &str = "https://hooks.example.com/orders?key=hidden";

async fn add(shop: &Shop, body: &Value) -> Answer {
    shop.json(Method::POST, "/api/v1/webhooks", &body.to_string()).await
}

async fn added(shop: &Shop, body: &Value) -> Value {
    let made = add(shop, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

async fn post(shop: &Shop, uri: &str) -> Answer {
    shop.send(request(Method::POST, uri)).await
}

async fn tell(shop: &Shop, events: u32) {
    let mut new = NewEvents::new();
    for stock in 0..events {
        new.stock_low(&ProductId::new("sku-1").unwrap(), stock, 9);
    }
    let before = shop.store.event_figures(SystemClock.now()).await.unwrap().last;
    shop.store.emit(&new, SystemClock.now()).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while shop.store.event_figures(SystemClock.now()).await.unwrap().last < before + u64::from(events) {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[actix_web::test]
async fn targets_are_made_changed_and_removed() {
    let shop = Shop::open();
    assert_eq!(shop.get("/api/v1/webhooks").await.body, r#"{"items":[],"next_cursor":null}"#);
    let body =
        json!({"url": HOOK, "events": ["order.created", "stock.low"], "description": "the ☕ warehouse"});
    let made = add(&shop, &body).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/api/v1/webhooks/{id}"));
    assert_eq!(made.header("cache-control"), "no-store");
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.parse::<cartwright_webhooks::Secret>().is_ok(), "{secret}");
    let uri = format!("/api/v1/webhooks/{id}");
    let shown = shop.get(&uri).await;
    assert!(!shown.body.contains("secret\":\"whsec"), "{shown:?}");
    let shown = shown.json();
    assert_eq!((&shown["url"], &shown["events"]), (&body["url"], &body["events"]));
    assert_eq!((&shown["description"], &shown["enabled"]), (&body["description"], &json!(true)));
    assert!(shown["last_delivery"].is_null() && shown["previous_secret_until"].is_null());
    assert_eq!(shop.get("/api/v1/webhooks").await.json()["items"], json!([shown]));

    let change = async |body: Value| shop.json(Method::PATCH, &uri, &body.to_string()).await;
    let changed = change(json!({"enabled": false, "events": ["*"]})).await.json();
    assert_eq!((&changed["enabled"], &changed["events"]), (&json!(false), &Value::Null));
    assert_eq!(changed["url"], body["url"]);
    let moved = change(json!({"url": "https://other.example.com/"})).await.json();
    assert_eq!((&moved["url"], &moved["enabled"]), (&json!("https://other.example.com/"), &json!(false)));
    change(json!({"url": "https://127.0.0.1/"})).await.points_to("/url", "refused_url");
    change(json!({"secret": "mine"})).await.points_to("/secret", "unknown_field");

    let rotated = post(&shop, &format!("{uri}/rotate-secret")).await.json();
    assert_ne!(rotated["secret"], json!(secret));
    assert!(rotated["previous_secret_until"].is_string());
    for _ in 0..9 {
        assert_eq!(post(&shop, &format!("{uri}/rotate-secret")).await.status, 200);
    }
    post(&shop, &format!("{uri}/rotate-secret")).await.problem(409, "too_many_secrets");

    assert_eq!(shop.delete(&uri).await.status, 204);
    for answer in [
        shop.delete(&uri).await,
        shop.get(&uri).await,
        change(json!({"enabled": true})).await,
        post(&shop, &format!("{uri}/rotate-secret")).await,
        post(&shop, &format!("{uri}/test")).await,
        shop.json(Method::POST, &format!("{uri}/replay"), r#"{"after": 0}"#).await,
        shop.get(&format!("{uri}/deliveries")).await,
    ] {
        answer.problem(404, "webhook_not_found");
    }
    shop.get("/api/v1/webhooks/none").await.points_to("/path/webhook_id", "not_an_integer");
}

#[actix_web::test]
async fn shoppers_have_no_business_here() {
    let shop = Shop::open();
    for (method, uri) in [
        (Method::GET, "/api/v1/events"),
        (Method::GET, "/api/v1/webhooks"),
        (Method::POST, "/api/v1/webhooks"),
        (Method::DELETE, "/api/v1/webhooks/1"),
        (Method::POST, "/api/v1/webhooks/1/test"),
    ] {
        let refused = shop.send(request(method, uri).insert_header(("x-user-id", "ana"))).await;
        refused.problem(403, "operators_only");
    }
    let own = request(Method::GET, "/api/v1/users/ana/events").insert_header(("x-user-id", "ana"));
    assert_eq!(shop.send(own).await.status, 200);
}

#[actix_web::test]
async fn what_is_wrong_with_a_target_is_named() {
    let shop = Shop::open();
    for (body, pointer, code) in [
        (json!({}), "/url", "missing"),
        (json!({"url": 7}), "/url", "not_a_string"),
        (json!({"url": HOOK, "events": "order.created"}), "/events", "not_a_list"),
        (json!({"url": HOOK, "events": []}), "/events", "empty"),
        (json!({"url": HOOK, "events": ["order.created", "order"]}), "/events/1", "unknown"),
        (json!({"url": HOOK, "description": "x".repeat(201)}), "/description", "invalid_text"),
        (json!({"url": HOOK, "description": "a\u{202e}b"}), "/description", "invalid_text"),
        (json!({"url": HOOK, "enabled": "yes"}), "/enabled", "not_a_boolean"),
        (json!({"url": HOOK, "secret": "mine"}), "/secret", "unknown_field"),
        (json!({"url": "https://inside.example.com/"}), "/url", "refused_url"),
        (json!({"url": "https://hooks.unknown.net/"}), "/url", "refused_url"),
    ] {
        add(&shop, &body).await.points_to(pointer, code);
    }
    shop.json(Method::POST, "/api/v1/webhooks", "{").await.problem(400, "malformed_json");
    for _ in 0..5 {
        added(&shop, &json!({"url": HOOK})).await;
    }
    add(&shop, &json!({"url": HOOK})).await.problem(409, "too_many_webhooks");
}

/// The whole list of the crate that sends them.
#[actix_web::test]
async fn hostile_urls_are_refused() {
    let shop = Shop::open();
    for (url, _) in hostile() {
        let refused = add(&shop, &json!({"url": url})).await;
        refused.points_to("/url", "refused_url");
    }
    let long = format!("https://hooks.example.com/{}", "x".repeat(2048));
    add(&shop, &json!({"url": long})).await.points_to("/url", "refused_url");
    assert_eq!(shop.get("/api/v1/webhooks").await.json()["items"], json!([]));
}

#[actix_web::test]
async fn deliveries_are_listed_and_events_replayed() {
    let shop = Shop::open();
    let target = added(&shop, &json!({"url": HOOK, "events": ["stock.low"]})).await;
    let other = added(&shop, &json!({"url": HOOK})).await;
    let uri = format!("/api/v1/webhooks/{}", target["id"].as_str().unwrap());
    tell(&shop, 3).await;
    let list = async |query: &str| shop.get(&format!("{uri}/deliveries{query}")).await.json();
    let events = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("").await;
    assert_eq!((events(&all), &all["next_cursor"]), (vec!["3".into(), "2".into(), "1".into()], &Value::Null));
    assert_eq!((&all["items"][0]["state"], &all["items"][0]["max_attempts"]), (&json!("queued"), &json!(17)));
    let first = list("?limit=2").await;
    assert_eq!(events(&first), ["3", "2"]);
    let second = list(&format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((events(&second), &second["next_cursor"]), (vec!["1".to_owned()], &Value::Null));
    assert_eq!(events(&list("?state=dead").await), [""; 0]);
    shop.get(&format!("{uri}/deliveries?state=lost")).await.points_to("/query/state", "unknown");

    // All are done.
    let name = |text| JobName::new(text).unwrap();
    let queues = [name("webhooks")];
    let claim = Claim { worker: &name("w"), queues: &queues, limit: 100, lease: Duration::from_secs(60) };
    let claimed = shop.store.claim(&claim, SystemClock.now()).await.unwrap();
    assert_eq!(claimed.len(), 6, "three for each of the two");
    let done = claimed.iter().map(|job| Finished { hold: job.hold, outcome: JobOutcome::Done });
    shop.store.finish(&done.collect::<Vec<_>>(), SystemClock.now()).await.unwrap();
    assert_eq!(events(&list("?state=done").await).len(), 3);

    let replay =
        async |body: Value| shop.json(Method::POST, &format!("{uri}/replay"), &body.to_string()).await;
    let begun = replay(json!({"after": "1", "until": 2})).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = shop.get(&format!("/api/v1/jobs/{}", begun.json()["job_id"].as_str().unwrap())).await.json();
    assert_eq!(job["kind"], "webhook.replay");
    assert_eq!((&job["payload"]["after"], &job["payload"]["until"]), (&json!(1), &json!(2)));
    replay(json!({"after": 4})).await.points_to_in("/after", "too_far", "no_such_event");
    replay(json!({})).await.points_to("/after", "missing");
    replay(json!({"after": -1})).await.points_to("/after", "not_an_integer");
    replay(json!({"after": 2, "until": 1})).await.points_to("/until", "contradiction");
    let off = format!("/api/v1/webhooks/{}", other["id"].as_str().unwrap());
    shop.json(Method::PATCH, &off, r#"{"enabled": false}"#).await;
    let refused = shop.json(Method::POST, &format!("{off}/replay"), r#"{"after": 0}"#).await;
    refused.problem(409, "webhook_disabled");
    let later = SystemClock.now() + chrono::TimeDelta::hours(1);
    assert_eq!(shop.store.clean_events(later, 10).await.unwrap(), 1);
    replay(json!({"after": 0})).await.problem(410, "events_removed");
}
