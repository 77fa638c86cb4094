//! Everybody wants the same at the same moment, on three nodes.
//!
//! `CARTWRIGHT_RUSH=full` makes it 200,000 attempts over 500 connections for 10,000 units, for each strategy; best with
//! `--release`.

use std::sync::Arc;

use cartwright_domain::{OrderPaging, OrderQuery, Page, ProductId};
use cartwright_storage::{CatalogStore, OrderStore, ReadFrom};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::{Postgres, RedisTopology};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    client::Client,
    kit::{Node, expect, migrate},
};

#[derive(Clone, Copy)]
struct Size {
    units: usize,
    attempts: usize,
    connections: usize,
}

fn size() -> Size {
    match std::env::var("CARTWRIGHT_RUSH").as_deref() {
        Ok("full") => Size { units: 10_000, attempts: 200_000, connections: 500 },
        _ => Size { units: 300, attempts: 3_000, connections: 60 },
    }
}

/// Three nodes on one database and one Redis.
struct Shop {
    nodes: Vec<Node>,
    store: PostgresStore,
    _redis: RedisTopology,
    _folder: TempDir,
}

impl Shop {
    async fn open(strategy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, redis) = (Postgres::shared().fresh_database().await, RedisTopology::start(1).unwrap());
        let (primary, replica) = (redis.primary.url(), redis.replicas[0].url());
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("REDIS_URL", primary.as_str()),
            ("REDIS_REPLICA_URLS", replica.as_str()),
            ("CARTWRIGHT__ORDERS__STRATEGY", strategy),
        ];
        migrate(folder.path(), &variables);
        let nodes = (0..3).map(|_| Node::start(folder.path(), &variables)).collect();
        let store = PostgresStore::connect(PostgresOptions::new(&url)).await.unwrap();
        Self { nodes, store, _redis: redis, _folder: folder }
    }

    async fn product(&self, id: &str, units: usize) {
        let body = json!({"id": id, "name": id, "price": "2.50", "currency": "EUR", "stock": units});
        expect(&mut self.nodes[0].client().await, 201, "POST", "/api/v1/products", &body.to_string()).await;
    }

    async fn units(&self, id: &str) -> u32 {
        let id = ProductId::new(id).unwrap();
        let found = self.store.products(&[id], ReadFrom::Primary).await.unwrap().remove(0);
        found.unwrap().details.stock.get()
    }

    async fn orders(&self) -> usize {
        let query = OrderQuery { paging: OrderPaging::Page(Page::default()), ..OrderQuery::default() };
        let total = self.store.list_orders(&query).await.unwrap().total.unwrap();
        usize::try_from(total).unwrap()
    }

    /// So many attempts from so many connections, all at once: how many were sold. Everybody else must be told that there
    /// is nothing left, in these words.
    async fn rush(&self, size: Size, attempt: impl AsyncAttempt) -> usize {
        let start = Arc::new(Barrier::new(size.connections));
        let mut tasks = JoinSet::new();
        for n in 0..size.connections {
            let (mut client, start, attempt) =
                (self.nodes[n % self.nodes.len()].client().await, Arc::clone(&start), attempt.clone());
            tasks.spawn(async move {
                start.wait().await;
                let mut sold = 0;
                for turn in 0..size.attempts / size.connections {
                    sold += usize::from(attempt.buys(&mut client, n, turn).await);
                }
                sold
            });
        }
        let mut sold = 0;
        while let Some(outcome) = tasks.join_next().await {
            sold += outcome.unwrap();
        }
        sold
    }
}

/// Somebody tries to buy.
trait AsyncAttempt: Clone + Send + Sync + 'static {
    fn buys(&self, client: &mut Client, who: usize, turn: usize) -> impl Future<Output = bool> + Send;
}

/// One unit of the product that everybody wants.
#[derive(Clone)]
struct One;

