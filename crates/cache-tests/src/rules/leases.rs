use std::sync::Arc;

use cartwright_cache::{CacheRead, Lease};
use futures_util::future::join_all;

use crate::{
    Kit, document,
    kit::{owner, value},
    owners,
};

/// Who finds nothing gets the right to fill, and it is the only one.
pub async fn an_absent_cart_gives_one_lease(kit: Kit) {
    let ana = owner("ana");
    assert_eq!(kit.cache().peek(&ana), None);
    let lease = kit.absent(&ana).await;
    assert!(!lease.token.is_empty());
    kit.hidden(&ana).await;
}

/// Looking shows what is there, and is never wrong about it; claiming never says that somebody else must be asked.
pub async fn a_look_is_never_wrong_and_a_claim_always_answers(kit: Kit) {
    let (ana, bob) = (owner("ana"), owner("bob"));
    kit.put(&ana, &document(3)).await;
    let asked = [bob.clone(), ana.clone()];
    let looked = kit.cache().look(&asked).await;
    assert!(matches!(&looked[0], CacheRead::Missing | CacheRead::Absent(_)), "{looked:?}");
    assert!(!matches!(&looked[1], CacheRead::Absent(_)), "{looked:?}");
    let claimed = kit.cache().claim(&asked).await;
    assert!(matches!(&claimed[0], CacheRead::Absent(_)), "{claimed:?}");
    assert!(matches!(&claimed[1], CacheRead::Hit(found, _) if *found == document(3)), "{claimed:?}");
    let fence = kit.fence(std::slice::from_ref(&ana)).await;
    let looked = kit.cache().look(&asked).await;
    assert!(!looked.iter().any(|read| matches!(read, CacheRead::Hit(..))), "{looked:?}");
    let claimed = kit.cache().claim(&asked).await;
    assert!(matches!(&claimed[1], CacheRead::Absent(lease) if *lease == fence), "{claimed:?}");
}

/// However many ask at once, they get the same lease, and one of them uses it up.
pub async fn many_readers_of_an_absent_cart_get_one_lease(kit: Kit) {
    for round in 0..20 {
        let ana = owner(&format!("ana-{round}"));
        let readers = (0..32).map(|_| {
            let (kit, ana) = (kit.clone(), ana.clone());
            tokio::spawn(async move { kit.read(&ana).await })
        });
        let mut leases = Vec::new();
        for read in join_all(readers).await {
            match read.unwrap() {
                CacheRead::Absent(lease) => leases.push(lease),
                other => panic!("nothing was stored, and the cache is in use: {other:?}"),
            }
        }
        assert!(leases.iter().all(|lease| *lease == leases[0]), "{leases:?}");
        kit.store(&ana, &leases[0], &document(1)).await;
        kit.store(&ana, &leases[1], &document(2)).await;
        kit.hit(&ana, &document(1)).await;
    }
}

/// What the lease stores is what everybody reads.
pub async fn what_is_stored_is_read(kit: Kit) {
    let ana = owner("ana");
    let lease = kit.absent(&ana).await;
    kit.store(&ana, &lease, &document(7)).await;
    kit.hit(&ana, &document(7)).await;
}

/// Reading takes nothing away.
pub async fn a_hit_stays(kit: Kit) {
    let ana = owner("ana");
    kit.put(&ana, &document(7)).await;
    for _ in 0..50 {
        kit.hit(&ana, &document(7)).await;
    }
}

/// As soon as the fence is up, nobody is served the document: this is the promise of the whole cache.
pub async fn a_fence_hides_a_hit_at_once(kit: Kit) {
    let ana = owner("ana");
    kit.put(&ana, &document(1)).await;
    for version in 2..30 {
        let lease = kit.fence(std::slice::from_ref(&ana)).await;
        kit.hidden(&ana).await;
        kit.store(&ana, &lease, &document(version)).await;
        kit.hit(&ana, &document(version)).await;
    }
}

