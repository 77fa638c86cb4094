//! Histories by way of a real Redis: whoever was told of an order finds it in his history, on whichever node.

mod crashes;
mod faults;
mod kit;
mod load;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;
use cartwright_domain::{OrderId, OrderStatus, Purchase, Quantity, SystemClock};
use cartwright_orders::{OrdersError, Settings, Strategy};
use cartwright_storage::{BatchPolicy, CartStore, ListedOrders, OrderStep};
use cartwright_storage_tests::{RecordingFence, add, owner, product};

use self::kit::{Cluster, render};
use crate::by;

fn to(id: OrderId, to: OrderStatus) -> OrderStep {
    OrderStep { id, owner: None, to, reason: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_on_one_node_is_shown_on_the_other_at_once() {
    for strategy in [Strategy::Batched, Strategy::Pessimistic, Strategy::Optimistic] {
        let cluster = Cluster::start(2, &by(strategy)).await;
        let policy = BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false };
        for round in 0..10 {
            let [here, there] = &cluster.nodes[..] else { panic!("two nodes") };
            let (here, there) = if round % 2 == 0 { (here, there) } else { (there, here) };
            let who = format!("ana-{round}");
            assert!(cluster.cached(&who).await.is_empty(), "who has no orders is cached, too");

            let bought = here.buy(&who).await.id;
            assert_eq!(there.shows(&who).await.0, [(bought, OrderStatus::Pending)]);

            cluster.cached(&who).await;
            here.service.step(to(bought, OrderStatus::Processing)).await.unwrap();
            assert_eq!(there.shows(&who).await.0, [(bought, OrderStatus::Processing)]);

            cluster.cached(&who).await;
            here.service.cancel(bought, Some(owner(&who)), None).await.unwrap();
            assert_eq!(there.shows(&who).await.0, [(bought, OrderStatus::Cancelled)]);

            let cart = [add(&who, "tea", 2)];
            cluster.shop.store.execute_batch(&cart, &policy, &RecordingFence::default()).await.unwrap();
            cluster.cached(&who).await;
            let purchase = Purchase::Cart { version: 1 };
            let (checked_out, _) = here.service.buy(owner(&who), purchase, None, None).await.unwrap();
            assert_eq!(there.shows(&who).await.0[0], (checked_out.id, OrderStatus::Pending));

            let lines = vec![(product("tea"), Quantity::new(2).unwrap())];
            let (hold, _) = here.service.reserve(owner(&who), lines, None, None).await.unwrap();
            cluster.cached(&who).await;
            let (claimed, _) =
                here.service.buy(owner(&who), Purchase::Hold(hold.id), None, None).await.unwrap();
            assert_eq!(there.shows(&who).await.0[0], (claimed.id, OrderStatus::Pending));
            assert_eq!(cluster.cached(&who).await.len(), 3);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_many_owners_is_shown_to_each() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let names: Vec<String> = (0..40).map(|n| format!("user-{n}")).collect();
    let mut orders = Vec::new();
    for who in &names {
        orders.push(cluster.nodes[0].buy(who).await.id);
        cluster.cached(who).await;
    }
    let steps = orders.iter().map(|id| to(*id, OrderStatus::Processing)).collect();
    cluster.nodes[0].service.steps(steps).await.unwrap();
    // Together, so that they share questions to the cache.
    let shown = futures_util::future::join_all(names.iter().map(|who| cluster.nodes[1].shows(who))).await;
    for ((shown, _), id) in shown.into_iter().zip(orders) {
        assert_eq!(shown, [(id, OrderStatus::Processing)]);
    }
}

/// He reads, somebody buys in his name, and only then he stores what he has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_does_not_store_what_is_old_by_then() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let who = owner("ana");
    let (reached, told) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let reader = tokio::spawn({
        let (service, who) = (cluster.nodes[0].service.clone(), who.clone());
        async move {
            let slow = move |listed: &ListedOrders| -> Result<Bytes, OrdersError> {
                reached.send(listed.items.len()).unwrap();
                tokio::task::block_in_place(|| wait.recv().unwrap());
                render(listed)
            };
            service.history(&who, slow).await.unwrap()
        }
    });
    let read = tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
    assert_eq!(read, 0, "it has been read, and there is none");
    let bought = cluster.nodes[1].buy("ana").await.id;
    go_on.send(()).unwrap();
    assert!(reader.await.unwrap().body.is_empty(), "what he asked for before");
    // Whatever he stores in the background is stored by then.
    cluster.nodes[0].service.shutdown().await;
    assert_eq!(cluster.nodes[1].shows("ana").await.0, [(bought, OrderStatus::Pending)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_histories_come_from_the_database() {
    let cluster = Cluster::start(1, &Settings::default()).await;
    let long = |_: &ListedOrders| -> Result<Bytes, OrdersError> { Ok(Bytes::from(vec![b'x'; 200_000])) };
    for _ in 0..20 {
        let history = cluster.nodes[0].service.history(&owner("ana"), long).await.unwrap();
        assert_eq!((history.body.len(), history.layer), (200_000, None));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let fails = |_: &ListedOrders| -> Result<Bytes, OrdersError> { Err(OrdersError::Lost) };
    let failed = cluster.nodes[0].service.history(&owner("bob"), fails).await;
    assert!(matches!(failed, Err(OrdersError::Lost)), "{failed:?}");
    assert!(cluster.cached("bob").await.is_empty(), "another one may store it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cache_it_is_read_from_the_database() {
    let shop = crate::Shop::open().await;
    shop.offer("tea", 10).await;
    let service = shop.service(Settings::default(), Arc::new(cartwright_orders::NobodyListens));
    for count in 0..3 {
        let history = service.history(&owner("ana"), render).await.unwrap();
        let lines = history.body.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((lines, history.layer), (count, None));
        crate::buy(&service, "ana", "tea", 1).await.unwrap();
    }
    service.forget_histories(&[owner("ana")]).await.unwrap();
    service.shutdown().await;
    let late = service.history(&owner("ana"), render).await;
    assert!(matches!(late, Err(OrdersError::ShuttingDown)), "{late:?}");
}
