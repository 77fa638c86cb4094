//! Callers who leave, and the end of the service.

use std::sync::Arc;

use cartwright_cart::CartServiceError;
use cartwright_storage_tests::{add, merge, owner};
use futures_util::future::join_all;

use crate::kit::{PATIENCE, cart_of, eventually, hand_in, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_after_the_batch_was_begun_changes_nothing_about_it() {
    let shop = shop().await;
    let held = shop.store.batches.lock().await;
    let mut news = shop.carts.subscribe(&owner("ana"));
    let request = hand_in(&shop.carts, add("ana", "p1", 3));
    eventually("the batch is begun", async || shop.store.begun() == 1).await;
    drop(request);
    drop(held);
    tokio::time::timeout(PATIENCE, news.next()).await.expect("it is carried out");
    let cart = cart_of(&shop.carts.read(&owner("ana")).await.unwrap());
    assert_eq!((cart.version(), cart.total_quantity()), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_before_the_batch_is_begun_takes_his_request_along() {
    let shop = shop().await;
    let held = shop.store.batches.lock().await;
    let first = hand_in(&shop.carts, add("ana", "p1", 1));
    eventually("the first batch is begun", async || shop.store.begun() == 1).await;
    let second = hand_in(&shop.carts, add("ana", "p1", 10));
    let third = hand_in(&shop.carts, add("ana", "p1", 100));
    drop(second);
    drop(held);
    assert_eq!(first.await.unwrap().document.version, 1);
    let last = third.await.unwrap();
    assert_eq!(last.document.version, 2);
    assert_eq!(shop.store.truth(&owner("ana")).await.total_quantity(), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_who_leave_at_any_moment_leave_no_half_done_merge() {
    let shop = Arc::new(shop().await);
    for round in 0..60_u32 {
        let (into, from) = (format!("into-{round}"), format!("from-{round}"));
        shop.done(add(&from, "p1", 7)).await;
        let request = {
            let (shop, into, from) = (shop.clone(), into.clone(), from.clone());
            tokio::spawn(async move { shop.carts.execute(merge(&into, &from)).await })
        };
        for _ in 0..round % 20 {
            tokio::task::yield_now().await;
        }
        request.abort();
        // Two more merges behind it: when these are answered, it has happened or never will.
        shop.done(merge(&into, &from)).await;
        let (a, b) = (owner(&into), owner(&from));
        let (target, source) = (shop.store.truth(&a).await, shop.store.truth(&b).await);
        assert_eq!((target.total_quantity(), source.total_quantity()), (7, 0), "in round {round}");
        assert_eq!((target.version(), source.version()), (1, 2), "in round {round}");
        assert_eq!(cart_of(&shop.carts.read(&a).await.unwrap()), target);
        assert_eq!(cart_of(&shop.carts.read(&b).await.unwrap()), source);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_finishes_what_was_accepted_and_refuses_what_is_new() {
    let shop = shop().await;
    let held = shop.store.batches.lock().await;
    let mut news = shop.carts.subscribe(&owner("ana"));
    let accepted: Vec<_> = (0..300).map(|_| hand_in(&shop.carts, add("ana", "p1", 1))).collect();
    let shutdown = {
        let carts = shop.carts.clone();
        tokio::spawn(async move { carts.shutdown().await })
    };
    let mut visitor = 0;
    eventually("what is new is refused", async || {
        visitor += 1; // one that memory does not know
        match shop.carts.read(&owner(&format!("visitor-{visitor}"))).await {
            Err(CartServiceError::ShuttingDown) => true,
            Ok(_) => false,
            Err(other) => panic!("{other:?}"),
        }
    })
    .await;
    let refused = shop.carts.execute(add("ana", "p1", 1)).await;
    assert!(matches!(refused, Err(CartServiceError::ShuttingDown)), "{refused:?}");
    assert!(!shutdown.is_finished(), "three hundred are waiting");
    drop(held);
    tokio::time::timeout(PATIENCE, shutdown).await.expect("it ends").unwrap();
    // All is done by now, the callers need only look.
    assert_eq!(shop.store.truth(&owner("ana")).await.total_quantity(), 300);
    assert!(join_all(accepted).await.iter().all(Result::is_ok));
    assert_ne!(tokio::time::timeout(PATIENCE, news.next()).await.ok(), None, "the listeners were told");
    tokio::time::timeout(PATIENCE, shop.carts.shutdown()).await.expect("twice is no harm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_acknowledged_around_a_shutdown_was_done_before_it_returned() {
    for round in 0..40_u32 {
        let shop = Arc::new(shop().await);
        let clients = (0..4).map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                loop {
                    match shop.carts.execute(add("ana", "p1", 1)).await {
                        Ok(_) => done += 1,
                        Err(CartServiceError::ShuttingDown) => return done,
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        shop.carts.shutdown().await;
        let at_the_end = shop.store.truth(&owner("ana")).await.total_quantity();
        let mut acknowledged = 0;
        for client in clients {
            acknowledged += client.await.unwrap();
        }
        assert_eq!(acknowledged, at_the_end, "in round {round}");
        assert_eq!(shop.store.truth(&owner("ana")).await.total_quantity(), at_the_end);
    }
}
