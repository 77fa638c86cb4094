//! Several nodes on one PostgreSQL.

use std::{path::Path, time::Duration};

use cartwright_testkit::{Postgres, RedisTopology, eventually};

use crate::kit::{Node, exact_sum, expect, run, text};

fn products(folder: &Path, variables: &[(&str, &str)]) {
    let seeded = run(folder, &["seed", "--users", "0", "--lines", "1", "--products", "20"], variables);
    assert!(seeded.status.success(), "{}", text(&seeded));
}

async fn cache_is_in_use(node: &Node) {
    eventually(Duration::from_secs(30), async || {
        let metrics = node.client().await.send("GET", "/metrics", "").await.unwrap();
        String::from_utf8(metrics.body).unwrap().lines().any(|line| line == "cartwright_gate_open 1")
    })
    .await;
}

#[tokio::test]
async fn serve_refuses_pending_migrations_when_told_to_and_migrate_applies_them() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let variables = [("DATABASE_URL", url.as_str()), ("CARTWRIGHT__DATABASE__MIGRATE_ON_START", "false")];
    let refused = run(folder.path(), &["serve"], &variables);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("cartwright migrate"), "{}", text(&refused));
    let migrated = run(folder.path(), &["migrate"], &variables);
    assert!(migrated.status.success() && text(&migrated).contains("applied"), "{}", text(&migrated));
    let node = Node::start(folder.path(), &variables);
    node.says("set REDIS_URL").await;
    node.stop();
}

#[tokio::test]
async fn parallel_adds_on_two_nodes_sum_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let redis = RedisTopology::start(2).unwrap();
    let replicas: Vec<String> = redis.replicas.iter().map(cartwright_testkit::RedisServer::url).collect();
    let (primary, replicas) = (redis.primary.url(), replicas.join(","));
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", primary.as_str()),
        ("REDIS_REPLICA_URLS", replicas.as_str()),
    ];
    products(folder.path(), &variables);
    let nodes = [Node::start(folder.path(), &variables), Node::start(folder.path(), &variables)];
    for node in &nodes {
        cache_is_in_use(node).await;
    }
    exact_sum(&[&nodes[0], &nodes[1]], |n| format!("seed-{n}")).await;
    for node in &nodes {
        node.stop();
    }
}

#[tokio::test]
async fn a_node_without_redis_never_writes_behind_the_back_of_one_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let redis = RedisTopology::start(0).unwrap();
    let primary = redis.primary.url();
    let plain = [("DATABASE_URL", url.as_str())];
    let cached = [("DATABASE_URL", url.as_str()), ("REDIS_URL", primary.as_str())];
    products(folder.path(), &cached);
    let (with, without) = (Node::start(folder.path(), &cached), Node::start(folder.path(), &plain));
    cache_is_in_use(&with).await;
    let (mut reader, mut writer) = (with.client().await, without.client().await);
    let path = "/api/v1/carts/ana";
    for version in 1..=3 {
        let body = r#"{"product_id": "seed-1", "quantity": 1}"#;
        expect(&mut writer, 200, "POST", &format!("{path}/items"), body).await;
        // twice: the first read may put the cart in the cache
        for _ in 0..2 {
            assert_eq!(expect(&mut reader, 200, "GET", path, "").await["version"], version);
        }
    }
}
