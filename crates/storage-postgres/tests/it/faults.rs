//! Connections that end, callers that go away, servers that stop.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_domain::{Clock, NewProduct, SearchQuery, SystemClock};
use cartwright_storage::{
    CartStore, CatalogStore, Created, GateStore, GenerationStore, ListingStore, OrderStore, Outcome,
    PositionStore, ReadFrom, StorageError,
};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::{BlockingFence, add, claim, details, owner};
use cartwright_testkit::{ChaosProxy, Mode, Postgres, eventually};

use crate::kit::{chain, direct, fresh_url, list_tea, node, policy, run, shop};

const SOON: Duration = Duration::from_secs(10);

/// Backends of the store, apart from the one that asks.
async fn backends(server: &tokio_postgres::Client, condition: &str) -> i64 {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'cartwright' AND {condition}"
    );
    server.query_one(&query, &[]).await.unwrap().get(0)
}

fn one_connection(url: &str) -> PostgresOptions {
    PostgresOptions { pool_size: 1, ..PostgresOptions::new(url) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_takes_its_transaction_along() {
    let (url, _) = shop().await;
    let store = PostgresStore::connect(one_connection(&url)).await.unwrap();
    let server = direct(&url).await;
    // At the fence, with rows written.
    let fence = Arc::new(BlockingFence::default());
    let batch = tokio::spawn({
        let (store, fence) = (store.clone(), Arc::clone(&fence));
        async move { store.execute_batch(&[add("ana", "tea", 1)], &policy(), &*fence).await }
    });
    fence.reached().await;
    batch.abort();
    assert!(batch.await.unwrap_err().is_cancelled());
    let outcomes = run(&store, &[add("ana", "tea", 2)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.version() == 1),
        "nothing of the first batch is there: {outcomes:?}"
    );
    // While it waits for a lock, with reads pipelined behind.
    let other = node(&url).await;
    let fence = Arc::new(BlockingFence::default());
    let holder = tokio::spawn({
        let fence = Arc::clone(&fence);
        async move { other.execute_batch(&[add("ana", "tea", 3)], &policy(), &*fence).await }
    });
    fence.reached().await;
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { run(&store, &[add("ana", "tea", 4)]).await }
    });
    eventually(SOON, || async { backends(&server, "wait_event_type = 'Lock'").await == 1 }).await;
    waiter.abort();
    assert!(waiter.await.unwrap_err().is_cancelled());
    fence.release();
    holder.await.unwrap().unwrap();
    let outcomes = run(&store, &[add("ana", "tea", 5)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.total_quantity() == 2 + 3 + 5),
        "{outcomes:?}"
    );
    eventually(SOON, || async { backends(&server, "state LIKE 'idle in%'").await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_dropped_at_any_moment_leaves_a_usable_pool() {
    let (url, _) = shop().await;
    let store = PostgresStore::connect(one_connection(&url)).await.unwrap();
    let server = direct(&url).await;
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    for step in 0..60_u64 {
        let patience = Duration::from_micros(50 * step);
        let batch = [add("ana", "tea", 1)];
        let owners = [owner("ana")];
        if step % 3 == 0 {
            let _ = tokio::time::timeout(patience, store.load_for_fill(&owners)).await;
        } else {
            let _ = tokio::time::timeout(patience, run(&store, &batch)).await;
        }
        let before = store.load(&owners).await.unwrap().remove(0);
        let outcomes = run(&store, &batch).await.unwrap();
        let Outcome::Done(answer) = &outcomes[0] else { panic!("{outcomes:?}") };
        // A commit that was under way when its caller left may come in between.
        let version = answer.cart.version();
        assert!(version == before.version() + 1 || version == before.version() + 2, "{version} {before:?}");
        assert_eq!(answer.cart.total_quantity(), version);
    }
    eventually(SOON, || async { backends(&server, "state LIKE 'idle in%'").await == 0 }).await;
    assert!(backends(&server, "true").await <= 1);
}

/// Whenever the caller goes away, or the server cuts the connection: the same key tells whether the product was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_of_a_lost_call_is_made_once() {
    let (url, _) = shop().await;
    let store = PostgresStore::connect(one_connection(&url)).await.unwrap();
    let server = direct(&url).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'cartwright'";
    let mut lost = 0;
    for step in 0..60_u64 {
        let new = NewProduct { id: None, details: details(&format!("Cup {step}"), 1) };
        let (key, now) = (claim(&format!("k{step}"), b"x"), SystemClock.now());
        let create = || store.create_product(&new, Some(&key), now);
        let moment = Duration::from_micros(100 * step);
        let first = if step % 3 == 0 {
            let cut = async {
                tokio::time::sleep(moment).await;
                server.batch_execute(kill).await.unwrap();
            };
            Some(futures_util::join!(create(), cut).0)
        } else {
            tokio::time::timeout(moment, create()).await.ok()
        };
        lost += u64::from(!matches!(first, Some(Ok(_))));
        let told = async {
            loop {
                match create().await {
                    Ok(Created::Created(_) | Created::Replayed(_)) => return,
                    // The transaction of the lost call is still being ended, or the connection was cut.
                    Ok(Created::KeyInFlight) | Err(StorageError::Unavailable(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(SOON, told).await.unwrap();
        assert!(matches!(create().await, Ok(Created::Replayed(_))));
    }
    assert!(lost > 0);
    assert_eq!(store.count_listings(99).await.unwrap(), 1 + 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backend_is_an_outage_and_the_next_call_works() {
    let (url, store) = shop().await;
    let server = direct(&url).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'cartwright'";
    for _ in 0..3 {
        let fence = Arc::new(BlockingFence::default());
        let batch = tokio::spawn({
            let (store, fence) = (store.clone(), Arc::clone(&fence));
            async move { store.execute_batch(&[add("ana", "tea", 1)], &policy(), &*fence).await }
        });
        fence.reached().await;
        server.batch_execute(kill).await.unwrap();
        eventually(SOON, || async { backends(&server, "true").await == 0 }).await;
        fence.release();
        let error = batch.await.unwrap().unwrap_err();
        assert!(matches!(error, StorageError::Unavailable(_)), "{}", chain(&error));
        store.load(&[owner("ana")]).await.unwrap();
    }
    // Idle connections that were closed are noticed without a round trip.
    server.batch_execute(kill).await.unwrap();
    eventually(SOON, || async { backends(&server, "true").await == 0 }).await;
    let outcomes = run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.version() == 1), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_too_long_is_an_outage_and_the_connection_stays() {
    let (url, _) = shop().await;
    let store = PostgresStore::connect(one_connection(&url)).await.unwrap();
    let other = node(&url).await;
    let fence = Arc::new(BlockingFence::default());
    let holder = tokio::spawn({
        let fence = Arc::clone(&fence);
        async move { other.execute_batch(&[add("ana", "tea", 1)], &policy(), &*fence).await }
    });
    fence.reached().await;
    let error = run(&store, &[add("bob", "tea", 1), add("ana", "tea", 1)]).await.unwrap_err();
    assert!(chain(&error).contains("lock timeout"), "{}", chain(&error));
    assert!(matches!(error, StorageError::Unavailable(_)));
    let outcomes = run(&store, &[add("bob", "tea", 1)]).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Done(answer) if answer.cart.version() == 1), "{outcomes:?}");
    fence.release();
    holder.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_or_hangs_is_an_outage() {
    let server = Postgres::start().unwrap();
    let url = server.fresh_database().await;
    let options = PostgresOptions {
        acquire_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(3),
        ..PostgresOptions::new(&url)
    };
    let store = PostgresStore::connect(options).await.unwrap();
    store.migrate().await.unwrap();
    list_tea(&store).await;
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();

    server.pause();
    let error = run(&store, &[add("ana", "tea", 1)]).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{}", chain(&error));
    assert!(chain(&error).contains("no answer"), "{}", chain(&error));
    server.resume();
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();

    server.stop_fast();
    let error = store.gate().await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{}", chain(&error));
    assert!(chain(&error).contains("was not reached"), "the cause is told: {}", chain(&error));
    server.restart();
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_network_is_an_outage() {
    let url = fresh_url().await;
    let direct_store = node(&url).await;
    list_tea(&direct_store).await;
    let target = format!("127.0.0.1:{}", Postgres::shared().port());
    let proxy = ChaosProxy::start(target.parse::<std::net::SocketAddr>().unwrap()).unwrap();
    let through = url.replace(&target, &format!("127.0.0.1:{}", proxy.port()));
    let store = PostgresStore::connect(PostgresOptions {
        acquire_timeout: Duration::from_secs(1),
        ..PostgresOptions::new(&through)
    })
    .await
    .unwrap();
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
    proxy.set(Mode::Cut);
    let error = run(&store, &[add("ana", "tea", 1)]).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{}", chain(&error));
    proxy.set(Mode::Pass);
    run(&store, &[add("ana", "tea", 1)]).await.unwrap();
}

#[test]
fn connections_outlive_the_runtime_of_their_first_user() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let main = runtime();
    let (_, store) = main.block_on(shop());
    let short = runtime();
    short.block_on(run(&store, &[add("ana", "tea", 1)])).unwrap();
    drop(short);
    main.block_on(run(&store, &[add("ana", "tea", 1)])).unwrap();
}

/// The pool by itself gives a connection to whoever asks next, and those who wait may wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn callers_in_a_tight_loop_leave_their_turn_to_those_who_wait() {
    let url = Postgres::shared().fresh_database().await;
    let options = PostgresOptions {
        pool_size: 2,
        acquire_timeout: Duration::from_secs(2),
        ..PostgresOptions::new(url)
    };
    let store = PostgresStore::connect(options).await.unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let callers = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut asked = 0;
            while Instant::now() < until {
                store.position().await.unwrap();
                asked += 1;
            }
            asked
        })
    });
    let asked: Vec<u32> =
        futures_util::future::join_all(callers).await.into_iter().map(Result::unwrap).collect();
    let (least, most) = (asked.iter().min().unwrap(), asked.iter().max().unwrap());
    assert!(least * 10 > *most, "everybody has as many turns: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_leave_connections_to_others() {
    let url = fresh_url().await;
    let store =
        PostgresStore::connect(PostgresOptions { pool_size: 4, ..PostgresOptions::new(&url) }).await.unwrap();
    let mut server = direct(&url).await;
    let lock = server.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let searches: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.search(&SearchQuery::default(), ReadFrom::Primary).await })
        })
        .collect();
    let watcher = direct(&url).await;
    eventually(SOON, || async { backends(&watcher, "wait_event_type = 'Lock'").await == 2 }).await;
    store.generations(&["t"]).await.unwrap();
    assert_eq!(backends(&watcher, "wait_event_type = 'Lock'").await, 2, "half of the four connections");
    lock.rollback().await.unwrap();
    for search in searches {
        search.await.unwrap().unwrap();
    }
}

/// A ledger that takes longer to read than any statement may take: the audit waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_takes_the_time_that_it_takes() {
    let (url, _) = shop().await;
    let options = PostgresOptions { call_timeout: Duration::from_secs(1), ..PostgresOptions::new(&url) };
    let store = PostgresStore::connect(options).await.unwrap();
    let server = direct(&url).await;
    // One row, read for longer than the fifteen seconds that a session's statement has.
    let slow = "UPDATE products SET stock = 7; \
                ALTER TABLE stock_ledger RENAME TO rows_of_ledger; \
                CREATE VIEW stock_ledger AS SELECT product_id, units + 1 AS units FROM rows_of_ledger \
                    WHERE pg_sleep(16) IS NOT NULL";
    server.batch_execute(slow).await.unwrap();
    assert_eq!(store.stock_drift().await.unwrap(), 1, "the view has one unit more");
}
