//! Redis dies, comes back, or is out of reach for some.

use std::time::{Duration, Instant};

use cartwright_domain::OrderStatus;
use cartwright_orders::Settings;
use cartwright_storage::GateStore;
use cartwright_testkit::{ChaosProxy, Mode, RedisServer};

use super::kit::{Cluster, Node};

/// When the cache is out of reach, an order takes as long as it takes to notice, and until every lease has run out: 3 s, and
/// on a busy machine more.
const BOUNDED: Duration = Duration::from_secs(12);

async fn buys_in_time(node: &Node, who: &str) -> (cartwright_domain::OrderId, OrderStatus) {
    let began = Instant::now();
    let id = node.buy(who).await.id;
    assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());
    (id, OrderStatus::Pending)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_without_redis_and_nothing_old_comes_back_with_it() {
    let cluster = Cluster::start(2, &Settings::default()).await;
    let [here, there] = &cluster.nodes[..] else { panic!("two nodes") };
    let first = buys_in_time(here, "ana").await;
    cluster.cached("ana").await;
    cluster.redis.save_dump();
    let second = buys_in_time(here, "ana").await;
    assert_eq!(cluster.cached("ana").await, [second, first]);
    cluster.redis.kill();
    let third = buys_in_time(here, "ana").await;
    assert_eq!(there.shows("ana").await.0, [third, second, first]);
    let mut all = vec![third, second, first];
    // Closed by now: nobody waits for leases any more.
    let mut quickest = Duration::MAX;
    for _ in 0..4 {
        let began = Instant::now();
        all.insert(0, buys_in_time(there, "ana").await);
        quickest = quickest.min(began.elapsed());
        assert_eq!(here.shows("ana").await.0, all);
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    // With what it knew after the first order.
    cluster.redis.restore_dump();
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        for node in &cluster.nodes {
            assert_eq!(node.shows("ana").await.0, all);
        }
    }
    assert_eq!(cluster.cached("ana").await, all, "in use again");
    let last = buys_in_time(here, "ana").await;
    assert_eq!(there.shows("ana").await.0[0], last);
}

/// The one who buys does not reach Redis, the one who reads does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_reach_redis_makes_others_stop_reading_from_it() {
    for mode in [Mode::BlackHole, Mode::Cut] {
        let redis = tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap();
        let proxy = ChaosProxy::start(([127, 0, 0, 1], redis.port())).unwrap();
        let urls = [redis.url_via(proxy.port()), redis.url()];
        let cluster = Cluster::at(redis, &urls, &Settings::default()).await;
        let [cut_off, reader] = &cluster.nodes[..] else { panic!("two nodes") };
        let first = buys_in_time(cut_off, "ana").await;
        assert_eq!(cluster.cached("ana").await, [first]);
        let before = cluster.shop.store.gate().await.unwrap();
        proxy.set(mode);
        let second = buys_in_time(cut_off, "ana").await;
        assert_eq!(reader.shows("ana").await.0, [second, first], "{mode:?}");
        assert!(cluster.shop.store.gate().await.unwrap().epoch > before.epoch, "it was closed");
        let cancelled = cut_off.service.cancel(first.0, None, None).await.unwrap();
        assert_eq!(reader.shows("ana").await.0, [second, (first.0, cancelled.status)], "{mode:?}");
        proxy.set(Mode::Pass);
        assert_eq!(cluster.cached("ana").await, [second, (first.0, cancelled.status)], "in use again");
    }
}
