//! Orders that are one statement, on the connection that they share.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{Clock, OrderId, OrderStatus, ProductId, Stock};
use cartwright_storage::{OrderRequest, OrderStep, Placed, StockLocking};
use cartwright_storage_tests::{Kit, RecordingFence, buy, details, imported};
use cartwright_testkit::eventually;
use tokio::time::timeout;

use crate::kit::{direct, fresh_url, node};

const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_lock_holds_up_nobody_else() {
    let url = fresh_url().await;
    let kit = shop(&url, 1_000).await;
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

#[tokio::test]
async fn a_batch_enters_each_product_once_and_each_order_gives_back_its_own() {
    let url = fresh_url().await;
    let (kit, server) = (shop(&url, 100).await, direct(&url).await);
    let entered = async |kind: &str| {
        let rows =
            "SELECT source::text, product_id, units FROM stock_ledger WHERE kind = $1 ORDER BY product_id";
        let rows = server.query(rows, &[&kind]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect::<Vec<(String, String, i32)>>()
    };
    let (policy, fence) = (kit.orders_by(StockLocking::Adaptive), RecordingFence::default());
    let requests =
        [buy("ana", &[("cup", 2)]), buy("bob", &[("cup", 1), ("mug", 3)]), buy("cy", &[("cup", 1)])];
    let batch = kit.store.place_orders(&requests, &policy, &fence).await.unwrap();
    assert!(batch.outcomes.iter().all(|outcome| matches!(outcome, Placed::Done(_))));
    let [ana, bob, _] = requests.map(|request| request.id);
    let of = |order: OrderId, product: &str, units| (order.to_string(), product.to_owned(), units);
    assert_eq!(entered("sale").await, [of(ana, "cup", -4), of(bob, "mug", -3)]);

    let cancel = OrderStep { id: bob, owner: None, to: OrderStatus::Cancelled, reason: None };
    kit.store.step_orders(&[cancel], kit.clock.now()).await.unwrap();
    assert_eq!(entered("return").await, [of(bob, "cup", 1), of(bob, "mug", 3)]);
    let left = server.query_one("SELECT string_agg(stock::text, ' ' ORDER BY id) FROM products", &[]).await;
    assert_eq!(left.unwrap().get::<_, &str>(0), "97 100");
    assert_eq!(kit.store.stock_drift().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_learns_that_others_sold_all_does_not_wait_to_hear_it_again() {
    let url = fresh_url().await;
    let (here, there) = (shop(&url, 3).await, Arc::new(Kit::new(node(&url).await)));
    assert!(bought(Arc::clone(&here), "cup").await);
    assert!(bought(Arc::clone(&there), "cup").await);
    assert!(bought(Arc::clone(&there), "cup").await);
    // Here, two are thought to be left.
    assert!(!bought(Arc::clone(&here), "cup").await);
    let mut somebody = direct(&url).await;
    let lock = somebody.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM products WHERE id = 'cup' FOR UPDATE").await.unwrap();
    for kit in [&here, &there] {
        assert!(!timeout(SOON, bought(Arc::clone(kit), "cup")).await.expect("needs no lock"));
    }
    lock.rollback().await.unwrap();
    assert_eq!(here.store.stock_drift().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_sold_is_not_offered_again() {
    let url = fresh_url().await;
    let kit = shop(&url, 9).await;
    assert!(bought(Arc::clone(&kit), "cup").await);
    let (mut somebody, server) = (direct(&url).await, direct(&url).await);
    let lock = somebody.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM products WHERE id = 'cup' FOR UPDATE").await.unwrap();
    let buy_six = || {
        let kit = Arc::clone(&kit);
        tokio::spawn(async move {
            let (policy, fence) = (kit.orders_by(StockLocking::Adaptive), RecordingFence::default());
            let requests = [buy("ana", &[("cup", 5)]), buy("bob", &[("cup", 1)])];
            let outcomes = kit.store.place_orders(&requests, &policy, &fence).await.unwrap().outcomes;
            outcomes.iter().map(|outcome| matches!(outcome, Placed::Done(_))).collect::<Vec<_>>()
        })
    };
    let waits = async |statement: &str| {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
             AND datname = current_database() AND position($1 in query) > 0";
        eventually(SOON, async || server.query(waiting, &[&statement]).await.unwrap().len() == 1).await;
    };
    let first = buy_six();
    waits("INSERT INTO orders").await;
    // Two are left when that is done: who wants six gets in line, and does not try to take what is not there.
    let second = buy_six();
    waits("FOR NO KEY UPDATE").await;
    lock.rollback().await.unwrap();
    assert_eq!(first.await.unwrap(), [true, true]);
    assert_eq!(second.await.unwrap(), [false, true]);
    assert_eq!(kit.store.stock_drift().await.unwrap(), 0);
}

#[tokio::test]
async fn who_sells_the_last_unit_says_so_also_when_others_sold_the_one_before() {
    let url = fresh_url().await;
    let (here, there) = (shop(&url, 3).await, Arc::new(Kit::new(node(&url).await)));
    assert!(bought(Arc::clone(&here), "cup").await);
    assert!(bought(there, "cup").await);
    // Here, two are thought to be left: one would remain.
    let (policy, fence) = (here.orders_by(StockLocking::Adaptive), RecordingFence::default());
    let batch = here.store.place_orders(&[buy("ana", &[("cup", 1)])], &policy, &fence).await.unwrap();
    assert_eq!(batch.turned.iter().map(ProductId::as_str).collect::<Vec<_>>(), ["cup"]);
}

#[tokio::test]
async fn what_was_sold_before_the_catalogue_was_truncated_does_not_come_back() {
    let url = fresh_url().await;
    let (kit, server) = (shop(&url, 9).await, direct(&url).await);
    let (policy, fence) = (kit.orders_by(StockLocking::Adaptive), RecordingFence::default());
    let requests = [buy("ana", &[("cup", 2)]), buy("bob", &[("mug", 3), ("cup", 1)])];
    kit.store.place_orders(&requests, &policy, &fence).await.unwrap();
    let cancel = async |request: &OrderRequest| {
        let cancel = OrderStep { id: request.id, owner: None, to: OrderStatus::Cancelled, reason: None };
        kit.store.step_orders(&[cancel], kit.clock.now()).await.unwrap();
    };
    server.batch_execute("TRUNCATE products").await.unwrap();
    cancel(&requests[0]).await; // there is no such product any more
    kit.offer(&[("cup", 5), ("mug", 5)]).await;
    cancel(&requests[1]).await;
    let left = server.query_one("SELECT string_agg(stock::text, ' ' ORDER BY id) FROM products", &[]).await;
    assert_eq!(left.unwrap().get::<_, &str>(0), "5 5");
    assert_eq!(kit.store.stock_drift().await.unwrap(), 0);
}

/// A shop with cups and mugs.
async fn shop(url: &str, stock: i64) -> Arc<Kit> {
    let kit = Kit::new(node(url).await);
    let products = ["cup", "mug"].map(|id| {
        let mut details = details("Thing", 250);
        details.stock = Stock::new(stock).unwrap();
        imported(id, details)
    });
    kit.store.import_products(&products, kit.clock.now()).await.unwrap();
    Arc::new(kit)
}

async fn bought(kit: Arc<Kit>, product: &str) -> bool {
    let (policy, fence) = (kit.orders_by(StockLocking::Adaptive), RecordingFence::default());
    let batch = kit.store.place_orders(&[buy("ana", &[(product, 1)])], &policy, &fence).await.unwrap();
    matches!(batch.outcomes[..], [Placed::Done(_)])
}
