//! A Redis that lets the server do what docs/OPERATIONS.md says that it needs, and nothing else.

use std::time::Duration;

use cartwright_testkit::{RedisServer, eventually};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::kit::{Node, START, show};

/// As it is written there, with another password.
fn user() -> String {
    let document = include_str!("../../../../docs/OPERATIONS.md");
    let (_, rest) = document.split_once("ACL SETUSER ").unwrap();
    let (rule, _) = rest.split_once("```").unwrap();
    rule.split_whitespace().collect::<Vec<_>>().join(" ").replace(">password", ">hush")
}

/// What Redis has refused.
async fn refused(redis: &RedisServer) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    stream.write_all(b"ACL LOG 50\r\nQUIT\r\n").await.unwrap();
    let mut log = String::new();
    stream.read_to_string(&mut log).await.unwrap();
    log
}

#[tokio::test]
async fn the_documented_user_of_redis_may_do_all_that_is_done() {
    let redis = RedisServer::builder().acl(&user()).start().unwrap();
    let url = format!("redis://cartwright:hush@127.0.0.1:{}/", redis.port());
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(
        folder.path(),
        &[
            ("REDIS_URL", &url),
            ("CARTWRIGHT__LIMITS__ENABLED", "true"),
            ("CARTWRIGHT__LIMITS__READS", "1000"),
        ],
    );
    eventually(START, || async { show(&node.url, "/redis/info").await.body["in_use"] == true }).await;

    let ask = async |headers: &str, method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = node.client().await.send_with(headers, method, path, &body).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status < 300, "{method} {path}: {} {text}", answer.status);
        serde_json::from_str::<Value>(&text).unwrap_or_default()
    };
    let ana = "x-user-id: ana\r\n";
    for _ in 0..3 {
        ask(ana, "POST", "/cart/add", json!({"product_id": 1})).await;
        ask(ana, "GET", "/cart", Value::Null).await;
        ask("", "GET", "/api/v1/carts/ana", Value::Null).await;
        ask(ana, "POST", "/api/v1/orders", json!({"product_id": 2, "quantity": 1})).await;
        ask(ana, "POST", "/api/v1/holds", json!({"product_id": 3, "quantity": 1})).await;
        ask("", "GET", "/api/v1/users/ana/orders", Value::Null).await;
        ask("", "PATCH", "/api/v1/products/4", json!({"stock": 7})).await;
        for path in [
            "products/4/cached",
            "search?q=wireless",
            "categories",
            "stats/top-products",
            "products/1/related",
        ] {
            ask("", "GET", &format!("/api/v1/{path}"), Value::Null).await;
        }
        ask(ana, "PUT", "/api/v1/users/ana/profile", json!({"data": {"colour": "green"}})).await;
        ask(ana, "GET", "/api/v1/users/ana/profile", Value::Null).await;
        let session = ask("", "POST", "/api/v1/sessions", json!({"data": {"step": 1}})).await;
        let path = format!("/api/v1/sessions/{}", session["session_id"].as_str().unwrap());
        ask(ana, "PUT", &path, json!({"data": {"step": 2}})).await;
        let session = ask(ana, "POST", &format!("{path}/login"), Value::Null).await;
        let path = format!("/api/v1/sessions/{}", session["session_id"].as_str().unwrap());
        assert_eq!(ask(ana, "GET", &path, Value::Null).await["data"]["step"], 2);
        ask(ana, "GET", "/api/v1/users/ana/sessions", Value::Null).await;
        ask(ana, "DELETE", &path, Value::Null).await;
        ask(ana, "POST", "/api/v1/sessions", json!({})).await;
        ask(ana, "DELETE", "/api/v1/users/ana/sessions", Value::Null).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for (path, layers) in [
        ("/api/v1/carts/ana", &["primary"][..]),
        ("/api/v1/users/ana/orders", &["primary", "cache"]),
        ("/api/v1/users/ana/profile", &["primary", "cache"]),
    ] {
        let answer = show(&node.url, path).await;
        assert!(layers.contains(&answer.header("x-cache")), "{path}: {answer:?}");
    }
    ask(ana, "DELETE", "/api/v1/users/ana", Value::Null).await;
    assert_eq!(refused(&redis).await, "*0\r\n+OK\r\n");
    let metrics = node.client().await.send("GET", "/metrics", "").await.unwrap().body;
    let metrics = String::from_utf8(metrics).unwrap();
    for name in [
        "cartwright_redis_errors_total",
        "cartwright_limit_fallbacks_total",
        "cartwright_session_store_errors_total",
    ] {
        let counted = metrics.lines().filter(|line| line.starts_with(name)).all(|line| line.ends_with(" 0"));
        assert!(counted, "{metrics}");
    }
    node.stop();
    let doctor = crate::kit::run(folder.path(), &["doctor"], &[("REDIS_URL", &url)]);
    assert!(doctor.status.success(), "{doctor:?}");
    assert_eq!(refused(&redis).await, "*0\r\n+OK\r\n");
}