/// A reader who loaded the cart before it changed may not store it afterwards.
pub async fn a_fence_takes_a_readers_lease_away(kit: Kit) {
    let ana = owner("ana");
    let stale = kit.absent(&ana).await;
    let fresh = kit.fence(std::slice::from_ref(&ana)).await;
    kit.store(&ana, &stale, &document(1)).await;
    kit.hidden(&ana).await;
    kit.store(&ana, &fresh, &document(2)).await;
    kit.hit(&ana, &document(2)).await;
    kit.store(&ana, &stale, &document(1)).await;
    kit.hit(&ana, &document(2)).await;
}

/// A writer whose fence was followed by another's does not store any more.
pub async fn a_fence_takes_an_earlier_fences_lease_away(kit: Kit) {
    let ana = owner("ana");
    let first = kit.fence(std::slice::from_ref(&ana)).await;
    let second = kit.fence(std::slice::from_ref(&ana)).await;
    assert_ne!(first, second);
    kit.store(&ana, &first, &document(1)).await;
    kit.hidden(&ana).await;
    kit.store(&ana, &second, &document(2)).await;
    kit.hit(&ana, &document(2)).await;
}

/// A fence keeps readers from filling, and its lease fills, for carts that were cached and carts that were not.
pub async fn the_lease_of_a_fence_stores(kit: Kit) {
    let (ana, bob) = (owner("ana"), owner("bob"));
    kit.put(&ana, &document(1)).await;
    let lease = kit.fence(&[ana.clone(), bob.clone()]).await;
    kit.hidden(&ana).await;
    kit.hidden(&bob).await;
    kit.cache().store(vec![value(&ana, &lease, &document(2)), value(&bob, &lease, &document(5))]).await;
    kit.hit(&ana, &document(2)).await;
    kit.hit(&bob, &document(5)).await;
}

/// A writer that is not going to store anything takes documents and leases away all the same.
pub async fn a_fence_without_a_lease_hides_and_leaves_the_rest_to_readers(kit: Kit) {
    let (ana, bob) = (owner("ana"), owner("bob"));
    let both = [ana.clone(), bob.clone()];
    kit.remove(&[]).await;
    for version in 1..20 {
        kit.put(&ana, &document(version)).await;
        let stale = kit.absent(&bob).await;
        kit.remove(&both).await;
        // And once more, now that nothing is left to be removed.
        kit.remove(&both).await;
        kit.hidden(&ana).await;
        kit.store(&bob, &stale, &document(version)).await;
        kit.hidden(&bob).await;
        let fresh = kit.absent(&ana).await;
        kit.store(&ana, &fresh, &document(version + 1)).await;
        kit.hit(&ana, &document(version + 1)).await;
        let writers = kit.fence(&both).await;
        kit.remove(&both).await;
        kit.store(&ana, &writers, &document(version)).await;
        kit.hidden(&ana).await;
    }
}

/// Whoever reads a cart that a writer has fenced gets the writer's lease, and uses it up by storing.
pub async fn a_reader_may_store_with_the_lease_of_a_fence(kit: Kit) {
    let ana = owner("ana");
    kit.put(&ana, &document(1)).await;
    let writers = kit.fence(std::slice::from_ref(&ana)).await;
    let readers = kit.absent(&ana).await;
    assert_eq!(readers, writers);
    kit.store(&ana, &readers, &document(2)).await;
    kit.store(&ana, &writers, &document(3)).await;
    kit.hit(&ana, &document(2)).await;
    // The next fence takes it away.
    let _later = kit.fence(std::slice::from_ref(&ana)).await;
    kit.store(&ana, &readers, &document(2)).await;
    kit.hidden(&ana).await;
}

/// A lease is used up by storing.
pub async fn a_lease_stores_once(kit: Kit) {
    let ana = owner("ana");
    let lease = kit.absent(&ana).await;
    kit.store(&ana, &lease, &document(1)).await;
    kit.store(&ana, &lease, &document(2)).await;
    kit.hit(&ana, &document(1)).await;
}

