use std::sync::Arc;

use cartwright_domain::{Gate, OpenGate, ReadSet};
use cartwright_storage::{FenceError, Outcome, StorageError};
use tokio::time::timeout;

use crate::{BlockingFence, Kit, add, claimed, clear, kit::PATIENCE, merge, owner, remove};

/// The fence is raised once for a batch, for the carts whose version will grow and for no others.
pub async fn the_fence_is_raised_once_with_exactly_the_changing_carts(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.run(&[
        add("dora", "tea", 1),
        add("ana", "tea", 1),
        add("ana", "tea", 1),
        remove("ben", "tea"),
        clear("cy"),
        add("guest", "tea", 1),
    ])
    .await;
    let changing = |raised: Vec<(Gate, Vec<_>)>| {
        assert_eq!(raised.len(), 1, "once per batch");
        let mut owners = raised[0].1.clone();
        owners.sort();
        owners
    };
    assert_eq!(changing(kit.fence.take()), [owner("ana"), owner("dora"), owner("guest")]);
    kit.run(&[merge("ana", "guest")]).await;
    assert_eq!(changing(kit.fence.take()), [owner("ana"), owner("guest")]);
    kit.done(claimed(add("ana", "tea", 1), "k", b"x")).await;
    kit.fence.take();
    kit.one(claimed(add("ana", "tea", 1), "k", b"x")).await;
    assert_eq!(kit.fence.take(), [], "a replay changes nothing");
}

/// The gate that the fence is given is the one in the database.
pub async fn the_fence_sees_the_gate_of_the_database(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 1)).await;
    assert_eq!(kit.fence.take()[0].0, Gate::initial());
    let open = OpenGate {
        namespace: "n1".to_owned(),
        primary: "run-id".to_owned(),
        replicas: ReadSet {
            endpoints: vec!["r1:6379".to_owned()],
            attached: vec!["10.0.0.1:6379".to_owned()],
        },
        previous: None,
    };
    assert!(kit.store.open_gate(0, &open).await.unwrap());
    kit.done(add("ana", "tea", 1)).await;
    let seen = kit.fence.take().remove(0).0;
    assert_eq!((seen.epoch, seen.open()), (1, Some(&open)));
    assert_eq!(seen, kit.store.gate().await.unwrap());
}

/// When the fence refuses, nothing is written: no cart, no line, no key.
pub async fn a_refused_fence_leaves_nothing_behind(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 1)).await;
    let before = kit.cart("ana").await;
    kit.fence.refuse(true);
    let batch = [claimed(add("ana", "tea", 1), "k", b"x"), add("ben", "tea", 1)];
    match kit.try_run(&batch).await {
        Err(StorageError::Fence(FenceError::Unreachable { epoch: 0, reason })) => {
            assert_eq!(reason, "refused by the test");
        }
        other => panic!("expected the fence's own error, got {other:?}"),
    }
    assert_eq!(kit.cart("ana").await, before);
    assert_eq!(kit.cart("ben").await.version(), 0);
    let fill = kit.store.load_for_fill(&[owner("ana"), owner("ben")]).await.unwrap();
    assert!(fill.iter().all(|read| read.locked), "the locks are given back");
    kit.fence.refuse(false);
    let outcomes = kit.run(&batch).await;
    assert!(matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.version() == 2), "{outcomes:?}");
}

/// A batch whose caller goes away while the fence is being raised is rolled back, and its locks are given back.
pub async fn a_batch_that_is_dropped_leaves_nothing_behind(kit: Kit) {
    kit.list(&["tea"]).await;
    for round in 0..5 {
        let fence = Arc::new(BlockingFence::default());
        let batch = kit.spawn(vec![claimed(add("ana", "tea", 1), "k", b"x")], fence.clone());
        timeout(PATIENCE, fence.reached()).await.expect("the batch comes to its fence");
        batch.abort();
        assert!(batch.await.unwrap_err().is_cancelled());
        assert_eq!(kit.cart("ana").await.version(), 0, "round {round}");
        let answer = timeout(PATIENCE, kit.done(add("ben", "tea", 1))).await.expect("others can write");
        assert_eq!(answer.cart.version(), round + 1);
    }
    let answer = timeout(PATIENCE, kit.done(claimed(add("ana", "tea", 1), "k", b"x"))).await;
    assert_eq!(answer.expect("the cart's lock is free").cart.version(), 1);
}
