//! Histories of orders: on several nodes, with a worker, with a node that has no Redis.

use std::time::Duration;

use cartwright_testkit::{Postgres, RedisTopology, ServerProcess, eventually};
use serde_json::{Value, json};

use crate::kit::{Node, START, expect, migrate, show};

const HISTORY: &str = "/api/v1/users/ana/orders";
const ORDER: &str = r#"{"product_id": "tea", "quantity": 1}"#;

/// Ids and statuses, the newest first, and who answered.
async fn shown(node: &Node) -> (Vec<(String, String)>, String) {
    let shown = show(&node.url, HISTORY).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let orders = shown.body["items"].as_array().unwrap().iter();
    let orders = orders.map(|order| (text(&order["id"]), text(&order["status"]))).collect();
    (orders, shown.header("x-cache").to_owned())
}

/// Until it is served from Redis.
async fn cached(node: &Node) {
    eventually(START, async || shown(node).await.1 == "primary").await;
}

async fn buy(node: &Node) -> String {
    let answer =
        node.client().await.send_with("x-user-id: ana\r\n", "POST", "/api/v1/orders", ORDER).await.unwrap();
    let order: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 201, "{order}");
    order["id"].as_str().unwrap().to_owned()
}

async fn offer_tea(node: &Node) {
    let tea = json!({"id": "tea", "name": "Tea", "price": "2.50", "currency": "EUR", "stock": 1_000});
    expect(&mut node.client().await, 201, "POST", "/api/v1/products", &tea.to_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_workers_take_histories_out_of_the_cache_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let (url, redis) = (Postgres::shared().fresh_database().await, RedisTopology::start(1).unwrap());
    let (primary, replica) = (redis.primary.url(), redis.replicas[0].url());
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", primary.as_str()),
        ("REDIS_REPLICA_URLS", replica.as_str()),
        // Nothing in here is to be mended by time.
        ("CARTWRIGHT__CACHE__HISTORY_TTL_SECONDS", "86400"),
        ("CARTWRIGHT__ORDERS__PROCESS_AFTER_SECONDS", "1"),
        ("CARTWRIGHT__JOBS__IN_SERVE", "off"),
    ];
    migrate(folder.path(), &variables);
    let nodes = [Node::start(folder.path(), &variables), Node::start(folder.path(), &variables)];
    offer_tea(&nodes[0]).await;
    for node in &nodes {
        cached(node).await;
        assert!(shown(node).await.0.is_empty());
    }
    let mut bought = Vec::new();
    for turn in 0..10 {
        let (here, there) = (&nodes[turn % 2], &nodes[(turn + 1) % 2]);
        bought.insert(0, buy(here).await);
        let (orders, _) = shown(there).await;
        let ids: Vec<&String> = orders.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, bought.iter().collect::<Vec<_>>(), "turn {turn}");
        cached(there).await;
    }
    let cancelled = &bought[3];
    let path = format!("/api/v1/orders/{cancelled}/cancel");
    expect(&mut nodes[0].client().await, 200, "POST", &path, "").await;
    assert_eq!(shown(&nodes[1]).await.0[3], (cancelled.clone(), "cancelled".to_owned()));
    cached(&nodes[1]).await;
    // Only the worker can take it out now.
    let mut worker = ServerProcess::builder(env!("CARGO_BIN_EXE_cartwright"))
        .args(["worker"])
        .clear_env()
        .current_dir(folder.path());
    for (name, value) in variables {
        worker = worker.env(name, value);
    }
    let worker = worker.start().unwrap();
    for node in &nodes {
        eventually(START, async || {
            let (orders, _) = shown(node).await;
            orders.iter().filter(|(_, status)| status == "completed").count() == bought.len() - 1
        })
        .await;
    }
    worker.terminate();
    assert!(worker.wait_exit(START).expect("it ends in time").success(), "{}", worker.log());
    for node in &nodes {
        node.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_redis_never_sells_behind_the_back_of_one_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (url, redis) = (Postgres::shared().fresh_database().await, RedisTopology::start(0).unwrap());
    let primary = redis.primary.url();
    let plain = [("DATABASE_URL", url.as_str())];
    let cached_by = [("DATABASE_URL", url.as_str()), ("REDIS_URL", primary.as_str())];
    migrate(folder.path(), &cached_by);
    let (with, without) = (Node::start(folder.path(), &cached_by), Node::start(folder.path(), &plain));
    offer_tea(&with).await;
    cached(&with).await;
    for count in 1..=3 {
        let began = std::time::Instant::now();
        let id = buy(&without).await;
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let (orders, _) = shown(&with).await;
        assert_eq!((orders.len(), &orders[0].0), (count, &id));
        assert_eq!(shown(&without).await, (orders, "database".to_owned()));
    }
}
