//! Somebody dies between the commit and the cache. Nobody was told of what he did; whoever is told of it later finds it in
//! his history.

use std::sync::Arc;

use cartwright_domain::{Clock, OrderId, OrderStatus, Purchase, SystemClock};
use cartwright_orders::{OrdersError, Settings};
use cartwright_storage::{
    BatchPolicy, CartStore, FollowUp, HoldStore, IdempotencyClaim, OrderPolicy, OrderRequest, OrderStore,
    Placed, Stepped, StockLocking,
};
use cartwright_storage_tests::{RecordingFence, add, claim, owner, product};

use super::{
    kit::{Cluster, tea},
    to,
};

/// What is committed, and nothing after it.
async fn place_and_die(cluster: &Cluster, purchase: Purchase, claim: Option<IdempotencyClaim>) -> OrderId {
    let id = OrderId::new(SystemClock.now(), rand::random());
    let request = OrderRequest { id, owner: owner("ana"), purchase, expected_total: None, claim };
    let policy = OrderPolicy {
        clock: Arc::new(SystemClock),
        allow_unlisted: false,
        locking: StockLocking::Locked,
        follow_up: FollowUp::default(),
    };
    let fence = RecordingFence::default();
    let placed = cluster.shop.store.place_orders(&[request], &policy, &fence).await.unwrap();
    assert!(matches!(&placed.outcomes[..], [Placed::Done(order)] if order.id == id), "{placed:?}");
    id
}

async fn step_and_die(cluster: &Cluster, id: OrderId, status: OrderStatus) {
    let stepped = cluster.shop.store.step_orders(&[to(id, status)], SystemClock.now()).await.unwrap();
    assert!(matches!(&stepped.outcomes[..], [Stepped::Done { .. }]), "{stepped:?}");
}

/// Also shows that what is cached is served without a look into the database: it is not what is there.
async fn hidden(cluster: &Cluster, id: OrderId) {
    for node in &cluster.nodes {
        let (shown, layer) = node.shows("ana").await;
        assert!(layer.is_some() && shown.iter().all(|(known, _)| *known != id), "{shown:?} from {layer:?}");
    }
}

async fn shown(cluster: &Cluster, id: OrderId, status: OrderStatus) {
    for node in &cluster.nodes {
        let (shown, _) = node.shows("ana").await;
        assert!(shown.contains(&(id, status)), "{id} {status} is not in {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_told_of_again_is_shown() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let service = &cluster.nodes[0].service;
    let ana = || owner("ana");

    cluster.cached("ana").await;
    let key = Some(claim("key", b"tea"));
    let id = place_and_die(&cluster, tea(), key.clone()).await;
    hidden(&cluster, id).await;
    let (order, again) = service.buy(ana(), tea(), None, key).await.unwrap();
    assert!(again && order.id == id);
    shown(&cluster, id, OrderStatus::Pending).await;

    let policy = BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false };
    let cart = [add("ana", "tea", 1)];
    cluster.shop.store.execute_batch(&cart, &policy, &RecordingFence::default()).await.unwrap();
    cluster.cached("ana").await;
    let id = place_and_die(&cluster, Purchase::Cart { version: 1 }, None).await;
    hidden(&cluster, id).await;
    let (order, again) = service.buy(ana(), Purchase::Cart { version: 1 }, None, None).await.unwrap();
    assert!(again && order.id == id);
    shown(&cluster, id, OrderStatus::Pending).await;

    let lines = vec![(product("tea"), cartwright_domain::Quantity::new(1).unwrap())];
    let hold = service.reserve(ana(), lines, None, None).await.unwrap().0.id;
    cluster.cached("ana").await;
    let id = place_and_die(&cluster, Purchase::Hold(hold), None).await;
    assert!(cluster.shop.store.holds(&[hold]).await.unwrap()[0].is_some());
    hidden(&cluster, id).await;
    let (order, again) = service.buy(ana(), Purchase::Hold(hold), None, None).await.unwrap();
    assert!(again && order.id == id);
    shown(&cluster, id, OrderStatus::Pending).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_told_of_again_is_shown() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let service = &cluster.nodes[0].service;
    let id = cluster.nodes[0].buy("ana").await.id;
    cluster.cached("ana").await;
    step_and_die(&cluster, id, OrderStatus::Processing).await;
    shown(&cluster, id, OrderStatus::Pending).await;
    // The worker who comes after the one that died.
    assert!(matches!(
        service.step(to(id, OrderStatus::Processing)).await.unwrap(),
        Stepped::Already(order) if order.id == id
    ));
    shown(&cluster, id, OrderStatus::Processing).await;
    cluster.cached("ana").await;
    step_and_die(&cluster, id, OrderStatus::Completed).await;
    shown(&cluster, id, OrderStatus::Processing).await;
    // Whoever is told that it is too late sees why.
    let late = service.cancel(id, Some(owner("ana")), None).await;
    assert!(matches!(late, Err(OrdersError::Forbidden(_))), "{late:?}");
    shown(&cluster, id, OrderStatus::Completed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_orders_otherwise_has_histories_forgotten() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let id = cluster.nodes[0].buy("ana").await.id;
    cluster.cached("ana").await;
    step_and_die(&cluster, id, OrderStatus::Processing).await;
    cluster.nodes[1].service.forget_histories(&[owner("bob"), owner("ana"), owner("ana")]).await.unwrap();
    shown(&cluster, id, OrderStatus::Processing).await;
}