impl AsyncAttempt for One {
    async fn buys(&self, client: &mut Client, who: usize, _turn: usize) -> bool {
        let user = format!("x-user-id: user-{who}\r\n");
        let body = r#"{"product_id": "hot", "quantity": 1}"#;
        sold(client.send_with(&user, "POST", "/api/v1/orders", body).await, "Available: 0, Requested: 1")
    }
}

/// Several products, in one order or in the other: every second time as a cart.
#[derive(Clone)]
struct Several;

impl AsyncAttempt for Several {
    async fn buys(&self, client: &mut Client, who: usize, turn: usize) -> bool {
        let products = if (who + turn).is_multiple_of(2) { ["a", "b", "c"] } else { ["c", "b", "a"] };
        if turn.is_multiple_of(2) {
            let user = format!("x-user-id: user-{who}\r\n");
            let lines = products.map(|id| json!({"product_id": id, "quantity": 1}));
            let body = json!({"lines": lines}).to_string();
            return sold(client.send_with(&user, "POST", "/api/v1/orders", &body).await, "Available: 0");
        }
        let cart = format!("/api/v1/carts/user-{who}");
        let mut version = Value::Null;
        for id in products {
            // Of what was refused before there is one in the cart already.
            let path = format!("{cart}/items/{id}");
            let (method, path, body) = ("PUT", path, r#"{"quantity": 1}"#);
            let answer = client.send(method, &path, body).await.unwrap();
            let changed: Value = serde_json::from_slice(&answer.body).unwrap();
            version = if answer.status == 200 {
                changed["version"].clone()
            } else {
                let body = json!({"product_id": id, "quantity": 1}).to_string();
                expect(client, 200, "POST", &format!("{cart}/items"), &body).await["version"].clone()
            };
        }
        let body = json!({"cart_version": version}).to_string();
        sold(client.send("POST", &format!("{cart}/checkout"), &body).await, "Available: 0")
    }
}

fn sold(answer: anyhow::Result<crate::client::Answer>, refusal: &str) -> bool {
    let answer = answer.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    match answer.status {
        201 => true,
        409 => {
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.starts_with("Insufficient stock.") && detail.contains(refusal), "{body}");
            false
        }
        other => panic!("{other}: {body}"),
    }
}

async fn sells_exactly_what_there_is(strategy: &str) {
    let shop = Shop::open(strategy).await;
    let size = size();
    shop.product("hot", size.units).await;
    assert_eq!(shop.rush(size, One).await, size.units, "{strategy}: sold");
    assert_eq!((shop.units("hot").await, shop.orders().await), (0, size.units), "{strategy}");

    let some = Size { units: size.units / 4, attempts: size.attempts / 4, ..size };
    for id in ["a", "b", "c"] {
        shop.product(id, some.units).await;
    }
    assert_eq!(shop.rush(some, Several).await, some.units, "{strategy}: sold together");
    for id in ["a", "b", "c"] {
        assert_eq!(shop.units(id).await, 0, "{strategy}: {id}");
    }
    assert_eq!(shop.orders().await, size.units + some.units, "{strategy}");

    // The last one, again and again.
    for n in 0..10 {
        let change = json!({"stock": 1}).to_string();
        expect(&mut shop.nodes[0].client().await, 200, "PATCH", "/api/v1/products/hot", &change).await;
        let five = Size { units: 1, attempts: 5, connections: 5 };
        assert_eq!(shop.rush(five, One).await, 1, "{strategy}: the last one, {n}");
    }
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0, "{strategy}");
    for node in &shop.nodes {
        node.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_on_three_nodes_sells_exactly_what_there_is_batched() {
    sells_exactly_what_there_is("batched").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_on_three_nodes_sells_exactly_what_there_is_pessimistic() {
    sells_exactly_what_there_is("pessimistic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_on_three_nodes_sells_exactly_what_there_is_optimistic() {
    sells_exactly_what_there_is("optimistic").await;
}
