//! Health, metrics, documentation.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;

use crate::kit::{Shop, request};

#[actix_web::test]
async fn health_says_what_is_there() {
    let shop = Shop::open();
    assert_eq!(shop.get("/livez").await.body, "ok\n");
    for uri in ["/health", "/api/v1/health", "/readyz", "/api/v1/health/ready"] {
        let answer = shop.get(uri).await;
        assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (200, Some("ok")));
        assert_eq!(answer.json()["dependencies"]["database"], "ok");
        assert_eq!(answer.json()["version"], shop.state.settings.version);
    }
    for uri in ["/redis/info", "/api/v1/redis/info"] {
        let info = shop.get(uri).await.json();
        assert_eq!((info["kind"].as_str(), info["in_use"].as_bool()), (Some("memory"), Some(true)));
    }
    let metrics = shop.get("/metrics").await;
    assert_eq!(metrics.body, "cartwright_up 1\n");
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));

    shop.state.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    for uri in ["/readyz", "/api/v1/health/ready"] {
        let answer = shop.get(uri).await;
        assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (503, Some("draining")));
    }
    assert_eq!(shop.get("/livez").await.status, 200);
}

#[actix_web::test]
async fn after_the_shutdown_requests_are_sent_elsewhere() {
    let shop = Shop::open();
    shop.state.carts.shutdown().await;
    let refused = shop.json(Method::POST, "/cart/ana/add", r#"{"product_id":"sku-1"}"#).await;
    refused.problem(503, "shutting_down");
    assert_eq!(refused.header("retry-after"), "1");
}

#[actix_web::test]
async fn the_document_has_every_address_and_no_other() {
    let shop = Shop::open();
    let answer = shop.get("/openapi.json").await;
    assert_eq!(
        answer.json(),
        serde_json::from_str::<serde_json::Value>(&cartwright_http::openapi()).unwrap()
    );
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));

    let mut ids = BTreeSet::new();
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.entry(path.clone()).or_default().insert(method.to_uppercase());
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            for name in path.split(['{', '}']).skip(1).step_by(2) {
                let parameters = operation["parameters"].to_string();
                let wanted = match name {
                    "user_id" => "UserId",
                    "category" => "Category",
                    "job_id" => "JobId",
                    "webhook_id" => "WebhookId",
                    "queue" => "Queue",
                    "order_id" => "OrderId",
                    "hold_id" => "HoldId",
                    "session_id" => "SessionId",
                    "handle" => "Handle",
                    _ => "ProductId",
                };
                assert!(parameters.contains(wanted), "{method} {path}: {parameters}");
            }
        }
    }
    let files = ["/docs/{file:.*}", "/redoc/redoc.standalone.js", "/jobs/{file}"];
    let mounted: BTreeMap<String, BTreeSet<String>> = (cartwright_http::addresses().into_iter())
        .filter(|(path, _)| !files.contains(path))
        .map(|(path, allow)| {
            let methods = allow.split(", ").filter(|method| *method != "HEAD").map(str::to_owned);
            (path.to_owned(), methods.collect())
        })
        .collect();
    assert_eq!(described, mounted);
}

#[actix_web::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let document: serde_json::Value = serde_json::from_str(&cartwright_http::openapi()).unwrap();
    let mut todo = vec![&document];
    let mut seen = 0;
    while let Some(value) = todo.pop() {
        if let Some(target) = value.get("$ref").and_then(|target| target.as_str()) {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            seen += 1;
        }
        todo.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        todo.extend(value.as_array().into_iter().flatten());
    }
    assert!(seen > 50, "{seen}");
}

#[actix_web::test]
async fn the_pages_bring_all_they_need() {
    let shop = Shop::open();
    let redoc = shop.get("/redoc").await;
    assert!(redoc.body.contains(r#"src="/redoc/redoc.standalone.js""#) && !redoc.body.contains("https://"));
    assert!(redoc.header("content-security-policy").contains("worker-src blob:"));
    let script = shop.get("/redoc/redoc.standalone.js").await;
    assert!(script.body.len() > 500_000 && script.header("content-type").starts_with("text/javascript"));
    let packed = request(Method::GET, "/openapi.json").insert_header(("accept-encoding", "gzip"));
    assert_eq!(shop.send(packed).await.header("content-encoding"), "gzip");

    assert_eq!(shop.get("/docs").await.header("location"), "/docs/");
    let swagger = shop.get("/docs/").await;
    assert!(swagger.header("content-type").starts_with("text/html"), "{swagger:?}");
    assert!(swagger.body.contains("swagger-ui-bundle.js"));
    assert!(shop.get("/docs/swagger-initializer.js").await.body.contains("/openapi.json"));
    assert_eq!(shop.get("/docs/swagger-ui-bundle.js").await.status, 200);
    shop.get("/docs/../Cargo.toml").await.problem(404, "not_found");
}
