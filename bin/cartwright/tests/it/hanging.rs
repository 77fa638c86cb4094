//! A receiver of webhooks that takes connections and never answers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cartwright_testkit::eventually;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{Node, START, expect};

/// How many hang at a time.
const HANGING: usize = 4;

/// Deliveries that hang take the places of deliveries: orders go on as if there were none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_up_no_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let taken: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let taking = {
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                taken.lock().unwrap().push(stream);
            }
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let places = HANGING.to_string();
    let node = Node::start(
        folder.path(),
        &[
            ("CARTWRIGHT__WEBHOOKS__ALLOW_PRIVATE", "true"),
            ("CARTWRIGHT__WEBHOOKS__ALLOW_HTTP", "true"),
            ("CARTWRIGHT__WEBHOOKS__PORTS", &port),
            ("CARTWRIGHT__WEBHOOKS__TIMEOUT_SECONDS", "60"),
            ("CARTWRIGHT__WEBHOOKS__CONCURRENCY", &places),
            ("CARTWRIGHT__JOBS__CONCURRENCY", &places),
            ("CARTWRIGHT__ORDERS__PROCESS_AFTER_SECONDS", "0"),
        ],
    );
    let mut client = node.client().await;
    let product = json!({"id": "tea", "name": "Tea", "price": 2.5, "currency": "EUR", "stock": 100});
    expect(&mut client, 201, "POST", "/api/v1/products", &product.to_string()).await;
    let target =
        json!({"url": format!("http://127.0.0.1:{port}/"), "events": ["order.created", "order.changed"]});
    expect(&mut client, 201, "POST", "/api/v1/webhooks", &target.to_string()).await;
    let mut buy = async |buyer: usize| {
        let cart = format!("/api/v1/carts/u{buyer}");
        let line = r#"{"product_id": "tea", "quantity": 1}"#;
        expect(&mut client, 200, "POST", &format!("{cart}/items"), line).await;
        let made =
            expect(&mut client, 201, "POST", &format!("{cart}/checkout"), r#"{"cart_version": 1}"#).await;
        made["id"].as_str().unwrap().to_owned()
    };
    for buyer in 0..2 * HANGING {
        buy(buyer).await;
    }
    eventually(START, async || taken.lock().unwrap().len() == HANGING).await;
    let order = buy(2 * HANGING).await;
    // Well before the first attempt is given up.
    eventually(Duration::from_secs(30), async || {
        let mut client = node.client().await;
        let order = expect(&mut client, 200, "GET", &format!("/api/v1/orders/{order}"), "").await;
        order["status"] == "completed"
    })
    .await;
    assert_eq!(taken.lock().unwrap().len(), HANGING, "and no more are told at a time");
    // They end: a worker that stops does not wait for them to answer.
    taking.abort();
    taken.lock().unwrap().clear();
    node.stop();
}
