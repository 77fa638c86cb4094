//! Events and webhooks with the real program: from an order to its receiver, whoever is killed in between.

use std::{collections::HashSet, path::Path, time::Duration};

use cartwright_domain::{Clock, SystemClock};
use cartwright_testkit::{Postgres, ServerProcess, eventually};
use cartwright_webhooks::{Secret, Secrets, Signature};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::Client,
    kit::{Node, START, expect},
    receiver::Receiver,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cartwright");
const PATIENCE: Duration = Duration::from_secs(60);

/// Receivers of tests are on this machine.
const OPEN: [(&str, &str); 4] = [
    ("CARTWRIGHT__WEBHOOKS__ALLOW_PRIVATE", "true"),
    ("CARTWRIGHT__WEBHOOKS__ALLOW_HTTP", "true"),
    ("CARTWRIGHT__JOBS__LEASE_SECONDS", "3"),
    ("CARTWRIGHT__JOBS__POLL_MS", "20"),
];

fn variables<'a>(url: &'a str, port: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut variables = OPEN.to_vec();
    variables.extend([("DATABASE_URL", url), ("CARTWRIGHT__WEBHOOKS__PORTS", port)]);
    variables
}

fn worker(folder: &Path, variables: &[(&str, &str)]) -> ServerProcess {
    let mut worker = ServerProcess::builder(PROGRAM).arg("worker").clear_env().current_dir(folder);
    for (name, value) in variables {
        worker = worker.env(name, value);
    }
    worker.start().unwrap()
}

async fn product(client: &mut Client, stock: u32) {
    let body = json!({"id": "tea", "name": "Tea", "price": 2.5, "currency": "EUR", "stock": stock});
    expect(client, 201, "POST", "/api/v1/products", &body.to_string()).await;
}

/// Fills a cart and buys it. `None`: the node is not there (any more), and the order may have been made or not.
async fn buy(url: &str, buyer: &str) -> Option<String> {
    let mut client = Client::connect(url).await.ok()?;
    let path = format!("/api/v1/carts/{buyer}/items");
    let added = client.send("POST", &path, r#"{"product_id": "tea", "quantity": 1}"#).await.ok()?;
    let cart: Value = serde_json::from_slice(&added.body).ok()?;
    let checkout = format!("/api/v1/carts/{buyer}/checkout");
    let body = json!({"cart_version": cart["version"]}).to_string();
    let answer = client.send("POST", &checkout, &body).await.ok().filter(|answer| answer.status == 201)?;
    let order: Value = serde_json::from_slice(&answer.body).ok()?;
    Some(order["id"].as_str()?.to_owned())
}

async fn target(client: &mut Client, receiver: &Receiver, events: &[&str]) -> (String, Secret) {
    let body = json!({"url": receiver.url(), "events": events}).to_string();
    let made = expect(client, 201, "POST", "/api/v1/webhooks", &body).await;
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().parse().unwrap())
}

/// The orders that a receiver was told of.
fn told(receiver: &Receiver) -> HashSet<String> {
    let subject =
        |body: &str| serde_json::from_str::<Value>(body).unwrap()["subject"].as_str().unwrap().to_owned();
    receiver.received().iter().map(|received| subject(&received.body)).collect()
}

/// SQLite, one process: everything works out of the box, but for where the test's receiver is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_becomes_a_webhook_that_is_tried_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&["500 Oops", "503 Later"]).await;
    let port = receiver.port().to_string();
    let mut variables = OPEN.to_vec();
    variables.push(("CARTWRIGHT__WEBHOOKS__PORTS", &port));
    let node = Node::start(folder.path(), &variables);
    let mut client = node.client().await;
    product(&mut client, 10).await;
    let (id, secret) = target(&mut client, &receiver, &["order.created", "stock.low"]).await;
    let order = buy(&node.url, "ana").await.unwrap();
    eventually(PATIENCE, async || receiver.received().len() == 3).await;
    for received in receiver.received() {
        let verdict = received.signed().verify(
            &Secrets::only(secret.clone()),
            received.body.as_bytes(),
            SystemClock.now(),
            Signature::TOLERANCE,
        );
        assert_eq!(verdict, Ok(()));
        let event: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!((&event["type"], &event["subject"]), (&json!("order.created"), &json!(order)));
        assert_eq!(received.header("webhook-id"), format!("evt_{}", event["id"].as_str().unwrap()));
    }

    // Restarted, it goes on; and what was sent is sent again, when somebody wants it.
    node.stop();
    let node = Node::start(folder.path(), &variables);
    let mut client = node.client().await;
    let list = expect(&mut client, 200, "GET", "/api/v1/events?types=order.created", "").await;
    assert_eq!((list["items"].as_array().unwrap().len(), &list["items"][0]["subject"]), (1, &json!(order)));
    let replay = format!("/api/v1/webhooks/{id}/replay");
    expect(&mut client, 202, "POST", &replay, r#"{"after": 0}"#).await;
    eventually(PATIENCE, async || receiver.received().len() == 4).await;
    let all = receiver.received();
    assert_eq!(receiver.events().len(), 4);
    assert_eq!(all[3].body, all[0].body);
    assert_eq!(all[3].header("webhook-id"), all[0].header("webhook-id"));
    let shown = expect(&mut client, 200, "GET", &format!("/api/v1/webhooks/{id}"), "").await;
    assert!(!shown.to_string().contains("whsec_") && !node.process.log().contains("whsec_"));
    let deliveries = expect(&mut client, 200, "GET", &format!("/api/v1/webhooks/{id}/deliveries"), "").await;
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 2);
    node.stop();
}