/// The right to one cart is no right to another.
pub async fn a_lease_of_another_cart_stores_nothing(kit: Kit) {
    let (ana, bob, eve) = (owner("ana"), owner("bob"), owner("eve"));
    let of_ana = kit.absent(&ana).await;
    let of_bob = kit.absent(&bob).await;
    kit.store(&bob, &of_ana, &document(1)).await;
    kit.store(&eve, &of_ana, &document(1)).await;
    kit.hidden(&bob).await;
    // Nothing was left at a cart that nobody has asked for, either.
    kit.put(&eve, &document(3)).await;
    kit.store(&bob, &of_bob, &document(2)).await;
    kit.hit(&bob, &document(2)).await;
}

/// Neither of another opening of the gate, nor invented, nor cut short.
pub async fn a_lease_that_was_never_given_stores_nothing(kit: Kit) {
    let ana = owner("ana");
    let lease = kit.absent(&ana).await;
    let shorter = &lease.token[..lease.token.len() - 1];
    let wrong = [
        Lease { namespace: Arc::from("another-opening"), ..lease.clone() },
        Lease { namespace: Arc::from(""), ..lease.clone() },
        Lease { token: Arc::from(""), ..lease.clone() },
        Lease { token: Arc::from("*"), ..lease.clone() },
        Lease { token: Arc::from(shorter), ..lease.clone() },
        Lease { token: Arc::from(format!("{}0", lease.token)), ..lease.clone() },
    ];
    for wrong in &wrong {
        kit.store(&ana, wrong, &document(1)).await;
        kit.hidden(&ana).await;
    }
    kit.store(&ana, &lease, &document(2)).await;
    kit.hit(&ana, &document(2)).await;
    for wrong in &wrong {
        kit.store(&ana, wrong, &document(1)).await;
        kit.hit(&ana, &document(2)).await;
    }
}

/// A store that is under way when the fence comes either is hidden by it or does not happen.
pub async fn a_fence_wins_over_a_store_at_the_same_time(kit: Kit) {
    let carts = owners("racer", 8);
    for version in 1..250 {
        let lease = kit.fence(&carts).await;
        let start = Arc::new(tokio::sync::Barrier::new(2));
        let storing = tokio::spawn({
            let (kit, carts, start) = (kit.clone(), carts.clone(), start.clone());
            async move {
                let stale = document(version);
                let values = carts.iter().map(|cart| value(cart, &lease, &stale)).collect();
                start.wait().await;
                kit.cache().store(values).await;
            }
        });
        start.wait().await;
        let fence = kit.fence(&carts).await;
        storing.await.unwrap();
        for (cart, read) in carts.iter().zip(kit.cache().read(&carts).await) {
            assert_eq!(read, CacheRead::Absent(fence.clone()), "{cart} is fenced");
        }
        let newer = document(version + 1);
        kit.cache().store(carts.iter().map(|cart| value(cart, &fence, &newer)).collect()).await;
        kit.hit(&carts[0], &newer).await;
    }
}

/// One lost lease does not take the others of the batch with it.
pub async fn a_batch_of_stores_is_decided_one_by_one(kit: Kit) {
    let carts = owners("batch", 30);
    let lease = kit.fence(&carts).await;
    let lost: Vec<_> = carts.iter().step_by(3).cloned().collect();
    let later = kit.fence(&lost).await;
    kit.cache().store(carts.iter().map(|cart| value(cart, &lease, &document(1))).collect()).await;
    for cart in &carts {
        if lost.contains(cart) {
            kit.hidden(cart).await;
            kit.store(cart, &later, &document(2)).await;
            kit.hit(cart, &document(2)).await;
        } else {
            kit.hit(cart, &document(1)).await;
        }
    }
}
