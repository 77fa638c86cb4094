//! One process, on the embedded default.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cartwright_testkit::eventually;

use crate::kit::{Node, exact_sum, expect, run, text};

#[tokio::test]
async fn a_first_start_serves_carts_and_a_restart_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    node.says("products \"1\" to \"20\"").await;
    node.says("/docs").await;
    let mut client = node.client().await;
    let cart = "/api/v1/carts/ana";
    assert_eq!(expect(&mut client, 200, "GET", cart, "").await["version"], 0);
    let added =
        expect(&mut client, 200, "POST", &format!("{cart}/items"), r#"{"product_id": 2, "quantity": 2}"#)
            .await;
    assert_eq!(added["total_quantity"], 2);
    assert_eq!(added["items"][0]["name"], "Wireless mouse");
    expect(&mut client, 200, "PUT", &format!("{cart}/items/2"), r#"{"quantity": 5}"#).await;
    assert_eq!(expect(&mut client, 200, "GET", &format!("{cart}/count"), "").await["total_quantity"], 5);
    assert_eq!(expect(&mut client, 200, "GET", "/cart/ana", "").await["total_quantity"], 5);
    expect(&mut client, 200, "POST", &format!("{cart}/items"), r#"{"product_id": 3, "quantity": 1}"#).await;
    expect(&mut client, 200, "DELETE", &format!("{cart}/items/3"), "").await;
    expect(&mut client, 422, "POST", &format!("{cart}/items"), r#"{"product_id": 3, "quantity": 0}"#).await;
    expect(&mut client, 404, "GET", "/nowhere", "").await;
    drop(client);
    node.stop();

    node.process.restart();
    node.wait_ready();
    let mut client = node.client().await;
    let kept = expect(&mut client, 200, "GET", cart, "").await;
    assert_eq!((&kept["total_quantity"], &kept["version"]), (&5.into(), &4.into()));
    assert_eq!(
        node.process.log().matches("products \"1\" to \"20\"").count(),
        1,
        "the catalogue is seeded once"
    );
    expect(&mut client, 200, "DELETE", cart, "").await;
    assert_eq!(expect(&mut client, 200, "GET", cart, "").await["item_count"], 0);
}

#[tokio::test]
async fn parallel_adds_on_sqlite_sum_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    exact_sum(&[&node], |n| n.to_string()).await;
}

#[tokio::test]
async fn sigterm_under_load_finishes_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (mut client, acknowledged) = (node.client().await, Arc::clone(&acknowledged));
        tasks.spawn(async move {
            let path = format!("/api/v1/carts/load-{n}/items");
            let mut added = 0_u64;
            // Ends with the connection. A line holds 1,000 of a product, so the products change.
            for add in 0_u64.. {
                let body = format!(r#"{{"product_id": {}, "quantity": 1}}"#, add / 900 % 20 + 1);
                match client.send("POST", &path, &body).await {
                    Ok(answer) if answer.status == 200 => {
                        added += 1;
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(answer) => {
                        assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
                        break;
                    }
                    Err(_closed) => break,
                }
            }
            (n, added)
        });
    }
    eventually(Duration::from_secs(30), || async { acknowledged.load(Ordering::Relaxed) > 200 }).await;
    node.stop();
    let counts = tasks.join_all().await;
    node.process.restart();
    node.wait_ready();
    let mut client = node.client().await;
    for (n, added) in counts {
        let cart = expect(&mut client, 200, "GET", &format!("/api/v1/carts/load-{n}"), "").await;
        let kept = cart["total_quantity"].as_u64().unwrap();
        // One more when the last answer was lost with its connection.
        assert!((added..=added + 1).contains(&kept), "load-{n}: {added} acknowledged, {kept} kept");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_file_says_why_it_cannot_start() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path(), &[]);
    let second = run(folder.path(), &["serve"], &[("CARTWRIGHT__SERVER__LISTEN", "127.0.0.1:0")]);
    assert!(!second.status.success());
    assert!(text(&second).contains("another Cartwright process uses"), "{}", text(&second));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(folder.path(), &[], &[("CARTWRIGHT__SERVER__LISTEN", &address)]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains(&format!("server.listen {address}")), "{}", text(&refused));
}

#[tokio::test]
async fn with_the_cache_off_every_read_asks_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[("CARTWRIGHT__CACHE__CARTS", "off")]);
    let mut client = node.client().await;
    expect(&mut client, 200, "POST", "/api/v1/carts/ana/items", r#"{"product_id": 1, "quantity": 1}"#).await;
    for _ in 0..2 {
        assert_eq!(expect(&mut client, 200, "GET", "/api/v1/carts/ana", "").await["total_quantity"], 1);
    }
    let metrics = client.send("GET", "/metrics", "").await.unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    let memory = metrics.lines().find(|line| line.contains(r#"answered_by="memory""#));
    assert!(memory.is_none_or(|line| line.ends_with(" 0")), "{memory:?}");
}
