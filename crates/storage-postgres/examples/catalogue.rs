//! How long an import takes and how many searches there are a second, against a private PostgreSQL.
//!
//! `cargo run --release -p cartwright-storage-postgres --example catalogue -- [seconds] [products] [at once] [orders]`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that one reads on a terminal")]

use std::time::{Duration, Instant};

use cartwright_domain::{
    Category, Clock, Currency, Description, Money, OwnerId, ProductDetails, ProductId, ProductName, Quantity,
    SearchQuery, SearchText, Stock, SystemClock,
};
use cartwright_storage::{CatalogStore, ImportedProduct, PastLine, PastOrder, ReadFrom, StatisticsStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::Postgres;

const KINDS: [&str; 20] = [
    "red", "blue", "green", "steel", "wooden", "cotton", "leather", "compact", "classic", "modern",
    "portable", "wireless", "organic", "premium", "vintage", "smart", "slim", "heavy", "light", "soft",
];
const THINGS: [&str; 20] = [
    "chair", "table", "lamp", "shoes", "jacket", "backpack", "bottle", "keyboard", "mouse", "monitor",
    "camera", "notebook", "pen", "kettle", "blanket", "tent", "bicycle", "helmet", "guitar", "speaker",
];

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
fn scatter(n: u64) -> usize {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) >> 1).unwrap()
}

fn word(words: &[&'static str], n: u64) -> &'static str {
    words.get(scatter(n) % words.len()).unwrap()
}

fn product(n: u64) -> ImportedProduct {
    let name = format!("{} {} {} {n}", word(&KINDS, n), word(&KINDS, !n), word(&THINGS, n ^ 7));
    let words: Vec<String> = (0..30).map(|w| format!("word{}", scatter(n * 31 + w) % 5000)).collect();
    let price = Money::from_minor(99 + i64::try_from(scatter(n) % 90_000).unwrap(), Currency::EUR).unwrap();
    let details = ProductDetails {
        description: Description::new(&format!("{name}. {}", words.join(" "))).unwrap(),
        category: Some(Category::new(&format!("Category {}", scatter(n) % 20)).unwrap()),
        stock: Stock::new(i64::try_from(scatter(n) % 9).unwrap()).unwrap(),
        ..ProductDetails::new(ProductName::new(&name).unwrap(), price)
    };
    ImportedProduct::whole(ProductId::new(&n.to_string()).unwrap(), details)
}

fn order(n: u64, products: u64) -> PastOrder {
    // The smaller of two: some products sell better than others.
    let bought = |line: u64| {
        let one = |salt: u64| scatter(n * 9 + line + salt) as u64 % products;
        one(0).min(one(1 << 40)).to_string()
    };
    let line = |line: u64| PastLine {
        product_id: ProductId::new(&bought(line)).unwrap(),
        name: "A product".to_owned(),
        price: Money::from_minor(999, Currency::EUR).unwrap(),
        quantity: Quantity::ONE,
    };
    let mut lines: Vec<PastLine> = (0..4).map(line).collect();
    lines.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    lines.dedup_by(|a, b| a.product_id == b.product_id);
    PastOrder {
        id: format!("00000000-0000-7000-8000-{n:012x}"),
        owner: OwnerId::new(&format!("user-{}", scatter(n) % 10_000)).unwrap(),
        status: "completed".to_owned(),
        currency: Currency::EUR,
        lines,
        created_at: SystemClock.now(),
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (seconds, products, tasks, orders) =
        (argument(10), argument(100_000), argument(32), argument(20_000));
    let server = Postgres::builder().setting("shared_buffers", "256MB").start().unwrap();
    let options = PostgresOptions::new(server.fresh_database().await);
    let store = PostgresStore::connect(PostgresOptions { pool_size: tasks.try_into().unwrap(), ..options });
    let store = store.await.unwrap();
    store.migrate().await.unwrap();

    let started = Instant::now();
    for first in (0..products).step_by(10_000) {
        let batch: Vec<_> = (first..products.min(first + 10_000)).map(product).collect();
        store.import_products(&batch, SystemClock.now()).await.unwrap();
    }
    println!("{products} products imported in {:.1} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    for first in (0..orders).step_by(5_000) {
        let batch: Vec<_> = (first..orders.min(first + 5_000)).map(|n| order(n, products)).collect();
        store.put_orders(&batch).await.unwrap();
    }
    println!("{orders} orders written in {:.1} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    while store.refresh_statistics(SystemClock.now(), 1000).await.unwrap().more {}
    println!("and counted in {:.1} s", started.elapsed().as_secs_f64());

    let deadline = Instant::now() + Duration::from_secs(seconds);
    let searching: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(search(store.clone(), task, deadline))).collect();
    let mut times = Vec::new();
    for task in searching {
        times.extend(task.await.unwrap());
    }
    times.sort_unstable();
    let percentile = |per_cent: usize| times.get(times.len() * per_cent / 100).copied().unwrap_or_default();
    println!("{} searches a second, {tasks} at once", times.len() as u64 / seconds.max(1));
    println!("one takes {:?} (median), {:?} (95 %)", percentile(50), percentile(95));
}

async fn search(store: PostgresStore, task: u64, deadline: Instant) -> Vec<Duration> {
    let (mut times, mut n) = (Vec::new(), task << 32);
    while Instant::now() < deadline {
        n += 1;
        let text = match n % 3 {
            0 => word(&THINGS, n).to_owned(),
            1 => format!("{} {}", word(&KINDS, n), word(&THINGS, n)),
            _ => format!("{} word{}", word(&KINDS, n), scatter(n) % 500),
        };
        let query = SearchQuery { text: Some(SearchText::new(&text)), ..SearchQuery::default() };
        let started = Instant::now();
        store.search(&query, ReadFrom::Primary).await.unwrap();
        times.push(started.elapsed());
    }
    times
}
