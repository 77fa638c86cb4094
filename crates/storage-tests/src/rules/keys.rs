use std::sync::Arc;

use cartwright_domain::Clock;
use cartwright_storage::{Answer, CartRequest, Outcome};
use chrono::TimeDelta;

use crate::{Kit, RecordingFence, add, claimed, clear, merge, remove};

fn replayed(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Replayed(answer) => answer,
        other => panic!("expected a replay, got {other:?}"),
    }
}

/// The same key gives the first answer again, to the letter, even when the cart has moved on.
pub async fn a_key_replays_its_first_answer(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    let request = claimed(add("ana", "tea", 2), "k", &[0, 255, 1]);
    let first = kit.done(request.clone()).await;
    assert_eq!(replayed(kit.one(request.clone()).await), first);
    kit.advance(TimeDelta::minutes(1));
    kit.run(&[add("ana", "cup", 1), clear("ana")]).await;
    assert_eq!(replayed(kit.one(request).await), first);
    assert_eq!(kit.cart("ana").await.version(), 3);
}

/// The same key with another payload is refused, and does nothing.
pub async fn a_key_with_another_payload_is_refused(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(claimed(add("ana", "tea", 2), "k", b"two")).await;
    let outcomes = kit.run(&[claimed(add("ana", "tea", 3), "k", b"three"), add("ana", "tea", 1)]).await;
    assert_eq!(outcomes[0], Outcome::KeyReused);
    assert_eq!(kit.cart("ana").await.total_quantity(), 3);
}

/// The second of two equal keys in a batch is in flight; the same key of another principal is another key.
pub async fn two_equal_keys_in_a_batch_and_other_principals(kit: Kit) {
    kit.list(&["tea"]).await;
    let request = claimed(add("ana", "tea", 1), "k", b"x");
    let mut other = request.clone();
    "q".clone_into(&mut other.claim.as_mut().unwrap().principal);
    let outcomes = kit.run(&[request.clone(), request.clone(), other.clone()]).await;
    assert!(matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.version() == 1));
    assert_eq!(outcomes[1], Outcome::KeyInFlight);
    assert!(matches!(&outcomes[2], Outcome::Done(answer) if answer.cart.version() == 2));
    assert_eq!(replayed(kit.one(request).await).cart.version(), 1);
    assert_eq!(replayed(kit.one(other).await).cart.version(), 2);
}

/// A refusal is not kept: when the reason has gone, the same key succeeds.
pub async fn refusals_are_not_kept(kit: Kit) {
    let request = claimed(add("ana", "tea", 1), "k", b"x");
    assert!(matches!(kit.one(request.clone()).await, Outcome::Refused { .. }));
    kit.list(&["tea"]).await;
    assert_eq!(kit.done(request.clone()).await.cart.version(), 1);
    assert_eq!(replayed(kit.one(request).await).cart.version(), 1);
}

/// A key counts for 24 hours by the batch's clock; then it is free, also for another payload.
pub async fn keys_expire_after_a_day(kit: Kit) {
    kit.list(&["tea"]).await;
    let request = claimed(add("ana", "tea", 1), "k", b"x");
    kit.done(request.clone()).await;
    kit.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    replayed(kit.one(request).await);
    kit.advance(TimeDelta::seconds(2));
    let other = claimed(add("ana", "tea", 5), "k", b"y");
    assert_eq!(kit.done(other.clone()).await.cart.total_quantity(), 6);
    kit.advance(TimeDelta::hours(23));
    assert_eq!(replayed(kit.one(other).await).cart.total_quantity(), 6);
}

/// Old keys are deleted, as many as asked for at a time; younger ones stay.
pub async fn old_keys_are_forgotten_in_portions(kit: Kit) {
    kit.list(&["tea"]).await;
    for n in 0..3 {
        kit.done(claimed(add("ana", "tea", 1), &format!("old{n}"), b"x")).await;
    }
    kit.advance(TimeDelta::hours(12));
    let young = claimed(add("ana", "tea", 1), "young", b"x");
    kit.done(young.clone()).await;
    let forget = async |limit| kit.store.forget_old_keys(&*kit.clock, limit).await.unwrap();
    assert_eq!(forget(10).await, 0);
    kit.advance(TimeDelta::hours(13));
    assert_eq!(forget(2).await, 2);
    assert_eq!(forget(2).await, 1);
    assert_eq!(forget(2).await, 0);
    assert_eq!(replayed(kit.one(young).await).cart.version(), 4);
    assert_eq!(kit.done(claimed(add("ana", "tea", 1), "old0", b"x")).await.cart.version(), 5);
}

/// A merge under a key is replayed with its report, even when the emptied cart was filled again.
pub async fn a_merge_with_a_key_happens_once(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("guest", "tea", 2)).await;
    let request = claimed(merge("ana", "guest"), "k", b"x");
    let first = kit.done(request.clone()).await;
    assert_eq!(first.merge.as_ref().unwrap().lines.len(), 1);
    kit.done(add("guest", "tea", 9)).await;
    assert_eq!(replayed(kit.one(request).await), first);
    assert_eq!(kit.cart("guest").await.total_quantity(), 9);
    assert_eq!(kit.cart("ana").await.total_quantity(), 2);
}

/// However many batches carry the same key at the same time, one of them takes effect.
pub async fn one_key_in_concurrent_batches_takes_effect_once(kit: Kit) {
    kit.list(&["tea"]).await;
    let request = claimed(add("ana", "tea", 1), "k", b"x");
    let tasks: Vec<_> =
        (0..8).map(|_| kit.spawn(vec![request.clone()], Arc::new(RecordingFence::default()))).collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap().unwrap().remove(0) {
            Outcome::Done(_) => done += 1,
            Outcome::Replayed(_) | Outcome::KeyInFlight => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    let cart = kit.cart("ana").await;
    assert_eq!((done, cart.version(), cart.total_quantity()), (1, 1, 1));
    assert_eq!(replayed(kit.one(request).await).cart.updated_at(), Some(kit.clock.now()));
}

/// Keys and principals are any text, also long; many claims fit one batch.
pub async fn keys_are_any_text(kit: Kit) {
    kit.list(&["tea"]).await;
    let texts = ["", " ", "'\"\\{}[]", "ünï ☕", "a\nb", &"k".repeat(255), "A", "a", "null", "[1,2]"];
    let batch: Vec<CartRequest> = (texts.iter().enumerate())
        .flat_map(|(n, key)| {
            let owner = format!("o{n}");
            let one = claimed(add(&owner, "tea", 1), key, key.as_bytes());
            let mut two = one.clone();
            (*key).clone_into(&mut two.claim.as_mut().unwrap().principal);
            [one, two, remove(&owner, "none")]
        })
        .collect();
    let first = kit.run(&batch).await;
    let again = kit.run(&batch).await;
    for (first, again) in first.into_iter().zip(again) {
        match (first, again) {
            (Outcome::Done(first), Outcome::Replayed(again)) => assert_eq!(first, again),
            (Outcome::Refused { .. }, Outcome::Refused { .. }) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(kit.cart("o0").await.version(), 2);
}
