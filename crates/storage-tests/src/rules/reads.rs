use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cartwright_domain::Cart;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::timeout,
};

use crate::{BlockingFence, Kit, add, kit::PATIENCE, owner};

/// Many owners, absent ones and duplicates among them: one cart each, in the order asked for.
pub async fn load_answers_each_owner_in_order(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    for n in 0..40 {
        kit.run(&[add(&format!("o{n}"), "tea", n + 1), add(&format!("o{n}"), "cup", 1)]).await;
    }
    let mut owners: Vec<_> = (0..60).rev().map(|n| owner(&format!("o{n}"))).collect();
    owners.extend(["o3", "nobody", "o3"].map(owner));
    let carts = kit.store.load(&owners).await.unwrap();
    let fills = kit.store.load_for_fill(&owners).await.unwrap();
    assert_eq!((carts.len(), fills.len()), (owners.len(), owners.len()));
    for ((owner, cart), fill) in owners.iter().zip(&carts).zip(&fills) {
        assert_eq!(cart.owner(), owner);
        assert_eq!(fill.cart, *cart);
        let n: Option<u64> = owner.as_str().strip_prefix('o').and_then(|n| n.parse().ok());
        let units = n.filter(|n| *n < 40).map_or(0, |n| n + 2);
        assert_eq!(cart.total_quantity(), units, "{owner}");
        assert_eq!(cart.version(), if units > 0 { 2 } else { 0 });
    }
}

/// Nobody writes: every cart is read under its lock, also one without a row, also by several at once.
pub async fn a_fill_of_a_quiet_cart_is_locked(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 1)).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = kit.store.clone();
            tokio::spawn(
                async move { store.load_for_fill(&[owner("ana"), owner("nobody"), owner("ana")]).await },
            )
        })
        .collect();
    for task in tasks {
        let fills = task.await.unwrap().unwrap();
        assert!(fills.iter().all(|fill| fill.locked), "{fills:?}");
        assert_eq!([fills[0].cart.version(), fills[1].cart.version(), fills[2].cart.version()], [1, 0, 1]);
    }
    kit.done(add("ana", "tea", 1)).await;
    assert_eq!(kit.cart("ana").await.version(), 2, "no lock is left behind");
}

/// While a batch is at its fence: reads of its carts give the old value at once, and fills of them are not locked.
pub async fn a_fill_never_waits_for_a_batch(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.run(&[add("ana", "tea", 1), add("quiet", "tea", 1)]).await;
    let fence = Arc::new(BlockingFence::default());
    let batch = kit.spawn(vec![add("ana", "tea", 1), add("new", "tea", 1)], fence.clone());
    timeout(PATIENCE, fence.reached()).await.expect("the batch comes to its fence");
    let reads = async {
        let owners = ["ana", "quiet", "new"].map(owner);
        let carts = kit.store.load(&owners).await.unwrap();
        let fills = kit.store.load_for_fill(&owners).await.unwrap();
        let gate = kit.store.gate().await.unwrap();
        (carts, fills, gate)
    };
    let (carts, fills, gate) = timeout(PATIENCE, reads).await.expect("reads do not wait for a batch");
    assert_eq!(carts.iter().map(Cart::version).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(fills.iter().map(|fill| fill.locked).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(fills.into_iter().map(|fill| fill.cart).collect::<Vec<_>>(), carts);
    assert_eq!(gate.epoch, 0);
    fence.release();
    batch.await.unwrap().unwrap();
    let fills = kit.store.load_for_fill(&["ana", "new"].map(owner)).await.unwrap();
    assert!(fills.iter().all(|fill| fill.locked));
    assert_eq!([fills[0].cart.version(), fills[1].cart.version()], [2, 1]);
}

/// Under constant writing, a fill is never torn, never goes back, and shows what was acknowledged before it began.
pub async fn a_fill_shows_what_was_acknowledged(kit: Kit) {
    kit.list(&["tea"]).await;
    let store = kit.store.clone();
    let (stop, mut stopped) = oneshot::channel::<()>();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let floor = acknowledged.clone();
    let reader = tokio::spawn(async move {
        let (mut reads, mut latest) = (0_u64, 0);
        while matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            let at_least = floor.load(Ordering::SeqCst);
            let fill = store.load_for_fill(&[owner("ana")]).await.unwrap().remove(0);
            assert!(fill.cart.version() >= at_least, "{} < {at_least}", fill.cart.version());
            assert!(fill.cart.version() >= latest, "a cart went back");
            latest = fill.cart.version();
            assert_eq!(fill.cart.total_quantity(), latest, "a torn cart");
            reads += 1;
        }
        reads
    });
    for n in 1..=100 {
        kit.done(add("ana", "tea", 1)).await;
        acknowledged.store(n, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    // The writer is quiet now: from here on a fill must get its lock.
    assert!(kit.store.load_for_fill(&[owner("ana")]).await.unwrap()[0].locked);
    stop.send(()).unwrap();
    assert!(reader.await.unwrap() > 0);
}
