use tokio::time::timeout;

use crate::{Kit, RecordingFence, add, kit::PATIENCE, merge, owner};

/// 16 tasks × 50 adds over 20 products of one cart: the exact sum, 20 lines, one version for each change.
pub async fn concurrent_adds_to_one_cart_all_count(kit: Kit) {
    let ids: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    kit.list(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (store, policy) = (kit.store.clone(), kit.policy.clone());
    let tasks = (0..16).map(|task| {
        let (store, policy, ids) = (store.clone(), policy.clone(), ids.clone());
        tokio::spawn(async move {
            let fence = RecordingFence::default();
            for round in 0..10 {
                let batch: Vec<_> =
                    (0..5).map(|n| add("ana", &ids[(task + round * 5 + n) % ids.len()], 1)).collect();
                store.execute_batch(&batch, &policy, &fence).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let cart = kit.cart("ana").await;
    assert_eq!((cart.version(), cart.total_quantity(), cart.lines().len()), (800, 800, 20));
}

/// Batches that name the same carts in different orders, with merges both ways: no deadlock, and every unit that was
/// added is in exactly one cart.
pub async fn crossing_merges_lose_and_invent_nothing(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    let names = ["a", "b", "c", "d"];
    let tasks: Vec<_> = (0..8_usize)
        .map(|task| {
            let (store, policy) = (kit.store.clone(), kit.policy.clone());
            tokio::spawn(async move {
                let fence = RecordingFence::default();
                for round in 0..6 {
                    let at = |n: usize| names[(task + round + n) % names.len()];
                    let mut batch = vec![
                        add(at(0), "tea", 1),
                        merge(at(1), at(0)),
                        add(at(2), "cup", 1),
                        merge(at(3), at(2)),
                    ];
                    if task % 2 == 1 {
                        batch.reverse();
                    }
                    store.execute_batch(&batch, &policy, &fence).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        timeout(PATIENCE, task).await.expect("no deadlock").unwrap();
    }
    let carts = kit.store.load(&names.map(owner)).await.unwrap();
    let units: u64 = carts.iter().map(cartwright_domain::Cart::total_quantity).sum();
    assert_eq!(units, 8 * 6 * 2);
}
