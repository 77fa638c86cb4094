//! What holds cost, and what they cost orders.

use std::sync::Arc;

use cartwright_domain::{Clock, HoldId, HoldStatus, ManualClock, OrderError};
use cartwright_storage::{
    CatalogStore, HoldPolicy, HoldStore, OrderPolicy, OrderStore, Placed, Renewed, Reserved, StockLocking,
};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::{Kit, LASTS, RecordingFence, buy, claiming, details, hold, imported, renewal};
use cartwright_testkit::Postgres;
use chrono::{DateTime, TimeDelta};

use crate::{
    cost::Turns,
    kit::{direct, ended, fresh_url, node},
};

/// A node with a clock of its own.
struct Shop {
    store: PostgresStore,
    clock: Arc<ManualClock>,
    holds: HoldPolicy,
    orders: OrderPolicy,
}

impl Shop {
    fn new(store: PostgresStore) -> Self {
        let kit = Kit::new(store.clone());
        let (holds, orders) = (kit.holds_by(), kit.orders_by(StockLocking::Adaptive));
        Self { store, clock: kit.clock, holds, orders }
    }

    async fn offer(&self, products: usize, units: u32) -> Vec<String> {
        let ids: Vec<String> = (0..products).map(|n| format!("p{n}")).collect();
        let rows: Vec<_> = ids
            .iter()
            .map(|id| {
                let mut details = details("Thing", 250);
                details.stock = cartwright_domain::Stock::new(units.into()).unwrap();
                imported(id, details)
            })
            .collect();
        self.store.import_products(&rows, self.clock.now()).await.unwrap();
        ids
    }

    async fn held(&self, lines: &[(&str, i64)]) -> HoldId {
        let batch = self.store.reserve_holds(&[hold("ana", lines)], &self.holds).await.unwrap();
        match &batch.outcomes[..] {
            [Reserved::Done(hold)] => hold.id,
            other => panic!("{other:?}"),
        }
    }

    async fn renew(&self, id: HoldId) -> bool {
        let renewed = self.store.renew_hold(&renewal(id), &self.holds).await.unwrap();
        matches!(renewed.outcome, Renewed::Done(_))
    }

    async fn bought(&self, request: cartwright_storage::OrderRequest) -> bool {
        let fence = RecordingFence::default();
        let batch = self.store.place_orders(&[request], &self.orders, &fence).await.unwrap();
        matches!(batch.outcomes[..], [Placed::Done(_)])
    }
}

/// One thread: all that is pipelined is in the queue before the connection's task runs, as one piece.
#[tokio::test]
async fn what_happens_to_a_hold_is_so_many_round_trips_whatever_its_lines() {
    let url = fresh_url().await;
    let server = Postgres::shared().port();
    let (turns, port) = Turns::before(server);
    let through = url.replace(&format!(":{server}/"), &format!(":{port}/"));
    let store = PostgresStore::connect(PostgresOptions { pool_size: 1, ..PostgresOptions::new(through) })
        .await
        .unwrap();
    let shop = Shop::new(store);
    let ids = shop.offer(100, 1).await;
    let lines: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    // Every statement is prepared in the first round.
    for (round, size) in [(0, 2), (1, 1), (2, 100)] {
        let lines = &lines[..size];
        let expect = |what: &str, most: u32| {
            let took = turns.take();
            // The server may begin to answer while the rest of what is long is still on its way.
            let long = if size > 10 { 2 } else { 0 };
            let right = (most..=most + long).contains(&took);
            assert!(round == 0 || right, "{what} of {size} lines took {took} round trips, not {most}");
        };
        turns.take();
        let made = shop.held(lines).await;
        expect("a hold", 3);
        assert!(shop.renew(made).await);
        expect("a renewal", 3);
        assert!(!shop.bought(buy("bob", lines)).await);
        expect("an order of what is held", 2);
        shop.clock.advance(LASTS);
        assert!(shop.renew(made).await);
        expect("a late renewal", 2 + 3);
        shop.clock.advance(LASTS);
        let swept = shop.store.expire_holds(shop.clock.now(), 10).await.unwrap();
        assert_eq!(swept.outcome, 1);
        expect("a sweep", 4);
        shop.store.expire_holds(shop.clock.now(), 10).await.unwrap();
        expect("an idle sweep", 1);
        assert!(shop.renew(made).await);
        expect("a renewal of what went back", 2 + 3);
        shop.store.release_hold(made, None, shop.clock.now()).await.unwrap();
        expect("a release", 3);
        let claimed = shop.held(lines).await;
        turns.take();
        assert!(shop.bought(claiming("ana", claimed)).await);
        expect("a claim", 3);
        shop.offer(100, 1).await;
        shop.held(lines).await;
        shop.clock.advance(LASTS);
        turns.take();
        assert!(shop.bought(buy("bob", lines)).await);
        // Read; look; begin and lock the products; lock the holds; take from them; put it into stock; write and commit.
        expect("an order of what has expired", 7);
        shop.store.expire_holds(shop.clock.now(), 10).await.unwrap();
        shop.offer(100, 1).await;
    }
}

