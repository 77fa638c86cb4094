//! The cache in memory and the bus of one process, from outside: the conformance suites, and what only they promise.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_cache::{
    CacheRead, CartCache, Document, EventBus, EventHub, LeaseWanted, MemoryCartCache, StoreValue,
};
use cartwright_cache_tests::{Kit, document, owner, owners};
use cartwright_domain::Gate;

const HOUR: Duration = Duration::from_secs(3600);

async fn fresh() -> (Arc<dyn CartCache>, Gate, ()) {
    (Arc::new(MemoryCartCache::new(64 << 20, HOUR)), Gate::initial(), ())
}

cartwright_cache_tests::conformance!(fresh);

mod bus {
    use super::*;

    async fn hub() -> (Arc<dyn EventBus>, Arc<dyn EventBus>, ()) {
        let hub = EventHub::new();
        (Arc::new(hub.clone()), Arc::new(hub), ())
    }

    cartwright_cache_tests::bus_conformance!(hub);

    #[tokio::test]
    async fn nothing_is_left_of_listeners_that_are_gone() {
        let hub = EventHub::new();
        let stays = hub.subscribe(&owner("stays"));
        let listeners: Vec<_> = owners("visitor", 500).iter().map(|owner| hub.subscribe(owner)).collect();
        assert_eq!(hub.owners().len(), 501);
        drop(listeners);
        assert_eq!(hub.owners(), [owner("stays")]);
        drop(stays);
        assert!(hub.owners().is_empty());
    }
}

#[tokio::test]
async fn documents_end_with_their_time() {
    let cache = Arc::new(MemoryCartCache::new(1 << 20, Duration::from_millis(50)));
    let kit = Kit::new(cache.clone(), Gate::initial());
    let ana = owner("ana");
    let lease = kit.absent(&ana).await;
    kit.store(&ana, &lease, &document(1)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while cache.peek(&ana).is_some() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(kit.read(&ana).await, CacheRead::Absent(_)));
}

#[tokio::test]
async fn memory_is_bounded() {
    const BOUND: usize = 1 << 20;
    let kit = Kit::new(Arc::new(MemoryCartCache::new(BOUND as u64, HOUR)), Gate::initial());
    let carts = owners("crowd", 2_000);
    let body = Bytes::from(vec![b'x'; 10_000]);
    for cart in &carts {
        if let CacheRead::Absent(lease) = kit.read(cart).await {
            kit.store(cart, &lease, &Document { version: 1, body: body.clone() }).await;
        }
    }
    // Evictions are done on the way; twenty times the bound was written.
    let kept = carts.iter().filter(|cart| kit.cache().peek(cart).is_some()).count();
    assert!(kept * body.len() <= 2 * BOUND, "{kept} documents are kept");
    assert!(kept > 0);
}

/// The window of this race is some tens of nanoseconds wide: two threads and many rounds, without a runtime between.
#[test]
fn a_fence_is_never_overwritten_by_a_store_with_an_older_lease() {
    const ROUNDS: u64 = 30_000;
    let cache = MemoryCartCache::new(1 << 20, HOUR);
    let (ana, gate) = (owner("ana"), Gate::initial());
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (hand, take) = std::sync::mpsc::sync_channel(0);
    let barrier = std::sync::Barrier::new(2);
    let overwritten = std::thread::scope(|scope| {
        let (cache, ana, barrier) = (&cache, &ana, &barrier);
        scope.spawn(move || {
            let runtime = runtime();
            while let Ok(lease) = take.recv() {
                let value = StoreValue { owner: ana.clone(), lease, document: document(1) };
                barrier.wait();
                runtime.block_on(cache.store(vec![value]));
                barrier.wait();
            }
        });
        let runtime = runtime();
        let fence = || {
            runtime
                .block_on(cache.fence(&gate, std::slice::from_ref(ana), LeaseWanted::Yes))
                .unwrap()
                .unwrap()
        };
        let hand = hand; // dropped at the end of the scope's closure, which ends the other thread
        (0..ROUNDS).find(|round| {
            hand.send(fence()).unwrap();
            barrier.wait();
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            fence();
            barrier.wait();
            cache.peek(ana).is_some()
        })
    });
    assert_eq!(overwritten, None, "in this round a document was stored over a later fence");
}
