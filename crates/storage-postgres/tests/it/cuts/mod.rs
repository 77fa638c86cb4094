//! The connection is cut at each request of whatever is done to orders, holds and jobs, once before the server gets it and once
//! before its answer arrives: as when the process, the network or the server dies just there. What was half done is not
//! there; what is done is done once, when it is asked for again.

mod events;
mod holds;
mod proxy;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_domain::{Clock, OrderId, OrderStatus, Purchase, Quantity, SystemClock};
use cartwright_storage::{
    CartStore, CatalogStore, Claim, Finished, FollowUp, IdempotencyClaim, JobOutcome, JobStore, NewJob,
    OrderPolicy, OrderRequest, OrderStep, OrderStore, Payload, Placed, ReadFrom, Stepped, StockLocking, Tick,
};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::{RecordingFence, add, claim, details, imported, job, name, owner, product};
use cartwright_testkit::Postgres;
use chrono::TimeDelta;

use self::proxy::{Cut, Proxy};
use crate::kit::{direct, fresh_url, node, run};

/// More requests than anything makes.
const MANY: usize = 60;
const PATIENCE: Duration = Duration::from_secs(30);

/// A store whose connections can be cut, and one whose cannot.
struct Shop {
    url: String,
    cut: PostgresStore,
    whole: PostgresStore,
    proxy: Proxy,
}

impl Shop {
    async fn open() -> Self {
        let url = fresh_url().await;
        let target = format!("127.0.0.1:{}", Postgres::shared().port());
        let proxy = Proxy::start(target.parse::<SocketAddr>().unwrap()).await;
        let through = url.replace(&target, &proxy.addr().to_string());
        // What is encrypted cannot be counted.
        let separator = if through.contains('?') { '&' } else { '?' };
        let through = format!("{through}{separator}sslmode=disable");
        let options = PostgresOptions { pool_size: 1, ..PostgresOptions::new(&through) };
        let cut = PostgresStore::connect(options).await.unwrap();
        Self { cut, whole: node(&url).await, proxy, url }
    }

    async fn offer(&self, id: &str, units: i64) {
        let mut details = details(id, 250);
        details.stock = cartwright_domain::Stock::new(units).unwrap();
        self.whole.import_products(&[imported(id, details)], SystemClock.now()).await.unwrap();
    }

    async fn units(&self, id: &str) -> u32 {
        let found = self.whole.products(&[product(id)], ReadFrom::Primary).await.unwrap().remove(0);
        found.unwrap().details.stock.get()
    }