const ROWS: &str = "\
    INSERT INTO products (id, name, price_minor, currency, stock, active) \
    SELECT 'x' || n, 'A product', 100, 'EUR', 5, true FROM generate_series(1, 5000) n; \
    INSERT INTO holds \
    SELECT gen_random_uuid(), 'u' || n % 700, CASE WHEN n % 4 = 0 THEN 'released' ELSE 'active' END, 'EUR', \
        $now, $now + n * interval '1 second', $now + interval '1 day', CASE WHEN n % 4 = 0 THEN $now END, NULL \
    FROM generate_series(1, 20000) n; \
    INSERT INTO hold_lines \
    SELECT h.id, p, 'A product', 100, 1, 0, h.id, CASE WHEN h.status = 'active' THEN h.expires_at END \
    FROM holds h, unnest('{p0,x7}'::text[]) p WHERE h.owner LIKE 'u%'; \
    INSERT INTO stock_ledger SELECT hold_id, product_id, 'hold', -1, $now FROM hold_lines WHERE product_id IN ('p0', 'x7')";

/// Scans of whole tables, and rows read through indexes.
async fn reads(server: &tokio_postgres::Client) -> (i64, i64) {
    let row = server
        .query_one(
            "SELECT (SELECT sum(seq_scan) FROM pg_stat_user_tables \
                     WHERE relname IN ('holds', 'hold_lines', 'products', 'stock_ledger', 'orders'))::bigint, \
                    (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

/// Everything that can happen to a few holds, and orders of a product that many hold and that is sold out.
async fn work(shop: &Shop) {
    let made = shop.held(&[("p1", 1), ("p2", 1)]).await;
    assert!(shop.renew(made).await);
    assert!(shop.bought(claiming("ana", made)).await);
    let made = shop.held(&[("p1", 1), ("p2", 1)]).await;
    shop.store.release_hold(made, None, shop.clock.now()).await.unwrap();
    shop.store.holds(&[made]).await.unwrap();
    let sold_out = buy("bob", &[("p3", 1000)]);
    assert!(!shop.bought(sold_out).await);
    let now = shop.clock.now();
    shop.store.expire_holds(now, 5).await.unwrap();
    shop.store.holds_expiring(now, now + TimeDelta::seconds(3), 5).await.unwrap();
    shop.store.forget_holds(DateTime::UNIX_EPOCH, 5).await.unwrap();
    // Held by fifteen thousand, one of whom has gone.
    assert!(!shop.bought(buy("bob", &[("p0", 1000)])).await);
}

/// What the server counted while it carried the statements out: with plans that were made while the tables were empty, and
/// with new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_are_read_by_index_and_no_more_than_are_needed() {
    for analyze in [false, true] {
        let url = fresh_url().await;
        let early = Shop::new(node(&url).await);
        early.offer(4, 500).await;
        direct(&url).await.batch_execute("VACUUM ANALYZE").await.unwrap();
        work(&early).await;
        let server = direct(&url).await;
        let now = early.clock.now().to_rfc3339();
        server.batch_execute(&ROWS.replace("$now", &format!("'{now}'::timestamptz"))).await.unwrap();
        if analyze {
            server.batch_execute("ANALYZE").await.unwrap();
        }
        drop(server);
        let server = ended(&url, "application_name <> 'cartwright'").await;
        let before = reads(&server).await;
        let late = Shop::new(node(&url).await);
        late.clock.advance(TimeDelta::seconds(2));
        work(&early).await;
        work(&late).await;
        // Fifteen thousand have expired, and one unit is lacking.
        late.clock.advance(TimeDelta::days(1));
        assert!(late.bought(buy("bob", &[("x7", 6)])).await);
        drop((early, late, server));
        let server = ended(&url, "true").await;
        let after = reads(&server).await;
        assert_eq!(after.0, before.0, "no table was scanned (analyzed: {analyze})");
        let read = after.1 - before.1;
        for row in server
            .query(
                "SELECT indexrelname::text, idx_tup_read FROM pg_stat_user_indexes WHERE idx_tup_read > 100",
                &[],
            )
            .await
            .unwrap()
        {
            eprintln!("{} {}", row.get::<_, String>(0), row.get::<_, i64>(1));
        }
        assert!((50..1500).contains(&read), "{read} rows were read through indexes (analyzed: {analyze})");
    }
}

/// As for products.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_that_is_truncated_leaves_no_holds_behind() {
    let url = fresh_url().await;
    let shop = Shop::new(node(&url).await);
    shop.offer(2, 5).await;
    shop.held(&[("p0", 2), ("p1", 1)]).await;
    direct(&url).await.batch_execute("TRUNCATE products").await.unwrap();
    shop.clock.advance(LASTS);
    assert_eq!(shop.store.expire_holds(shop.clock.now(), 10).await.unwrap().outcome, 0);
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

/// One hold is being renewed at this moment, or looks like it; the next one has what is lacking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_hold_that_is_locked_hides_no_other() {
    let url = fresh_url().await;
    let shop = Shop::new(node(&url).await);
    shop.offer(1, 3).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(shop.held(&[("p0", 1)]).await);
        shop.clock.advance(TimeDelta::microseconds(1));
    }
    shop.clock.advance(LASTS);
    let mut other = direct(&url).await;
    let renewing = other.transaction().await.unwrap();
    let lock = format!("SELECT FROM holds WHERE id = '{}' FOR NO KEY UPDATE", made[0].uuid());
    assert_eq!(renewing.execute(&lock, &[]).await.unwrap(), 1);
    assert!(shop.bought(buy("bob", &[("p0", 1)])).await, "of the second hold");
    assert!(!shop.bought(buy("bob", &[("p0", 2)])).await, "that is one more than can be had now");
    // What was not enough is in stock, and the first hold still has its own.
    let holds = shop.store.holds(&made).await.unwrap();
    let statuses: Vec<_> = holds.iter().flatten().map(|hold| hold.status).collect();
    assert_eq!(statuses, [HoldStatus::Active, HoldStatus::Expired, HoldStatus::Expired]);
    renewing.rollback().await.unwrap();
    assert!(shop.bought(buy("bob", &[("p0", 2)])).await);
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

