//! Several processes on one database.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{Clock, NewProduct, SystemClock};
use cartwright_storage::{CartStore, CatalogStore, Created, ListingStore, Outcome};
use cartwright_storage_tests::{BlockingFence, RecordingFence, add, claim, claimed, details, owner, remove};
use cartwright_testkit::eventually;

use crate::kit::{direct, node, policy, run, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adds_of_many_tasks_on_two_nodes_all_count() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let store = if n % 2 == 0 { first.clone() } else { second.clone() };
            tokio::spawn(async move {
                for _ in 0..5 {
                    let outcomes = run(&store, &[add("ana", "tea", 1)]).await.unwrap();
                    assert!(matches!(outcomes[0], Outcome::Done(_)), "{outcomes:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let cart = first.load(&[owner("ana")]).await.unwrap().remove(0);
    assert_eq!((cart.version(), cart.total_quantity()), (160, 160));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_in_opposite_orders_never_wait_in_a_circle() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    let forward: Vec<_> = (0..40).map(|n| add(&format!("o{n}"), "tea", 1)).collect();
    let backward: Vec<_> = forward.iter().rev().cloned().collect();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (store, batch) = if n % 2 == 0 {
                (first.clone(), forward.clone())
            } else {
                (second.clone(), backward.clone())
            };
            tokio::spawn(async move {
                for _ in 0..10 {
                    run(&store, &batch).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for cart in first.load(&[owner("o0"), owner("o39")]).await.unwrap() {
        assert_eq!((cart.version(), cart.total_quantity()), (80, 80));
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = direct(&url).await.query_one(deadlocks, &[]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_node_works_on_is_in_flight() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    let fence = Arc::new(BlockingFence::default());
    let running = tokio::spawn({
        let fence = Arc::clone(&fence);
        async move { first.execute_batch(&[claimed(add("ana", "tea", 1), "k", b"x")], &policy(), &*fence).await }
    });
    fence.reached().await;
    // The same key on another cart; on the same cart it would wait for the cart, and then be a replay.
    let batch = [claimed(add("bob", "tea", 1), "k", b"x"), add("bob", "tea", 2)];
    let outcomes = run(&second, &batch).await.unwrap();
    assert_eq!(outcomes[0], Outcome::KeyInFlight);
    assert!(matches!(&outcomes[1], Outcome::Done(answer) if answer.cart.total_quantity() == 2));
    fence.release();
    running.await.unwrap().unwrap();
    let outcomes = run(&second, &[claimed(add("ana", "tea", 1), "k", b"x")]).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Replayed(_)), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_waits_for_no_key_that_another_node_works_on() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    let fence = Arc::new(BlockingFence::default());
    let running = tokio::spawn({
        let fence = Arc::clone(&fence);
        async move { first.execute_batch(&[claimed(add("ana", "tea", 1), "k", b"x")], &policy(), &*fence).await }
    });
    fence.reached().await;
    let new = NewProduct { id: None, details: details("Cup", 1) };
    let create = async |fingerprint| {
        second.create_product(&new, Some(&claim("k", fingerprint)), SystemClock.now()).await.unwrap()
    };
    assert_eq!(create(b"y").await, Created::KeyInFlight);
    fence.release();
    running.await.unwrap().unwrap();
    assert_eq!(create(b"y").await, Created::KeyReused);
    assert_eq!(second.count_listings(9).await.unwrap(), 1);
}

/// PostgreSQL gives the cart's lock back before the key's, or after: the one who waited for the cart is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_waited_for_its_cart_is_replayed() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    for round in 0..200 {
        let key = format!("k{round}");
        let batch = [claimed(add("ana", "tea", 1), &key, b"x")];
        let (one, two) = futures_util::join!(run(&first, &batch), run(&second, &batch));
        let outcomes = [one.unwrap().remove(0), two.unwrap().remove(0)];
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
        let replayed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Replayed(_))).count();
        assert_eq!((done, replayed), (1, 1), "round {round}: {outcomes:?}");
        run(&first, &[cartwright_storage_tests::clear("ana")]).await.unwrap();
    }
}

/// What is pipelined behind the locks must see what their last holder committed, with statements that are prepared
/// for the first time and with those that were prepared before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_behind_a_lock_is_what_its_last_holder_wrote() {
    let (url, first) = shop().await;
    for round in 0..10 {
        let fence = Arc::new(BlockingFence::default());
        let name = format!("o{round}");
        let holder = tokio::spawn({
            let (store, fence, batch) = (first.clone(), Arc::clone(&fence), [add(&name, "tea", 3)]);
            async move { store.execute_batch(&batch, &policy(), &*fence).await }
        });
        fence.reached().await;
        // A new node has no prepared statements; then the same node has them.
        let second = node(&url).await;
        if round % 2 == 1 {
            run(&second, &[add("somebody", "tea", 1)]).await.unwrap();
        }
        let waiter = tokio::spawn({
            let (store, batch) = (second, [claimed(add(&name, "tea", 1), &name, b"x")]);
            async move { run(&store, &batch).await }
        });
        let server = direct(&url).await;
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
                       WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
        cartwright_testkit::eventually(std::time::Duration::from_secs(10), || async {
            server.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        fence.release();
        holder.await.unwrap().unwrap();
        let outcomes = waiter.await.unwrap().unwrap();
        let Outcome::Done(answer) = &outcomes[0] else { panic!("{outcomes:?}") };
        assert_eq!((answer.cart.version(), answer.cart.total_quantity()), (2, 4));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once() {
    let url = cartwright_testkit::Postgres::shared().fresh_database().await;
    let nodes = [node(&url).await, node(&url).await, node(&url).await];
    let all = cartwright_storage_tests::migrations("postgres");
    assert_eq!(nodes[0].pending_migrations().await.unwrap(), all);
    let error = nodes[0].ping().await.unwrap_err();
    assert!(error.to_string().contains("0001_carts"), "{error}");
    let tasks = nodes.clone().map(|node| tokio::spawn(async move { node.migrate().await.unwrap() }));
    let mut applied = Vec::new();
    for task in tasks {
        applied.extend(task.await.unwrap());
    }
    assert_eq!(applied, all);
    assert!(nodes[1].pending_migrations().await.unwrap().is_empty());
    nodes[2].ping().await.unwrap();
}

/// A node keeps the carts that it wrote, and believes them only as long as they are what the database has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_notices_what_another_one_wrote() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    for round in 1..6_u64 {
        for store in [&first, &second] {
            run(store, &[add("ana", "tea", 1)]).await.unwrap();
        }
        for store in [&first, &second] {
            let cart = store.load(&[owner("ana")]).await.unwrap().remove(0);
            assert_eq!((cart.version(), cart.total_quantity()), (2 * round, 2 * round));
            assert!(store.load_for_fill(&[owner("ana")]).await.unwrap()[0].cart == cart);
        }
    }
}

/// A line that a node remembers needs no listing; one that another node removed meanwhile needs it after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_another_node_removed_is_made_anew() {
    let (url, first) = shop().await;
    let second = node(&url).await;
    let server = direct(&url).await;
    run(&first, &[add("ana", "tea", 1)]).await.unwrap();
    run(&second, &[remove("ana", "tea")]).await.unwrap();
    server.batch_execute("UPDATE products SET price_minor = 777 WHERE id = 'tea'").await.unwrap();
    let outcomes = run(&first, &[add("ana", "tea", 2), add("ben", "tea", 1)]).await.unwrap();
    let totals: Vec<i64> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done(answer) => answer.cart.total_minor(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(totals, [2 * 777, 777]);
}

/// After a restore, or a failover that lost commits, a version may come again with other contents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_came_again_is_not_taken_for_the_one_that_was_written() {
    let (url, store) = shop().await;
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    let server = direct(&url).await;
    let restored = "UPDATE carts SET quantities = replace(quantities, '[1]', '[7]'), updated_at = updated_at + interval '1 second'";
    server.batch_execute(restored).await.unwrap();
    assert_eq!(store.load(&[owner("ana")]).await.unwrap()[0].total_quantity(), 7);
    let outcomes = run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.total_quantity() == 8),
        "{outcomes:?}"
    );
    server.batch_execute("DELETE FROM carts").await.unwrap();
    assert_eq!(store.load(&[owner("ana")]).await.unwrap()[0].version(), 0);
    let outcomes = run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.total_quantity() == 1),
        "{outcomes:?}"
    );
}

/// A batch that was rolled back leaves nothing behind that would be believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_failed_is_not_remembered() {
    let (_url, store) = shop().await;
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    let fence = RecordingFence::default();
    fence.refuse(true);
    store.execute_batch(&[add("ana", "tea", 5)], &policy(), &fence).await.unwrap_err();
    let outcomes = run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.total_quantity() == 2),
        "{outcomes:?}"
    );
}

/// The commit of a fill waits for its reads, also on a connection that has to prepare them first: as long as a read is
/// not done, the lock of its cart is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_on_a_new_connection_holds_its_lock_while_it_reads() {
    let (url, store) = shop().await;
    let mut server = direct(&url).await;
    let held = server.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE carts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let fill = tokio::spawn(async move { store.load_for_fill(&[owner("ana")]).await });
    let watcher = direct(&url).await;
    let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_locks a USING (pid) \
                   WHERE l.relation = 'carts'::regclass AND NOT l.granted AND a.locktype = 'advisory' AND a.granted";
    eventually(Duration::from_secs(10), || async {
        watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    held.rollback().await.unwrap();
    assert!(fill.await.unwrap().unwrap().remove(0).locked);
}
