//! How many carts a second: batches of single adds over many carts, against a private, durable PostgreSQL.
//!
//! `cargo run --release -p cartwright-storage-postgres --example batches -- [seconds] [batch] [at once] [carts]`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that one reads on a terminal")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_domain::{Command, Currency, Gate, Listing, Money, OwnerId, ProductId, Quantity, SystemClock};
use cartwright_storage::{BatchPolicy, CartRequest, CartStore, Fence, FenceError, ListingStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::Postgres;

struct NoCache;

#[async_trait]
impl Fence for NoCache {
    async fn raise(&self, _: &Gate, _: &[OwnerId]) -> Result<(), FenceError> {
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (seconds, batch, tasks, carts) = (argument(10), argument(32), argument(2), argument(10_000));

    let server = Postgres::builder().durable(true).setting("shared_buffers", "256MB").start().unwrap();
    let url = server.fresh_database().await;
    let store = PostgresStore::connect(PostgresOptions::new(url)).await.unwrap();
    store.migrate().await.unwrap();
    let price = Money::from_minor(250, Currency::EUR).unwrap();
    let listings: Vec<Listing> = (0..100)
        .map(|n| {
            let product_id = ProductId::new(&format!("product-{n}")).unwrap();
            Listing { product_id, name: format!("Product number {n}"), price, active: true }
        })
        .collect();
    store.put_listings(&listings).await.unwrap();

    let started = Instant::now();
    let deadline = started + Duration::from_secs(seconds.try_into().unwrap());
    let workers: Vec<_> =
        (0..tasks).map(|worker| tokio::spawn(work(store.clone(), worker, batch, carts, deadline))).collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.unwrap());
    }
    let elapsed = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let percentile = |per_cent: usize| times.get(times.len() * per_cent / 100).copied().unwrap_or_default();
    println!("{} batches of {batch}, {tasks} at once, over {carts} carts, in {elapsed:.1} s", times.len());
    println!(
        "{:.0} requests/s, {:.0} commits/s",
        (times.len() * batch) as f64 / elapsed,
        times.len() as f64 / elapsed
    );
    println!("a batch takes {:?} (median), {:?} (99 %)", percentile(50), percentile(99));
}

async fn work(
    store: PostgresStore,
    worker: usize,
    batch: usize,
    carts: usize,
    deadline: Instant,
) -> Vec<Duration> {
    let policy = BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false };
    let mut times = Vec::new();
    // A linear congruential generator: carts and products at random, the same ones each time.
    let mut random = u64::try_from(worker).unwrap() + 1;
    let mut below = move |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % limit
    };
    while Instant::now() < deadline {
        let requests: Vec<CartRequest> = (0..batch)
            .map(|_| {
                let owner = OwnerId::new(&format!("user:{}", below(carts))).unwrap();
                let product_id = ProductId::new(&format!("product-{}", below(20))).unwrap();
                CartRequest::new(
                    owner,
                    Command::Add { product_id, quantity: Quantity::ONE, product_data: None },
                )
            })
            .collect();
        let started = Instant::now();
        store.execute_batch(&requests, &policy, &NoCache).await.unwrap();
        times.push(started.elapsed());
    }
    times
}