/// Somebody whose clock is ahead takes a line out of a hold, after a claim has read it and before the claim is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_notices_what_has_left_the_hold_meanwhile() {
    let url = fresh_url().await;
    let shop = Shop::new(node(&url).await);
    shop.offer(2, 1).await;
    let made = shop.held(&[("p0", 1), ("p1", 1)]).await;
    let mut other = direct(&url).await;
    let taking = other.transaction().await.unwrap();
    taking
        .batch_execute(
            "SELECT FROM holds FOR UPDATE; \
             UPDATE hold_lines SET expires_at = NULL WHERE product_id = 'p1'; \
             INSERT INTO stock_ledger SELECT source, product_id, 'release', 1, now() FROM hold_lines \
             WHERE product_id = 'p1'; \
             UPDATE products SET stock = 1, moves = moves + 1 WHERE id = 'p1'",
        )
        .await
        .unwrap();
    let store = shop.store.clone();
    let orders = shop.orders.clone();
    let claim = tokio::spawn(async move {
        let fence = RecordingFence::default();
        store.place_orders(&[claiming("ana", made)], &orders, &fence).await.unwrap().outcomes.remove(0)
    });
    let server = direct(&url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    cartwright_testkit::eventually(std::time::Duration::from_secs(30), || async {
        server.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    taking.commit().await.unwrap();
    let error = OrderError::HoldEnded(HoldStatus::Expired);
    assert_eq!(claim.await.unwrap(), Placed::Refused { error, cart: None });
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}
