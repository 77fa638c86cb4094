//! What a batch costs: round trips and rows read.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{CartRequest, CartStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::{add, claimed, clear, merge, owner, remove};
use cartwright_testkit::Postgres;

use crate::kit::{direct, ended, list_tea, node, run, shop};

/// Passes bytes on and counts how often the client spoke after the server had: round trips.
pub(crate) struct Turns(Arc<Mutex<(bool, u32)>>);

impl Turns {
    /// Returns the port to connect to.
    pub(crate) fn before(server: u16) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new((true, 0)));
        let turns = Self(Arc::clone(&state));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                upstream.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                for (from, to, is_client) in [
                    (client.try_clone().unwrap(), upstream.try_clone().unwrap(), true),
                    (upstream, client, false),
                ] {
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || pass(from, to, is_client, &state));
                }
            }
        });
        (turns, port)
    }

    /// How many since it was last asked.
    pub(crate) fn take(&self) -> u32 {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_client: bool, state: &Mutex<(bool, u32)>) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        {
            let mut state = state.lock().unwrap();
            state.1 += u32::from(is_client && state.0);
            state.0 = !is_client;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// One thread: all that is pipelined is in the queue before the connection's task runs, as one piece.
#[tokio::test]
async fn a_batch_is_three_round_trips_and_a_read_is_one() {
    let (url, _) = shop().await;
    let server = Postgres::shared().port();
    let (turns, port) = Turns::before(server);
    let through = url.replace(&format!(":{server}/"), &format!(":{port}/"));
    let store = PostgresStore::connect(PostgresOptions { pool_size: 1, ..PostgresOptions::new(through) })
        .await
        .unwrap();
    let batch = |round: u32| -> Vec<CartRequest> {
        let mut batch: Vec<CartRequest> = (0..30).map(|n| add(&format!("o{n}"), "tea", 1)).collect();
        batch.push(claimed(add("new", "tea", 1), &format!("k{round}"), b"x"));
        batch.push(clear(&format!("o{round}")));
        batch.push(merge("m", &format!("o{}", round + 1)));
        batch
    };
    let owners: Vec<_> = (0..32).map(|n| owner(&format!("o{n}"))).collect();
    // Every statement is prepared once.
    for round in 0..3 {
        run(&store, &batch(round)).await.unwrap();
        run(&store, &[remove("nobody", "tea")]).await.unwrap();
        store.load(&owners).await.unwrap();
        store.load_for_fill(&owners).await.unwrap();
    }
    turns.take();
    run(&store, &batch(3)).await.unwrap();
    assert_eq!(turns.take(), 3, "begin, lock and read; write; commit");
    run(&store, &[add("o1", "tea", 1)]).await.unwrap();
    assert_eq!(turns.take(), 3);
    run(&store, &[remove("nobody", "tea")]).await.unwrap();
    assert_eq!(turns.take(), 2, "nothing to write");
    store.load_for_fill(&owners).await.unwrap();
    assert_eq!(turns.take(), 1);
    store.load(&owners).await.unwrap();
    assert_eq!(turns.take(), 1);
}

const ROWS: &str = "\
    INSERT INTO carts SELECT 'f' || n, 1, now(), now(), '[1,1,1]', ( \
        SELECT json_agg(json_build_object('product_id', 'p' || p, 'name', 'A product', \
            'price', json_build_object('minor', 100, 'currency', 'EUR'), 'added_at', 1767225600000000)) \
        FROM generate_series(1, 3) p) FROM generate_series(1, 20000) n; \
    INSERT INTO products SELECT 'p' || n, 'A product', 100, 'EUR', true FROM generate_series(1, 20000) n; \
    INSERT INTO idempotency_keys SELECT 'p', 'f' || n, 'x', '{}', now() FROM generate_series(1, 20000) n";

/// Scans of whole tables, and rows read through indexes.
async fn reads(server: &tokio_postgres::Client) -> (i64, i64) {
    let row = server
        .query_one(
            "SELECT (SELECT sum(seq_scan) FROM pg_stat_user_tables \
                     WHERE relname IN ('carts', 'products', 'idempotency_keys'))::bigint, \
                    (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

/// Not `EXPLAIN` of a copy of the statements, but what the server counted while it carried them out: with plans that
/// were made while the tables were empty, and with new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_statements_read_by_index_and_no_more_than_they_need() {
    for analyze in [false, true] {
        let (url, early) = shop().await;
        // The planner takes tables for tiny that autovacuum found empty.
        direct(&url).await.batch_execute("VACUUM ANALYZE").await.unwrap();
        let batch: Vec<CartRequest> = (0..32)
            .flat_map(|n| {
                let cart = format!("f{}", 1 + n * 600);
                [claimed(add(&cart, "p77", 1), &format!("k{n}"), b"x"), remove(&cart, "p2")]
            })
            .chain([claimed(add("f1", "p1", 1), "f9", b"x")])
            .collect();
        let owners: Vec<_> = (1..33).map(|n| owner(&format!("f{n}"))).collect();
        let work = async |store: &PostgresStore| {
            run(store, &batch).await.ok();
            store.load(&owners).await.unwrap();
            store.load_for_fill(&owners).await.unwrap();
            store.forget_old_keys(&SystemClock as &dyn Clock, 100).await.unwrap();
        };
        work(&early).await;
        let server = direct(&url).await;
        server.batch_execute("DELETE FROM idempotency_keys").await.unwrap();
        server.batch_execute(ROWS).await.unwrap();
        if analyze {
            server.batch_execute("ANALYZE").await.unwrap();
        }
        drop(server);
        let server = ended(&url, "application_name <> 'cartwright'").await;
        let before = reads(&server).await;
        let late = node(&url).await;
        work(&early).await;
        work(&late).await;
        drop((early, late));
        drop(server);
        let server = ended(&url, "true").await;
        let after = reads(&server).await;
        assert_eq!(after.0, before.0, "no table was scanned (analyzed: {analyze})");
        let read = after.1 - before.1;
        assert!((150..2000).contains(&read), "{read} rows were read through indexes (analyzed: {analyze})");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_is_written_in_few_statements() {
    use cartwright_domain::{Currency, Listing, Money, ProductId};
    use cartwright_storage::ListingStore;
    let (_, store) = shop().await;
    let listings: Vec<Listing> = (0..2500)
        .map(|n| Listing {
            product_id: ProductId::new(&format!("x{}", n % 2200)).unwrap(),
            name: format!("Name {n}"),
            price: Money::from_minor(n, Currency::EUR).unwrap(),
            active: true,
        })
        .collect();
    store.put_listings(&listings).await.unwrap();
    list_tea(&store).await;
    assert_eq!(store.count_listings(10_000).await.unwrap(), 2201);
    assert_eq!(store.count_listings(100).await.unwrap(), 100);
}
