use std::{error::Error as _, sync::Arc};

use cartwright_cart::{CartServiceError, Settings, Source};
use cartwright_storage::StorageError;
use cartwright_storage_tests::{add, claimed, owner};
use futures_util::future::join_all;

use crate::{
    kit::{cart_of, eventually, hand_in, shop, shop_with},
    stores::Mood,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_fails_every_caller_of_the_batch_and_nothing_more() {
    let shop = shop().await;
    let present = shop.done(add("ana", "p1", 1)).await.document;
    shop.cached(&owner("ana")).await;
    let held = shop.store.batches.lock().await;
    let clicks: Vec<_> = (0..50).map(|_| hand_in(&shop.carts, add("ana", "p1", 1))).collect();
    shop.store.set(Mood::Down);
    drop(held);
    let mut causes: Vec<Arc<StorageError>> = Vec::new();
    for answer in join_all(clicks).await {
        match answer {
            Err(CartServiceError::Storage(cause)) => causes.push(cause),
            other => panic!("should fail: {other:?}"),
        }
    }
    assert!(causes.iter().all(|cause| matches!(**cause, StorageError::Unavailable(_))));
    assert!(causes[0].source().is_some(), "the cause is kept");
    causes.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert!(causes.len() <= 2, "one error for each batch");
    // Memory still knows; what it does not know cannot be answered.
    assert_eq!(shop.carts.read(&owner("ana")).await.unwrap().document, present);
    assert!(matches!(shop.carts.read(&owner("bob")).await, Err(CartServiceError::Storage(_))));
    assert!(matches!(shop.carts.ping().await, Err(CartServiceError::Storage(_))));
    shop.store.set(Mood::Well);
    shop.carts.ping().await.unwrap();
    assert_eq!(shop.carts.read(&owner("bob")).await.unwrap().document.version, 0);
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_panics_is_lost_and_its_lane_lives_on() {
    // One lane, so that it is the same one that is asked again.
    let settings = Settings { write_transactions: 1, read_lanes: 1, ..Settings::default() };
    let shop = shop_with(Some(Arc::new(crate::kit::memory())), settings).await;
    let held = shop.store.batches.lock().await;
    let clicks: Vec<_> = (0..20).map(|n| hand_in(&shop.carts, add(&format!("u{n}"), "p1", 1))).collect();
    shop.store.set(Mood::Panics);
    drop(held);
    for answer in join_all(clicks).await {
        assert!(matches!(answer, Err(CartServiceError::Lost)), "{answer:?}");
    }
    assert!(matches!(shop.carts.read(&owner("ana")).await, Err(CartServiceError::Lost)));
    assert!(matches!(shop.carts.ping().await, Err(CartServiceError::Lost)));
    shop.store.set(Mood::Well);
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 1);
    assert_eq!(shop.carts.read(&owner("ana")).await.unwrap().document.version, 1);
    assert_eq!(shop.store.truth(&owner("u0")).await.version(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_read_and_not_done_twice() {
    let shop = shop().await;
    let ana = owner("ana");
    shop.done(add("ana", "p1", 1)).await;
    assert_eq!(shop.cached(&ana).await.document.version, 1);
    shop.store.set(Mood::AnswerLost);
    let request = claimed(add("ana", "p1", 1), "key", b"print");
    let answer = shop.carts.execute(request.clone()).await;
    assert!(matches!(answer, Err(CartServiceError::Storage(_))), "{answer:?}");
    // Nobody knows, so the database is asked: memory must not show what was before.
    let read = shop.carts.read(&ana).await.unwrap();
    assert_eq!((read.source, read.document.version), (Source::Database, 2));
    shop.store.set(Mood::Well);
    let again = shop.done(request).await;
    assert!(again.replayed);
    assert_eq!(again.document.version, 2);
    assert_eq!(cart_of(&shop.cached(&ana).await), shop.store.truth(&ana).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_refuses_and_recovers() {
    let settings = Settings { write_transactions: 1, waiting: 10, ..Settings::default() };
    let shop = shop_with(None, settings).await;
    let held = shop.store.batches.lock().await;
    let first = hand_in(&shop.carts, add("ana", "p1", 1));
    eventually("the first batch is begun", async || shop.store.begun() == 1).await;
    let waiting: Vec<_> = (0..10).map(|_| hand_in(&shop.carts, add("ana", "p1", 1))).collect();
    let refused = shop.carts.execute(add("ana", "p1", 1)).await;
    assert!(matches!(refused, Err(CartServiceError::Overloaded)), "{refused:?}");
    drop(held);
    first.await.unwrap();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 12);
}
