//! The private cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cartwright_testkit::{Postgres, eventually};
use tokio_postgres::{Client, NoTls};

use crate::PATIENCE;

/// A client whose connection is driven on the test's runtime.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn count(client: &Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn databases_are_private() {
    let shared = Postgres::shared();
    let (first, second) = tokio::join!(shared.fresh_database(), shared.fresh_database());
    assert_ne!(first, second);
    connect(&first).await.batch_execute("CREATE TABLE cart (id int)").await.unwrap();
    let absent = connect(&second).await.query_one("SELECT to_regclass('cart') IS NULL", &[]).await.unwrap();
    assert!(absent.get::<_, bool>(0));
}

#[tokio::test]
async fn a_template_is_prepared_once_and_copied() {
    let shared = Postgres::shared();
    let prepared = Arc::new(AtomicUsize::new(0));
    let copy = || {
        let prepared = Arc::clone(&prepared);
        shared.fresh_database_with("carts", |url| async move {
            prepared.fetch_add(1, Ordering::SeqCst);
            // The connection is still open when this returns, as a pool's would be.
            let client = connect(&url).await;
            client.batch_execute("CREATE TABLE cart (id int); INSERT INTO cart VALUES (1)").await.unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                drop(client);
            });
        })
    };
    let (first, second) = tokio::join!(copy(), copy());
    assert_eq!(prepared.load(Ordering::SeqCst), 1);
    let first = connect(&first).await;
    first.batch_execute("DELETE FROM cart").await.unwrap();
    assert_eq!(count(&first, "cart").await, 0);
    assert_eq!(count(&connect(&second).await, "cart").await, 1);
}

#[tokio::test]
async fn a_database_can_be_copied_by_name() {
    let shared = Postgres::shared();
    let url = shared.fresh_database().await;
    let client = connect(&url).await;
    client.batch_execute("CREATE TABLE cart (id int)").await.unwrap();
    drop(client);
    let name = url.rsplit('/').next().unwrap();
    let copy = connect(&shared.fresh_database_from(name).await).await;
    assert_eq!(count(&copy, "cart").await, 0);
}

/// What was committed survives every way of ending, on the same port.
#[tokio::test]
async fn a_durable_cluster_comes_back_after_every_end() {
    let postgres = Postgres::builder().durable(true).setting("work_mem", "8MB").start().unwrap();
    let url = postgres.fresh_database().await;
    let client = connect(&url).await;
    client.batch_execute("CREATE TABLE cart (id int)").await.unwrap();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "on", "{setting}");
    }
    let ends: [fn(&Postgres); 4] =
        [Postgres::stop_fast, Postgres::stop_immediate, Postgres::kill, |_running| {}];
    for (done, end) in ends.into_iter().enumerate() {
        let client = connect(&url).await;
        client.batch_execute("INSERT INTO cart VALUES (1)").await.unwrap();
        let before = postgres.pid();
        end(&postgres);
        postgres.restart();
        assert_ne!(postgres.pid(), before);
        assert!(client.batch_execute("SELECT 1").await.is_err(), "the connection has ended with the server");
        assert_eq!(count(&connect(&url).await, "cart").await, i64::try_from(done).unwrap() + 1);
    }
}

#[tokio::test]
async fn a_paused_cluster_answers_after_it_was_resumed() {
    let postgres = Postgres::start().unwrap();
    let client = connect(&postgres.url("postgres")).await;
    postgres.pause();
    let mut answer = Box::pin(client.batch_execute("SELECT 1"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
    assert!(early.is_err(), "a backend answered although it was stopped");
    postgres.resume();
    tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    // A paused server can be stopped and killed all the same.
    postgres.pause();
    postgres.stop_fast();
    postgres.restart();
    postgres.pause();
    postgres.kill();
    assert!(!postgres.is_running());
}

/// The calls block a thread, which must work where a runtime has only one.
#[test]
fn the_shared_cluster_serves_one_runtime_after_another() {
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = Postgres::shared().fresh_database().await;
            connect(&url).await.batch_execute("SELECT 1").await.unwrap();
        });
    }
}

/// A replica follows, stands still when told to, catches up, and outlives the end of its primary.
#[tokio::test]
async fn a_replica_follows_its_primary() {
    let primary = Postgres::start().unwrap();
    let url = primary.fresh_database().await;
    let writer = connect(&url).await;
    writer.batch_execute("CREATE TABLE cart (id int); INSERT INTO cart VALUES (1)").await.unwrap();
    let replica = primary.start_replica().unwrap();
    let reader = connect(&replica.url(url.rsplit('/').next().unwrap())).await;
    let reaches = async |carts: i64| {
        eventually(PATIENCE, || async { count(&reader, "cart").await == carts }).await;
    };
    reaches(1).await;
    assert!(reader.batch_execute("INSERT INTO cart VALUES (2)").await.is_err(), "it takes no writes");
    replica.pause_replay().await;
    writer.batch_execute("INSERT INTO cart VALUES (2)").await.unwrap();
    let end = "SELECT pg_last_wal_receive_lsn() >= $1::text::pg_lsn";
    let position: String = writer.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    eventually(PATIENCE, || async { reader.query_one(end, &[&position]).await.unwrap().get(0) }).await;
    assert_eq!(count(&reader, "cart").await, 1, "received, not replayed");
    replica.resume_replay().await;
    reaches(2).await;
    primary.kill();
    assert_eq!(count(&reader, "cart").await, 2);
}
