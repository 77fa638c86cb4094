//! Orders that are one statement, on the connection that they share.

use std::{sync::Arc, time::Duration};

use cartwright_domain::Clock;
use cartwright_storage::{Placed, StockLocking};
use cartwright_storage_tests::{Kit, RecordingFence, buy, details, imported};
use cartwright_testkit::eventually;
use tokio::time::timeout;

use crate::kit::{direct, fresh_url, node};

const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_lock_holds_up_nobody_else() {
    let url = fresh_url().await;
    let kit = Arc::new(Kit::new(node(&url).await));
    let products = ["cup", "mug"].map(|id| {
        let mut details = details("Thing", 250);
        details.stock = cartwright_domain::Stock::new(1_000).unwrap();
        imported(id, details)
    });
    kit.store.import_products(&products, kit.clock.now()).await.unwrap();
    // What was sold before is known, and sold by one statement.
    assert!(bought(Arc::clone(&kit), "cup").await && bought(Arc::clone(&kit), "mug").await);

    let mut somebody = direct(&url).await;
    let lock = somebody.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM products WHERE id = 'cup' FOR UPDATE").await.unwrap();
    let stuck = tokio::spawn(bought(Arc::clone(&kit), "cup"));
    let server = direct(&url).await;
    eventually(SOON, async || {
        let waiting =
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        !server.query(waiting, &[]).await.unwrap().is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(timeout(SOON, bought(Arc::clone(&kit), "mug")).await.unwrap());
    assert!(!stuck.is_finished());
    // Nobody waits for the answer any more; and nobody gets the connection on which it still waits.
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    for _ in 0..3 {
        assert!(timeout(SOON, bought(Arc::clone(&kit), "mug")).await.unwrap());
    }
    lock.rollback().await.unwrap();
    assert!(bought(Arc::clone(&kit), "cup").await);
    assert_eq!(kit.store.stock_drift().await.unwrap(), 0);
}

async fn bought(kit: Arc<Kit>, product: &str) -> bool {
    let (policy, fence) = (kit.orders_by(StockLocking::Adaptive), RecordingFence::default());
    let batch = kit.store.place_orders(&[buy("ana", &[(product, 1)])], &policy, &fence).await.unwrap();
    matches!(batch.outcomes[..], [Placed::Done(_)])
}
