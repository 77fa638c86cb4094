use cartwright_domain::CartError;
use cartwright_storage::{CartRequest, Outcome};

use crate::{Kit, add, claimed, clear, merge, owner, remove, set};

fn versions(outcomes: &[Outcome]) -> Vec<Option<u64>> {
    let version = |outcome: &Outcome| match outcome {
        Outcome::Done(answer) => Some(answer.cart.version()),
        _ => None,
    };
    outcomes.iter().map(version).collect()
}

/// A request that its rule forbids fails alone; the others are decided in order, each on what came before it.
pub async fn a_rule_fails_alone_and_sees_what_came_before(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    let outcomes = kit
        .run(&[
            add("ana", "tea", 600),
            add("ana", "none", 1),
            add("ana", "tea", 600),
            add("ben", "cup", 1),
            remove("ana", "cup"),
            add("ana", "cup", 1),
            remove("ana", "cup"),
            merge("ben", "ana"),
            add("ana", "cup", 2),
        ])
        .await;
    let done = [Some(1), None, None, Some(1), None, Some(2), Some(3), Some(2), Some(5)];
    assert_eq!(versions(&outcomes), done);
    let Outcome::Refused { error, cart } = &outcomes[2] else { panic!("{outcomes:?}") };
    assert_eq!(*error, CartError::TooManyUnits { present: 600, adding: 600 });
    assert_eq!((cart.version(), cart.total_quantity()), (1, 600));
    let (ana, ben) = (kit.cart("ana").await, kit.cart("ben").await);
    assert_eq!((ana.version(), ana.total_quantity()), (5, 2));
    assert_eq!((ben.version(), ben.total_quantity()), (2, 601));
}

/// An expected version must be the cart's when the request's turn comes; any of a list will do.
pub async fn expected_versions_are_checked(kit: Kit) {
    kit.list(&["tea"]).await;
    let expecting = |versions: &[u64]| CartRequest { expected: versions.to_vec(), ..add("ana", "tea", 1) };
    assert_eq!(kit.done(expecting(&[0])).await.cart.version(), 1);
    assert_eq!(kit.done(expecting(&[1])).await.cart.version(), 2);
    assert_eq!(kit.done(expecting(&[7, 2, 9])).await.cart.version(), 3);
    let outcome = kit.one(expecting(&[0, 1, 2, 4])).await;
    let Outcome::Refused { error: CartError::VersionMismatch { actual: 3 }, cart } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(*cart, kit.cart("ana").await);
    let outcomes = kit.run(&[expecting(&[3]), expecting(&[3]), expecting(&[4])]).await;
    assert_eq!(versions(&outcomes), [Some(4), None, Some(5)]);
    let conditional = CartRequest { expected: vec![1], ..merge("ben", "ana") };
    let outcome = kit.one(conditional).await;
    assert!(matches!(outcome, Outcome::Refused { error: CartError::VersionMismatch { actual: 0 }, .. }));
    assert_eq!(kit.cart("ana").await.version(), 5);
}

/// A version is the number of changes, over all batches.
pub async fn versions_only_grow_and_count_changes(kit: Kit) {
    kit.list(&["tea"]).await;
    let mut changes = 0;
    for round in 1..=10 {
        let mut batch: Vec<_> = (0..round).map(|_| add("ana", "tea", 1)).collect();
        batch.push(clear("ana"));
        batch.push(clear("ana"));
        let outcomes = kit.run(&batch).await;
        changes += round + 1;
        assert_eq!(versions(&outcomes).last(), Some(&Some(changes)));
        assert_eq!(kit.cart("ana").await.version(), changes);
    }
}

/// No requests: no outcomes, no fence.
pub async fn an_empty_batch_is_nothing(kit: Kit) {
    assert_eq!(kit.run(&[]).await, []);
    assert_eq!(kit.fence.take(), []);
    assert_eq!(kit.store.load(&[]).await.unwrap(), []);
    assert_eq!(kit.store.load_for_fill(&[]).await.unwrap(), []);
}

/// Requests that change nothing keep version and times, and do not raise the fence.
pub async fn what_changes_nothing_is_not_written(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 2)).await;
    let before = kit.cart("ana").await;
    kit.fence.take();
    kit.advance(chrono::TimeDelta::hours(1));
    let idle = [
        set("ana", "tea", Some(2)),
        clear("ben"),
        merge("ana", "cy"),
        remove("ana", "cup"),
        claimed(set("ana", "tea", Some(2)), "k", b"x"),
    ];
    let outcomes = kit.run(&idle).await;
    assert_eq!(versions(&outcomes), [Some(1), Some(0), Some(1), None, Some(1)]);
    assert_eq!(kit.fence.take(), []);
    assert_eq!(kit.cart("ana").await, before);
    assert_eq!(kit.cart("ben").await.created_at(), None);
    assert_eq!(kit.store.load(&[owner("cy")]).await.unwrap()[0].version(), 0);
}
