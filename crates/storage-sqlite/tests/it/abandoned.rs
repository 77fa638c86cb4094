//! Callers that go away in the middle.

use std::{sync::Arc, time::Duration};

use cartwright_storage_tests::{BlockingFence, Kit, RecordingFence, add, owner};
use tokio::time::{sleep, timeout};

use crate::fresh;

/// Batches and fills are dropped at all sorts of moments: each batch happened or did not, no lock is left behind, and
/// the connections are as good as new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_moment() {
    let (store, _folder) = fresh().await;
    let kit = Kit::new(store);
    kit.list(&["tea"]).await;
    let mut acknowledged = 0;
    for round in 0..300_u64 {
        let batch = kit.spawn(vec![add("ana", "tea", 1)], Arc::new(RecordingFence::default()));
        let store = kit.store.clone();
        let fill = tokio::spawn(async move { store.load_for_fill(&[owner("ana")]).await });
        sleep(Duration::from_micros(round * 7 % 1500)).await;
        batch.abort();
        fill.abort();
        acknowledged += u64::from(batch.await.is_ok());
    }
    let cart = timeout(Duration::from_secs(30), kit.done(add("ana", "tea", 1))).await.unwrap().cart;
    assert!(cart.version() > acknowledged, "{} acknowledged, version {}", acknowledged, cart.version());
    assert_eq!(cart.version(), cart.total_quantity());
    let fill = kit.store.load_for_fill(&[owner("ana")]).await.unwrap().remove(0);
    assert!(fill.locked && fill.cart == *cart);
}

/// On a runtime of one thread, as actix has them, nothing may block while a future is dropped.
#[tokio::test]
async fn on_a_runtime_of_one_thread() {
    let (store, _folder) = fresh().await;
    let kit = Kit::new(store);
    kit.list(&["tea"]).await;
    let fence = BlockingFence::default();
    {
        let requests = [add("ana", "tea", 1)];
        let mut batch = std::pin::pin!(kit.store.execute_batch(&requests, &kit.policy, &fence));
        tokio::select! {
            _ = &mut batch => unreachable!("the fence holds it"),
            () = fence.reached() => {}
        }
        assert!(!kit.store.load_for_fill(&[owner("ana")]).await.unwrap().remove(0).locked);
    }
    let cart = timeout(Duration::from_secs(30), kit.done(add("ana", "tea", 5))).await.unwrap().cart;
    assert_eq!((cart.version(), cart.total_quantity()), (1, 5));
    assert!(kit.store.load_for_fill(&[owner("ana")]).await.unwrap().remove(0).locked);
}