    async fn count(&self, sql: &str) -> i64 {
        direct(&self.url).await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Does it with a cut at each of its requests: `act` is told which store to use and the number of the case, and says
    /// whether it was done; afterwards it is done again without a cut, and `check` is told how often it was done with it.
    async fn everywhere(
        &self,
        what: &str,
        act: impl AsyncFn(&PostgresStore, usize) -> bool,
        check: impl AsyncFn(usize),
    ) {
        self.at_each_of(2, what, act, check).await;
    }

    /// The same of what makes so many requests at least.
    async fn at_each_of(
        &self,
        least: usize,
        what: &str,
        act: impl AsyncFn(&PostgresStore, usize) -> bool,
        check: impl AsyncFn(usize),
    ) {
        let mut case = 0;
        for cut in [Cut::Before, Cut::After] {
            for nth in 1..=MANY {
                case += 1;
                self.proxy.arm(nth, cut);
                let done = act(&self.cut, case).await;
                let was_cut = self.proxy.disarm();
                assert!(done || was_cut, "{what}: it fails without a cut");
                // The server may not have noticed yet that nobody is there any more, and say that it is under way.
                let begun = Instant::now();
                while !act(&self.whole, case).await {
                    assert!(begun.elapsed() < PATIENCE, "{what}, cut {cut:?} request {nth}: asked for again");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                check(case).await;
                if !was_cut {
                    assert!(nth > least, "{what}: nothing was cut");
                    break;
                }
                assert!(nth < MANY, "{what}: it never ends");
            }
        }
    }
}

/// One job for a batch of orders.
fn policy(locking: StockLocking) -> OrderPolicy {
    let follow_up = FollowUp::new(|made, _| {
        let ids: Vec<OrderId> = made.iter().map(|order| order.id).collect();
        Ok(vec![NewJob::new(name("orders"), name("process"), Payload::of(&ids)?)])
    });
    OrderPolicy { clock: Arc::new(SystemClock), allow_unlisted: false, locking, follow_up }
}

async fn placed(store: &PostgresStore, locking: StockLocking, request: OrderRequest) -> Option<OrderId> {
    let placed = store.place_orders(&[request], &policy(locking), &RecordingFence::default()).await;
    match placed.ok()?.outcomes.remove(0) {
        Placed::Done(order) | Placed::Replayed(order) => Some(order.id),
        Placed::KeyInFlight => None,
        other => panic!("{other:?}"),
    }
}

fn new_id() -> OrderId {
    OrderId::new(SystemClock.now(), rand::random())
}

fn request(who: &str, purchase: Purchase, claim: Option<IdempotencyClaim>) -> OrderRequest {
    OrderRequest { id: new_id(), owner: owner(who), purchase, expected_total: None, claim }
}

const ALL: [StockLocking; 3] = [StockLocking::Adaptive, StockLocking::Locked, StockLocking::Conditional];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_under_a_key_is_made_once_wherever_it_is_cut() {
    for locking in ALL {
        let shop = Shop::open().await;
        shop.offer("cup", 10_000).await;
        let act = async |store: &PostgresStore, case: usize| {
            let purchase = Purchase::of_lines([(product("cup"), Quantity::new(2).unwrap())]).unwrap();
            let claim = Some(claim(&format!("key {case}"), b"a cup"));
            placed(store, locking, request(&format!("u{case}"), purchase, claim)).await.is_some()
        };
        let check = async |cases: usize| {
            let cases = i64::try_from(cases).unwrap();
            assert_eq!(i64::from(shop.units("cup").await), 10_000 - 2 * cases);
            assert_eq!(shop.count("SELECT count(*) FROM orders").await, cases);
            assert_eq!(shop.count("SELECT count(*) FROM jobs WHERE queue = 'orders'").await, cases);
        };
        shop.everywhere("an order", act, check).await;
        assert_eq!(shop.whole.stock_drift().await.unwrap(), 0);
    }
}

/// Nobody can tell whether it was made; but it was made whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_a_key_is_whole_or_not_there() {
    let shop = Shop::open().await;
    shop.offer("cup", 10_000).await;
    let act = async |store: &PostgresStore, case: usize| {
        let purchase = Purchase::of_lines([(product("cup"), Quantity::ONE)]).unwrap();
        placed(store, StockLocking::Adaptive, request(&format!("u{case}"), purchase, None)).await.is_some()
    };
    let check = async |_cases: usize| {
        let orders = shop.count("SELECT count(*) FROM orders").await;
        assert_eq!(i64::from(shop.units("cup").await), 10_000 - orders);
        assert_eq!(shop.count("SELECT count(*) FROM stock_ledger WHERE kind = 'sale'").await, orders);
        assert_eq!(shop.count("SELECT count(*) FROM jobs WHERE queue = 'orders'").await, orders);
        assert_eq!(shop.whole.stock_drift().await.unwrap(), 0);
    };
    shop.at_each_of(1, "an order without a key", act, check).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_is_ordered_once_wherever_the_checkout_is_cut() {
    for locking in ALL {
        let shop = Shop::open().await;
        shop.offer("cup", 10_000).await;
        shop.offer("tea", 10_000).await;
        let act = async |store: &PostgresStore, case: usize| {
            let who = format!("u{case}");
            if shop.whole.load(&[owner(&who)]).await.unwrap()[0].version() == 0 {
                let adds = [add(&who, "cup", 1), add(&who, "tea", 2)];
                run(&shop.whole, &adds).await.unwrap();
            }
            placed(store, locking, request(&who, Purchase::Cart { version: 2 }, None)).await.is_some()
        };
        let check = async |cases: usize| {
            let orders = i64::try_from(cases).unwrap();
            assert_eq!(i64::from(shop.units("cup").await), 10_000 - orders);
            assert_eq!(i64::from(shop.units("tea").await), 10_000 - 2 * orders);
            assert_eq!(shop.count("SELECT count(*) FROM orders").await, orders);
            assert_eq!(shop.count("SELECT count(*) FROM jobs WHERE queue = 'orders'").await, orders);
            let cart = shop.whole.load(&[owner(&format!("u{cases}"))]).await.unwrap().remove(0);
            assert_eq!((cart.version(), cart.lines().len()), (3, 0), "emptied with the order");
        };
        shop.everywhere("a checkout", act, check).await;
        assert_eq!(shop.whole.stock_drift().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_comes_back_once_wherever_a_cancellation_is_cut() {
    let shop = Shop::open().await;
    shop.offer("cup", 10_000).await;
    let made = std::sync::Mutex::new(std::collections::HashMap::<usize, OrderId>::new());
    let act = async |store: &PostgresStore, case: usize| {
        let known = made.lock().unwrap().get(&case).copied();
        let id = match known {
            Some(id) => id,
            None => {
                let purchase = Purchase::of_lines([(product("cup"), Quantity::new(3).unwrap())]).unwrap();
                let bought = request(&format!("u{case}"), purchase, None);
                let id = placed(&shop.whole, StockLocking::Adaptive, bought).await.unwrap();
                made.lock().unwrap().insert(case, id);
                id
            }
        };
        let step = OrderStep { id, owner: None, to: OrderStatus::Cancelled, reason: None };
        match store.step_orders(&[step], SystemClock.now()).await {
            Ok(batch) => matches!(batch.outcomes[..], [Stepped::Done { .. } | Stepped::Already(_)]),
            Err(_) => false,
        }
    };
    let check = async |cases: usize| {
        assert_eq!(shop.units("cup").await, 10_000);
        let steps = shop.count("SELECT count(*) FROM order_transitions").await;
        assert_eq!(steps, i64::try_from(cases).unwrap());
        assert_eq!(shop.whole.stock_drift().await.unwrap(), 0);
    };
    shop.everywhere("a cancellation", act, check).await;
}

/// Whoever cannot tell whether he has a job does not have it: it runs again when his lease is over, and ends once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_claimed_and_ended_once_wherever_it_is_cut() {
    let shop = Shop::open().await;
    let queues = [name("q")];
    let worker = name("w");
    let claim = Claim { worker: &worker, queues: &queues, limit: 1, lease: Duration::from_secs(10) };
    let act = async |store: &PostgresStore, case: usize| {
        let now = SystemClock.now() + TimeDelta::hours(i64::try_from(case).unwrap());
        let unfinished = shop.count("SELECT count(*) FROM jobs").await;
        let done = shop.count("SELECT count(*) FROM finished_jobs").await;
        if unfinished == 0 && done < i64::try_from(case).unwrap() {
            shop.whole.enqueue(&[job("once")], SystemClock.now()).await.unwrap();
        }
        // Whoever had it before is dead by now.
        let later = if std::ptr::eq(store, &shop.whole) { now + TimeDelta::minutes(5) } else { now };
        shop.whole.take_back(later, 10).await.unwrap();
        let Ok(claimed) = store.claim(&claim, later).await else { return false };
        let Some(claimed) = claimed.first() else {
            // It was ended, and the answer was lost.
            return shop.count("SELECT count(*) FROM jobs").await == 0;
        };
        let end = Finished { hold: claimed.hold, outcome: JobOutcome::Done };
        store.finish(&[end], later).await.is_ok_and(|ended| ended == [true])
    };
    let check = async |cases: usize| {
        assert_eq!(shop.count("SELECT count(*) FROM jobs").await, 0);
        assert_eq!(
            shop.count("SELECT count(*) FROM finished_jobs").await,
            i64::try_from(cases).unwrap(),
            "each ended once"
        );
    };
    shop.everywhere("a job", act, check).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_runs_once_for_a_tick_wherever_it_is_cut() {
    let shop = Shop::open().await;
    let act = async |store: &PostgresStore, case: usize| {
        let tick = SystemClock.now() + TimeDelta::days(i64::try_from(case).unwrap());
        let tick = chrono::DateTime::from_timestamp(tick.timestamp() / 86_400 * 86_400, 0).unwrap();
        let tick = Tick { schedule: name("nightly"), at: tick, job: Some(job("clean")) };
        store.run_ticks(&[tick], SystemClock.now()).await.is_ok()
    };
    let check = async |cases: usize| {
        assert_eq!(shop.count("SELECT count(*) FROM jobs").await, i64::try_from(cases).unwrap());
    };
    shop.everywhere("a tick", act, check).await;
}
