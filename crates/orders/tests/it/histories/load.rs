//! Many buy and look at the same time, while Redis is killed: every look shows whatever anybody was told of before it began.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cartwright_domain::{OrderId, OrderStatus};
use cartwright_orders::{OrderService, Settings};
use cartwright_storage::Stepped;
use cartwright_storage_tests::owner;
use cartwright_testkit::eventually;
use tokio::task::JoinSet;

use super::{
    kit::{Cluster, DEADLINE, read, render, tea},
    to,
};

const OWNERS: usize = 4;
/// Orders on a page.
const PAGE: usize = 20;

/// What somebody was told of his orders, as far as they have come.
type Told = HashMap<OrderId, OrderStatus>;

#[derive(Default)]
struct Run {
    told: Mutex<HashMap<usize, Told>>,
    over: AtomicBool,
    bought: AtomicUsize,
    hits: AtomicUsize,
    loads: AtomicUsize,
}

impl Run {
    fn told(&self, n: usize, id: OrderId, status: OrderStatus) {
        let mut told = self.told.lock().unwrap();
        let known = told.entry(n).or_default().entry(id).or_insert(status);
        if how_far(status) > how_far(*known) {
            *known = status;
        }
    }
}

/// In the order in which they are taken here.
fn how_far(status: OrderStatus) -> usize {
    OrderStatus::ALL.into_iter().position(|known| known == status).unwrap()
}

fn name(n: usize) -> String {
    format!("user-{n}")
}

/// Buys for everybody in turn, and takes every second order further, or back.
async fn buyer(service: OrderService, run: Arc<Run>, seat: usize) {
    for turn in seat.. {
        if run.over.load(Relaxed) {
            return;
        }
        let n = turn % OWNERS;
        let (order, _) = service.buy(owner(&name(n)), tea(), None, None).await.unwrap();
        run.told(n, order.id, OrderStatus::Pending);
        run.bought.fetch_add(1, Relaxed);
        if turn % 2 == 0 {
            let next = if turn % 4 == 0 { OrderStatus::Processing } else { OrderStatus::Cancelled };
            assert!(matches!(service.step(to(order.id, next)).await.unwrap(), Stepped::Done { .. }));
            run.told(n, order.id, next);
        }
    }
}

async fn reader(service: OrderService, run: Arc<Run>, seat: usize) {
    for turn in seat.. {
        if run.over.load(Relaxed) {
            return;
        }
        let n = turn % OWNERS;
        let told = run.told.lock().unwrap().get(&n).cloned().unwrap_or_default();
        let history = service.history(&owner(&name(n)), render).await.unwrap();
        let counter = if history.layer.is_some() { &run.hits } else { &run.loads };
        counter.fetch_add(1, Relaxed);
        let shown: HashMap<_, _> = read(&history.body).into_iter().collect();
        let oldest = shown.keys().min();
        for (id, status) in told {
            match shown.get(&id) {
                Some(now) => {
                    assert!(how_far(*now) >= how_far(status), "{id} was {status}, and is shown {now}");
                }
                // On a later page.
                None => assert!(shown.len() == PAGE && Some(&id) < oldest, "{id} is not in {shown:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_ever_shown_less_than_anybody_was_told_of() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let run = Arc::new(Run::default());
    let mut tasks = JoinSet::new();
    for seat in 0..8 {
        let service = cluster.nodes[seat % 2].service.clone();
        tasks.spawn(buyer(service.clone(), Arc::clone(&run), seat / 2));
        tasks.spawn(reader(service, Arc::clone(&run), seat / 2 + 1));
    }
    let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
    pause(1_500).await;
    assert!(run.hits.load(Relaxed) > 0 && run.bought.load(Relaxed) > 0, "something happened");
    tokio::task::block_in_place(|| {
        cluster.redis.kill();
        cluster.redis.restart();
    });
    let hits = run.hits.load(Relaxed);
    eventually(DEADLINE, async || run.hits.load(Relaxed) > hits + 100).await;
    pause(500).await;
    run.over.store(true, Relaxed);
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    let counted = [&run.bought, &run.hits, &run.loads].map(|counter| counter.load(Relaxed));
    println!("{counted:?} orders, hits and loads");
}
