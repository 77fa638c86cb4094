//! How many adds a second one file takes, on this machine and this disk:
//!
//! ```text
//! cargo run --release -p cartwright-storage-sqlite --example throughput [folder]
//! ```
//!
//! Batches of 1 and of 32 adds to random ones of 10,000 carts, one batch after another, each synced to the disk; then
//! reads of one cart. The folder says which disk is measured.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people at a terminal")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_domain::{Command, Currency, Gate, Listing, Money, OwnerId, ProductId, Quantity, SystemClock};
use cartwright_storage::{BatchPolicy, CartRequest, CartStore, Fence, FenceError, ListingStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};

const CARTS: u64 = 10_000;
const PRODUCTS: u64 = 1_000;
const EACH: Duration = Duration::from_secs(5);

struct Open;

#[async_trait]
impl Fence for Open {
    async fn raise(&self, _: &Gate, _: &[OwnerId]) -> Result<(), FenceError> {
        Ok(())
    }
}

/// Repeatable choices (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn owner(&mut self) -> OwnerId {
        OwnerId::new(&format!("user-{}", self.below(CARTS))).unwrap()
    }

    fn product(&mut self) -> ProductId {
        ProductId::new(&format!("sku-{}", self.below(PRODUCTS))).unwrap()
    }
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let listing = |n| Listing {
        product_id: ProductId::new(&format!("sku-{n}")).unwrap(),
        name: format!("Product number {n}"),
        price: Money::from_minor(1299, Currency::EUR).unwrap(),
        active: true,
    };
    store.put_listings(&(0..PRODUCTS).map(listing).collect::<Vec<_>>()).await.unwrap();
    let policy = BatchPolicy { clock: Arc::new(SystemClock), allow_unlisted: false };
    let mut dice = Dice(1);

    for size in [1, 32] {
        let (mut batches, mut times, started) = (0_u32, Vec::new(), Instant::now());
        while started.elapsed() < EACH {
            let add = |_| {
                let command =
                    Command::Add { product_id: dice.product(), quantity: Quantity::ONE, product_data: None };
                CartRequest::new(dice.owner(), command)
            };
            let batch: Vec<CartRequest> = (0..size).map(add).collect();
            let begun = Instant::now();
            store.execute_batch(&batch, &policy, &Open).await.unwrap();
            times.push(begun.elapsed());
            batches += 1;
        }
        report(&format!("batches of {size:>2} adds"), batches * size, started.elapsed(), &mut times);
    }

    let (mut times, started) = (Vec::new(), Instant::now());
    while started.elapsed() < EACH {
        let begun = Instant::now();
        store.load(&[dice.owner()]).await.unwrap();
        times.push(begun.elapsed());
    }
    report("reads of one cart ", u32::try_from(times.len()).unwrap(), started.elapsed(), &mut times);
}

fn report(what: &str, operations: u32, elapsed: Duration, times: &mut [Duration]) {
    times.sort();
    let at = |per_mille: usize| times.get(times.len() * per_mille / 1000).copied().unwrap_or_default();
    let rate = f64::from(operations) / elapsed.as_secs_f64();
    println!("{what}: {rate:>8.0} a second; each call p50 {:?}, p99 {:?}", at(500), at(990));
}
