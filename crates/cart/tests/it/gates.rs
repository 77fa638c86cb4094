//! A cache that is guarded by a gate: opened by the service, closed by it when the cache is out of reach.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cart::{CartServiceError, GateSettings, Settings, Source};
use cartwright_domain::Gate;
use cartwright_storage::GateStore;
use cartwright_storage_tests::{add, owner};

use crate::{
    caches::GatedCache,
    kit::{Shop, eventually, memory, shop_with},
};

async fn gated(pause: Duration) -> (Shop, Arc<GatedCache>) {
    let cache = Arc::new(GatedCache::new(memory()));
    let gate = GateSettings { poll: Duration::from_millis(5), pause };
    let shop = shop_with(Some(cache.clone()), Settings { gate, ..Settings::default() }).await;
    eventually("the gate opens", async || cache.in_use()).await;
    (shop, cache)
}

async fn gate(shop: &Shop) -> Gate {
    shop.store.gate().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_opens_by_itself_and_the_cache_is_used_from_then_on() {
    let (shop, _cache) = gated(Duration::from_secs(60)).await;
    let reply = shop.done(add("ana", "p1", 1)).await;
    assert_eq!(shop.cached(&owner("ana")).await.document, reply.document);
    let gate = gate(&shop).await;
    assert_eq!((gate.epoch, gate.open().unwrap().primary.as_str()), (1, "the only one"));
    assert!(shop.carts.cache_status().unwrap().in_use);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_cannot_fence_closes_the_gate_and_goes_through() {
    let (shop, cache) = gated(Duration::from_secs(60)).await;
    let ana = owner("ana");
    shop.done(add("ana", "p1", 1)).await;
    assert_eq!(shop.cached(&ana).await.document.version, 1);
    cache.cut_off();
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 2);
    let closed = gate(&shop).await;
    assert_eq!((closed.epoch, closed.open()), (2, None));
    // The cache comes back with what it knew: it stays out of use for the pause.
    eventually("the closing is observed", async || {
        cache.restore();
        !cache.in_use()
    })
    .await;
    let read = shop.carts.read(&ana).await.unwrap();
    assert_eq!((read.source, read.document.version), (Source::Database, 2));
    for version in 3..20 {
        assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, version);
        assert_eq!(shop.carts.read(&ana).await.unwrap().document.version, version);
    }
    assert_eq!(gate(&shop).await.epoch, 2, "closed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_opens_again_after_the_pause() {
    let (shop, cache) = gated(Duration::from_millis(50)).await;
    cache.cut_off();
    shop.done(add("ana", "p1", 1)).await;
    cache.restore();
    eventually("the gate opens again", async || gate(&shop).await.epoch == 3 && cache.in_use()).await;
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 2);
    assert_eq!(shop.cached(&owner("ana")).await.document.version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_while_the_gate_is_closing() {
    let (shop, cache) = gated(Duration::from_secs(60)).await;
    let wait = Duration::from_millis(40);
    cache.closing(vec![wait; 3]);
    let began = Instant::now();
    let begun = shop.store.begun();
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 1);
    assert!(began.elapsed() >= 3 * wait);
    assert_eq!(shop.store.begun() - begun, 4, "three that were rolled back, and the one that went through");
    assert_eq!(gate(&shop).await.epoch, 1, "nothing to close");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_would_wait_for_too_long_is_refused_and_not_done() {
    let (shop, cache) = gated(Duration::from_secs(60)).await;
    cache.closing(vec![Duration::from_secs(60)]);
    let answer = shop.carts.execute(add("ana", "p1", 1)).await;
    assert!(matches!(answer, Err(CartServiceError::Fence)), "{answer:?}");
    assert_eq!(shop.store.truth(&owner("ana")).await.version(), 0);
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_the_keeper_of_the_gate() {
    let (shop, cache) = gated(Duration::from_millis(10)).await;
    tokio::time::timeout(crate::kit::PATIENCE, shop.carts.shutdown()).await.expect("it ends");
    let epoch = gate(&shop).await.epoch;
    assert!(shop.store.close_gate(epoch, Duration::ZERO).await.unwrap());
    assert!(cache.in_use(), "nobody observes any more");
}
