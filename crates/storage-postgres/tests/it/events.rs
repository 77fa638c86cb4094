//! Events under transactions that take their time, and relays that die; and what they cost when there are many.

use std::time::Duration;

use cartwright_domain::{Clock, ProductId, SystemClock};
use cartwright_storage::{EventQuery, EventStore, EventTypes, NewEvents};
use cartwright_storage_postgres::PostgresStore;
use cartwright_testkit::eventually;
use chrono::{DateTime, TimeDelta};

use crate::kit::{direct, ended, fresh_url, node};

const WRITE: &str = "INSERT INTO events (count, types, at, packed) VALUES (1, 16, now(), \
    '[{\"type\":\"stock.low\",\"subject\":\"late\",\"owner\":null,\"data\":{\"stock\":1,\"threshold\":5}}]')";

fn low(subject: &str) -> NewEvents {
    let mut events = NewEvents::new();
    events.stock_low(&ProductId::new(subject).unwrap(), 1, 5);
    events
}

async fn emit(store: &PostgresStore, subject: &str) {
    store.emit(&low(subject), SystemClock.now()).await.unwrap();
}

async fn subjects(store: &PostgresStore) -> Vec<String> {
    let query = EventQuery { after: 0, types: EventTypes::ALL, owner: None, limit: 100 };
    let page = store.events(&query).await.unwrap();
    assert!(page.events.iter().map(|event| event.number).eq(1..=page.last), "no gap: {page:?}");
    page.events.into_iter().map(|event| event.subject).collect()
}

/// Its row has a lower id than those that are numbered before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_holds_up_nobody() {
    let url = fresh_url().await;
    let (store, mut slow) = (node(&url).await, direct(&url).await);
    let late = slow.transaction().await.unwrap();
    late.batch_execute(WRITE).await.unwrap();
    emit(&store, "first").await;
    assert_eq!(store.relay_events(100, SystemClock.now()).await.unwrap().events, 1);
    emit(&store, "second").await;
    assert_eq!(store.relay_events(100, SystemClock.now()).await.unwrap().last, 2);
    assert_eq!(subjects(&store).await, ["first", "second"]);
    late.commit().await.unwrap();
    assert_eq!(store.relay_events(100, SystemClock.now()).await.unwrap().last, 3);
    assert_eq!(subjects(&store).await, ["first", "second", "late"]);

    let given_up = slow.transaction().await.unwrap();
    given_up.batch_execute(WRITE).await.unwrap();
    given_up.rollback().await.unwrap();
    emit(&store, "third").await;
    assert_eq!(store.relay_events(100, SystemClock.now()).await.unwrap().last, 4);
}

/// One that is in the middle of it keeps the others away, and lets them go on when its connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_dies_leaves_its_turn_to_another() {
    let url = fresh_url().await;
    let (store, mut other) = (node(&url).await, direct(&url).await);
    emit(&store, "one").await;
    let dying = other.transaction().await.unwrap();
    dying
        .batch_execute(
            "SELECT number FROM event_progress WHERE name = 'numbered' FOR UPDATE; \
             UPDATE events SET first = 1, numbered_at = now() WHERE first IS NULL",
        )
        .await
        .unwrap();
    let busy = store.relay_events(100, SystemClock.now()).await.unwrap();
    assert_eq!((busy.events, busy.more), (0, false));
    emit(&store, "two").await;
    drop(dying);
    drop(other);
    eventually(Duration::from_secs(30), async || {
        store.relay_events(100, SystemClock.now()).await.unwrap().last == 2
    })
    .await;
    assert_eq!(subjects(&store).await, ["one", "two"]);
}

/// A hundred thousand rows of three, all numbered; the last ones are young.
const ROWS: &str = "\
    INSERT INTO events (first, count, types, at, numbered_at, packed) \
    SELECT n * 3 - 2, 3, 16, '2026-01-01'::timestamptz + n * interval '1 s', '2026-01-01'::timestamptz + n * interval '1 s', \
        '[{\"type\":\"stock.low\",\"subject\":\"a\",\"owner\":null,\"data\":{}},' || \
        '{\"type\":\"stock.low\",\"subject\":\"b\",\"owner\":null,\"data\":{}},' || \
        '{\"type\":\"stock.low\",\"subject\":\"c\",\"owner\":null,\"data\":{}}]' FROM generate_series(1, 100000) n; \
    UPDATE event_progress SET number = 300000 WHERE name = 'numbered'";

async fn work(store: &PostgresStore, now: DateTime<chrono::Utc>) {
    for _ in 0..20 {
        emit(store, "tea").await;
    }
    assert_eq!(store.relay_events(1_000, now).await.unwrap().events, 20);
    store.event_figures(now).await.unwrap();
    for after in [0, 5, 150_000, 299_999] {
        let query = EventQuery { after, types: EventTypes::ALL, owner: None, limit: 10 };
        store.events(&query).await.unwrap();
    }
    store.clean_events(now - TimeDelta::days(900), 100).await.unwrap();
}

/// Scans of the whole table, and rows read through its indexes.
async fn reads(server: &tokio_postgres::Client) -> (i64, i64) {
    let row = server
        .query_one(
            "SELECT (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events')::bigint, \
                    (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'events')::bigint",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_cost_what_few_do() {
    let now = DateTime::from_timestamp(1_798_761_600, 0).unwrap();
    for analyze in [false, true] {
        let url = fresh_url().await;
        let server = direct(&url).await;
        // The planner takes tables for tiny that autovacuum found empty.
        server.batch_execute("VACUUM ANALYZE").await.unwrap();
        let early = node(&url).await;
        work(&early, now).await;
        server.batch_execute("DELETE FROM events").await.unwrap();
        server.batch_execute(ROWS).await.unwrap();
        if analyze {
            server.batch_execute("ANALYZE").await.unwrap();
        }
        drop(server);
        let before = reads(&ended(&url, "application_name <> 'cartwright'").await).await;
        let late = node(&url).await;
        work(&early, now).await;
        work(&late, now).await;
        drop((early, late));
        let after = reads(&ended(&url, "true").await).await;
        assert_eq!(after.0, before.0, "no table was scanned (analyzed: {analyze})");
        let read = after.1 - before.1;
        // Twice twenty that are numbered, four pages of eleven rows, the hundred oldest.
        assert!((100..1_500).contains(&read), "{read} rows were read through indexes (analyzed: {analyze})");
    }
}