/// Events as a browser hears them, over a connection of its own.
struct Stream(TcpStream, String);

impl Stream {
    async fn open(url: &str, after: u64) -> Self {
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /api/v1/events?types=order.created HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\
             last-event-id: {after}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(stream, String::new())
    }

    /// The next event: its number and its document. `None`: the connection is gone.
    async fn next(&mut self) -> Option<(u64, Value)> {
        loop {
            while let Some((line, rest)) = self.1.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.1 = rest;
                if let Some(document) = line.strip_prefix("data: ") {
                    let document: Value = serde_json::from_str(document).unwrap();
                    return Some((document["id"].as_str()?.parse().unwrap(), document));
                }
            }
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut bytes)).await.expect("an event in time");
            match read {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.1.push_str(std::str::from_utf8(&bytes[..n]).unwrap()),
            }
        }
    }
}

/// Two nodes and two workers take turns at numbering and delivering, and are killed while they are at it. Every order that
/// was acknowledged is told, to the receiver and on a stream that goes on at the other node where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_is_told_whoever_is_killed() {
    const ROUNDS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let receiver = Receiver::start(&[]).await;
    let port = receiver.port().to_string();
    let variables = variables(&url, &port);
    let mut nodes = vec![Node::start(folder.path(), &variables), Node::start(folder.path(), &variables)];
    let mut workers = vec![worker(folder.path(), &variables), worker(folder.path(), &variables)];
    let mut client = nodes[0].client().await;
    product(&mut client, 10_000).await;
    target(&mut client, &receiver, &["order.created"]).await;

    let (mut acknowledged, mut seen, mut last) = (HashSet::new(), HashSet::new(), 0);
    for round in 0..ROUNDS {
        let mut buying = tokio::task::JoinSet::new();
        for buyer in 0..12 {
            let url = nodes[buyer % 2].url.clone();
            buying.spawn(async move {
                let mut orders = Vec::new();
                for n in 0..10 {
                    orders.extend(buy(&url, &format!("b{round}-{buyer}-{n}")).await);
                }
                orders
            });
        }
        let mut stream = Stream::open(&nodes[round % 2].url, last).await;
        let heard = async {
            while let Some((number, event)) = stream.next().await {
                assert!(number > last, "in order, and nothing twice");
                last = number;
                seen.insert(event["subject"].as_str().unwrap().to_owned());
            }
        };
        let killing = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            nodes[round % 2].process.kill();
            workers[round % 2].kill();
        };
        tokio::join!(heard, killing);
        nodes[round % 2] = Node::start(folder.path(), &variables);
        workers[round % 2] = worker(folder.path(), &variables);
        while let Some(orders) = buying.join_next().await {
            acknowledged.extend(orders.unwrap());
        }
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    eventually(PATIENCE, async || told(&receiver).is_superset(&acknowledged)).await;
    let mut stream = Stream::open(&nodes[0].url, last).await;
    while !seen.is_superset(&acknowledged) {
        let (number, event) = stream.next().await.expect("the node lives");
        assert!(number > last);
        last = number;
        seen.insert(event["subject"].as_str().unwrap().to_owned());
    }
    for worker in &workers {
        worker.terminate();
        assert!(worker.wait_exit(START).expect("it ends in time").success());
    }
    drop(stream);
    for node in &nodes {
        node.stop();
    }
}
