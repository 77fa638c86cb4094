//! Nodes and workers are killed again and again while customers buy.
//!
//! `CARTWRIGHT_KILLS=300` goes on for so many seconds (15 without it); best with `--release`.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cartwright_domain::{
    Clock, HoldId, HoldStatus, Order, OrderId, OrderPaging, OrderQuery, OrderStatus, PageSize, ProductId,
    SystemClock,
};
use cartwright_storage::{
    CartStore, CatalogStore, EventQuery, EventStore, EventType, EventTypes, HoldStore, JobFilter, JobState,
    JobStore, OrderStore, ReadFrom,
};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::{Postgres, RedisTopology, ServerProcess, eventually, ports};
use rand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    client::Client,
    kit::{START, migrate},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cartwright");
const NODES: usize = 3;
const WORKERS: usize = 2;
const CUSTOMERS: usize = 16;
const PRODUCTS: usize = 6;
const STOCK: u32 = 1_000_000;
/// An order is cancelled by every so many-th customer.
const CANCELS: usize = 5;

fn duration() -> Duration {
    let seconds = std::env::var("CARTWRIGHT_KILLS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

/// Nodes, each with an address of its own that it comes back at.
struct Nodes {
    urls: [String; NODES],
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Nodes {
    /// Another one than the last time.
    fn url(&self) -> &str {
        &self.urls[self.next.fetch_add(1, Ordering::Relaxed) % NODES]
    }

    /// Asks until somebody answers for good: an answer that may be another one the next time (5xx), or none, does not count.
    async fn ask(&self, headers: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let begun = Instant::now();
        loop {
            let answer =
                async { Client::connect(self.url()).await?.send_with(headers, method, path, body).await };
            match answer.await {
                Ok(answer) if answer.status < 500 && !in_flight(&answer) => {
                    return (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default());
                }
                Ok(answer) if answer.status == 500 => {
                    panic!("{method} {path}: a bug: {}", String::from_utf8_lossy(&answer.body));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "{method} {path}: no answer");
        }
    }
}

/// The same request of ours is being carried out by a node that we gave up on.
fn in_flight(answer: &crate::client::Answer) -> bool {
    answer.status == 409 && String::from_utf8_lossy(&answer.body).contains("idempotency_key_in_flight")
}

/// What customers were told.
#[derive(Default)]
struct Told {
    orders: HashSet<OrderId>,
    cancelled: HashSet<OrderId>,
    holds: HashSet<HoldId>,
}

fn id(order: &Value) -> OrderId {
    order["id"].as_str().unwrap_or_else(|| panic!("{order}")).parse().unwrap()
}

/// Buys until it is over; each request is repeated until it is answered, and each answer must be the same as before.
async fn customer(nodes: Arc<Nodes>, n: usize) -> Told {
    let mut told = Told::default();
    let user = format!("x-user-id: user-{n}\r\n");
    for turn in 0.. {
        if nodes.stop.load(Ordering::Relaxed) {
            break;
        }
        let (product, units) = ((n + turn) % PRODUCTS, 1 + turn % 3);
        let order = if turn % 3 == 2 {
            match hold(&nodes, &user, (n, turn), &mut told).await {
                Some(order) => order,
                None => continue,
            }
        } else if turn % 3 == 0 {
            let headers = format!("{user}idempotency-key: key-{n}-{turn}\r\n");
            let body = json!({"product_id": format!("p{product}"), "quantity": units}).to_string();
            let buy = || nodes.ask(&headers, "POST", "/api/v1/orders", &body);
            let (first, second) = tokio::join!(buy(), buy());
            assert_eq!(
                (first.0, id(&first.1)),
                (201, id(&second.1)),
                "one order for a key: {first:?} {second:?}"
            );
            first.1
        } else {
            let cart = format!("/api/v1/carts/user-{n}");
            let mut version = Value::Null;
            for line in 0..2 {
                let headers = format!("{user}idempotency-key: add-{n}-{turn}-{line}\r\n");
                let body =
                    json!({"product_id": format!("p{}", (product + line) % PRODUCTS), "quantity": units});
                let path = format!("{cart}/items");
                let (status, after) = nodes.ask(&headers, "POST", &path, &body.to_string()).await;
                assert_eq!(
                    (status, after["items"].as_array().map(Vec::len)),
                    (200, Some(line + 1)),
                    "{after}"
                );
                version = after["version"].clone();
            }
            let (path, body) = (format!("{cart}/checkout"), json!({"cart_version": version}).to_string());
            // The browser and the payment provider.
            let checkout = || nodes.ask(&user, "POST", &path, &body);
            let (first, second) = tokio::join!(checkout(), checkout());
            assert_eq!(
                (first.0, id(&first.1)),
                (201, id(&second.1)),
                "one order for a cart: {first:?} {second:?}"
            );
            first.1
        };
        assert!(told.orders.insert(id(&order)), "an order of before: {order}");
        shown(&nodes, n, id(&order), None).await;
        if (n + turn).is_multiple_of(CANCELS) {
            let path = format!("/api/v1/orders/{}/cancel", id(&order));
            let (status, answer) = nodes.ask(&user, "POST", &path, "").await;
            // It may be completed by now.
            assert!(status == 200 || status == 409, "{answer}");
            if status == 200 {
                told.cancelled.insert(id(&order));
            }
            let ended = if status == 200 { OrderStatus::Cancelled } else { OrderStatus::Completed };
            shown(&nodes, n, id(&order), Some(ended)).await;
        }
    }
    told
}

/// Whoever was told of his order finds it among his latest, as far as he was told that it is, whichever node he asks.
async fn shown(nodes: &Nodes, n: usize, order: OrderId, status: Option<OrderStatus>) {
    let (answered, history) = nodes.ask("", "GET", &format!("/api/v1/users/user-{n}/orders"), "").await;
    assert_eq!(answered, 200, "{history}");
    let found = history["items"].as_array().unwrap().iter().find(|listed| id(listed) == order);
    let found = found.unwrap_or_else(|| panic!("{order} is not in {history}"));
    assert!(status.is_none_or(|status| found["status"] == status.name()), "{found} should be {status:?}");
}

/// Has a product kept, and buys it, gives it back, or forgets it: the order, if there is one.
async fn hold(nodes: &Nodes, user: &str, (n, turn): (usize, usize), told: &mut Told) -> Option<Value> {
    let headers = format!("{user}idempotency-key: hold-{n}-{turn}\r\n");
    let seconds = if turn % 4 == 3 { 1 } else { 3_600 };
    let body =
        json!({"product_id": format!("p{}", (n + turn) % PRODUCTS), "quantity": 2, "seconds": seconds});
    let body = body.to_string();
    let reserve = || nodes.ask(&headers, "POST", "/api/v1/holds", &body);
    let (first, second) = tokio::join!(reserve(), reserve());
    assert_eq!((first.0, &first.1["id"]), (201, &second.1["id"]), "one hold for a key: {first:?} {second:?}");
    let hold: HoldId = first.1["id"].as_str().unwrap().parse().unwrap();
    assert!(told.holds.insert(hold), "a hold of before: {hold}");
    match turn % 4 {
        0 | 1 => {
            let body = json!({"hold_id": hold}).to_string();
            let claim = || nodes.ask(user, "POST", "/api/v1/orders", &body);
            let (first, second) = tokio::join!(claim(), claim());
            assert_eq!(
                (first.0, id(&first.1)),
                (201, id(&second.1)),
                "one order for a hold: {first:?} {second:?}"
            );
            return Some(first.1);
        }
        2 => {
            let path = format!("/api/v1/holds/{hold}");
            let (status, answer) = nodes.ask(user, "DELETE", &path, "").await;
            assert_eq!(status, 200, "{answer}");
        }
        // Of these, it expires.
        _ => {}
    }
    None
}

/// Kills somebody every 2 to 5 seconds, and starts him again.
async fn kill(processes: Vec<ServerProcess>, nodes: Arc<Nodes>) -> (Vec<ServerProcess>, usize) {
    let (begun, mut killed) = (Instant::now(), 0);
    while begun.elapsed() < duration() {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(2_000..5_000))).await;
        let victim = &processes[rand::rng().random_range(0..processes.len())];
        victim.kill();
        victim.restart();
        killed += 1;
    }
    nodes.stop.store(true, Ordering::Relaxed);
    (processes, killed)
}

fn start(
    variables: &[(&str, &str)],
    folder: &std::path::Path,
    args: &[&str],
    more: &[(&str, &str)],
) -> ServerProcess {
    let mut builder = ServerProcess::builder(PROGRAM).args(args).clear_env().current_dir(folder);
    for (name, value) in variables.iter().chain(more) {
        builder = builder.env(name, value);
    }
    builder.start().unwrap()
}

async fn all_orders(store: &PostgresStore) -> BTreeMap<OrderId, Order> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let paging = OrderPaging::After(after, PageSize::new(100).unwrap());
        let listed = store.list_orders(&OrderQuery { paging, ..OrderQuery::default() }).await.unwrap();
        all.extend(listed.items.into_iter().map(|order| (order.id, order)));
        match listed.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Each order, and each step of one, is told of once, and each version of a cart.
async fn told_exactly(store: &PostgresStore, orders: &BTreeMap<OrderId, Order>) {
    eventually(Duration::from_secs(60), async || {
        store.event_figures(SystemClock.now()).await.unwrap().oldest_waiting.is_none()
    })
    .await;
    let mut query = EventQuery { after: 0, types: EventTypes::ALL, owner: None, limit: 1_000 };
    let mut made = BTreeSet::new();
    let mut steps: BTreeMap<OrderId, Vec<String>> = BTreeMap::new();
    let mut carts: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let page = store.events(&query).await.unwrap();
        for event in &page.events {
            query.after += 1;
            assert_eq!(event.number, query.after, "without gaps");
            let data: Value = serde_json::from_str(event.data.get()).unwrap();
            match event.kind {
                EventType::OrderCreated => {
                    assert!(made.insert(event.subject.parse().unwrap()), "twice: {event:?}");
                }
                EventType::OrderChanged => {
                    let steps = steps.entry(event.subject.parse().unwrap()).or_default();
                    steps.push(data["status"].as_str().unwrap().to_owned());
                }
                EventType::CartUpdated => {
                    let version = carts.entry(event.subject.clone()).or_default();
                    let after = data["version"].as_u64().unwrap();
                    assert!(after > *version, "{event:?} after {version}");
                    *version = after;
                }
                EventType::StockLow | EventType::CartAbandoned | EventType::HoldExpiring => {}
            }
        }
        if page.events.is_empty() {
            break;
        }
    }
    assert_eq!(made, orders.keys().copied().collect(), "every order is told of once");
    for (id, order) in orders {
        let taken = store.order_transitions(*id).await.unwrap();
        let taken: Vec<&str> = taken.iter().skip(1).map(|step| step.to.name()).collect();
        assert_eq!(steps.remove(id).unwrap_or_default(), taken, "{order:?}");
    }
    for (owner, version) in carts {
        let cart = store.load(&[cartwright_domain::OwnerId::new(&owner).unwrap()]).await.unwrap().remove(0);
        assert_eq!(cart.version(), version, "the last version of {owner} is told of");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_when_nodes_and_workers_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (url, redis) = (Postgres::shared().fresh_database().await, RedisTopology::start(1).unwrap());
    let (primary, replica) = (redis.primary.url(), redis.replicas[0].url());
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", primary.as_str()),
        ("REDIS_REPLICA_URLS", replica.as_str()),
        ("CARTWRIGHT__ORDERS__PROCESS_AFTER_SECONDS", "1"),
        ("CARTWRIGHT__JOBS__IN_SERVE", "off"),
        ("CARTWRIGHT__HOLDS__PER_USER", "10000"),
        ("CARTWRIGHT__LIMITS__ENABLED", "false"),
    ];
    migrate(folder.path(), &variables);
    let store = PostgresStore::connect(PostgresOptions::new(&url)).await.unwrap();
    let addresses: [String; NODES] = std::array::from_fn(|_| format!("127.0.0.1:{}", ports::free_port()));
    let mut processes: Vec<ServerProcess> = (addresses.iter())
        .map(|address| start(&variables, folder.path(), &[], &[("CARTWRIGHT__SERVER__LISTEN", address)]))
        .collect();
    processes.extend((0..WORKERS).map(|_| start(&variables, folder.path(), &["worker"], &[])));
    let nodes = Arc::new(Nodes {
        urls: addresses.map(|address| format!("http://{address}")),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    for (process, url) in processes.iter().zip(&nodes.urls) {
        process.wait_ready(&format!("{url}/readyz"), START).unwrap();
    }
    for n in 0..PRODUCTS {
        let (name, headers) = (format!("p{n}"), format!("idempotency-key: product-{n}\r\n"));
        let body = json!({"id": name, "name": name, "price": "2.50", "currency": "EUR", "stock": STOCK});
        let (status, _) = nodes.ask(&headers, "POST", "/api/v1/products", &body.to_string()).await;
        assert_eq!(status, 201);
    }

    let mut customers: JoinSet<Told> = (0..CUSTOMERS).map(|n| customer(Arc::clone(&nodes), n)).collect();
    let (processes, killed) = kill(processes, Arc::clone(&nodes)).await;
    let mut told = Told::default();
    while let Some(one) = customers.join_next().await {
        let one = one.unwrap();
        told.orders.extend(one.orders);
        told.cancelled.extend(one.cancelled);
        told.holds.extend(one.holds);
    }
    let (orders, cancelled, holds) = (told.orders.len(), told.cancelled.len(), told.holds.len());
    println!("{killed} kills, {orders} orders, {cancelled} cancelled, {holds} holds");
    assert!(killed > 0 && told.orders.len() > 20, "something happened");

    // Jobs of the dead run again, in time.
    let settled = Instant::now();
    loop {
        let figures = store.queue_figures(SystemClock.now()).await.unwrap();
        let mut open = figures.iter().filter(|queue| queue.queue.as_str() == "orders");
        if open.all(|queue| queue.queued + queue.running == 0) {
            break;
        }
        if settled.elapsed() > Duration::from_secs(60) {
            let logs: Vec<String> = processes.iter().skip(NODES).map(ServerProcess::log).collect();
            panic!("jobs of the dead do not end: {figures:?}\n{}", logs.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("the queue is empty after {:?}", settled.elapsed());
    let orders = all_orders(&store).await;
    told_exactly(&store, &orders).await;
    let (made, acknowledged): (BTreeSet<OrderId>, BTreeSet<OrderId>) =
        (orders.keys().copied().collect(), told.orders.iter().copied().collect());
    assert_eq!(made, acknowledged, "every order that was told of, and no other one");
    let mut left = [STOCK; PRODUCTS];
    for order in orders.values() {
        let expected =
            if told.cancelled.contains(&order.id) { OrderStatus::Cancelled } else { OrderStatus::Completed };
        assert_eq!(order.status, expected, "{order:?}");
        if !order.status.returns_stock() {
            for line in &order.lines {
                let n: usize = line.product_id.as_str()[1..].parse().unwrap();
                left[n] -= u32::from(line.quantity.get());
            }
        }
    }
    // Nothing runs any more that could change them: what expired is swept, or keeps its units.
    for process in &processes {
        process.terminate();
        let status = process.wait_exit(START).expect("it ends in time");
        assert!(status.success(), "{status}: {}", process.log());
    }
    let holds: Vec<HoldId> = told.holds.into_iter().collect();
    for hold in store.holds(&holds).await.unwrap() {
        let hold = hold.expect("a hold that was told of is there");
        let claimed = hold.order.map(|order| orders.contains_key(&order));
        assert_eq!(claimed, (hold.status == HoldStatus::Claimed).then_some(true), "{hold:?}");
        for line in hold.lines.iter().filter(|_| hold.status == HoldStatus::Active) {
            let n: usize = line.product_id.as_str()[1..].parse().unwrap();
            left[n] -= u32::from(line.quantity.get());
        }
    }
    for (n, left) in left.into_iter().enumerate() {
        let id = ProductId::new(&format!("p{n}")).unwrap();
        let found = store.products(&[id], ReadFrom::Primary).await.unwrap().remove(0).unwrap();
        assert_eq!(found.details.stock.get(), left, "p{n}: stock, held and sold come to all there was");
    }
    assert_eq!(store.stock_drift().await.unwrap(), 0);
    let dead = JobFilter { state: Some(JobState::Dead), limit: 10, ..JobFilter::default() };
    assert!(store.list_jobs(&dead).await.unwrap().is_empty());
}
