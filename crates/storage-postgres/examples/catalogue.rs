//! How long an import takes and what searches cost, against a private PostgreSQL: products as `cartwright seed` makes them,
//! and searches as people type them.
//!
//! `cargo run --release -p cartwright-storage-postgres --example catalogue`; behind a `--` may come seconds, products,
//! searches at once, orders and connections.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that one reads on a terminal")]

#[expect(dead_code, reason = "the binary needs all of it")]
#[path = "../../../bin/cartwright/src/seed/products.rs"]
mod products;
#[expect(dead_code, reason = "the binary needs all of it")]
#[path = "../../../bin/cartwright/src/seed/random.rs"]
mod random;
#[path = "../../../bin/cartwright/src/seed/words.rs"]
mod words;

use std::time::{Duration, Instant};

use cartwright_domain::{
    Category, Clock, Currency, Money, OwnerId, PriceRange, Quantity, SearchQuery, SearchSort, SearchText,
    SystemClock,
};
use cartwright_storage::{CatalogStore, PastLine, PastOrder, ReadFrom, StatisticsStore};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::Postgres;

use self::{
    random::{Dice, scatter},
    words::{ADJECTIVES, BRANDS, SHELVES},
};

fn order(n: u64, products: u64) -> PastOrder {
    // The smaller of two: some products sell better than others.
    let bought = |line: u64| {
        let one = |salt: u64| 1 + scatter(n * 9 + line + salt) % products;
        products::id(u32::try_from(one(0).min(one(1 << 40))).unwrap()).unwrap()
    };
    let line = |line: u64| PastLine {
        product_id: bought(line),
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

/// What somebody types: one or two words of a name, some with a typo, some not to their end; with a filter or without.
fn query(n: u64, always_typo: bool) -> SearchQuery {
    let mut dice = Dice::of(1, 99, n);
    let shelf = dice.pick(SHELVES).unwrap();
    let mut of_three =
        [*dice.pick(BRANDS).unwrap(), *dice.pick(ADJECTIVES).unwrap(), *dice.pick(shelf.nouns).unwrap()];
    let first = usize::try_from(dice.below(3)).unwrap();
    of_three.rotate_left(first);
    let parts = if dice.below(2) == 0 { 1 } else { 2 };
    let mut text = of_three.get(..parts).unwrap().join(" ").to_lowercase();
    let open = dice.below(5) == 0;
    if always_typo || dice.below(10) == 0 {
        text = mistyped(&text, &mut dice);
    } else if open {
        let typed = text.len() - usize::try_from(dice.below(3)).unwrap();
        text.truncate(typed);
    }
    let mut one_in = |n: u64| dice.below(n) == 0;
    let (category, in_stock, price, newest) = (one_in(5), one_in(5), one_in(10), one_in(20));
    let usd = |minor| Some(Money::from_minor(minor, Currency::USD).unwrap());
    SearchQuery {
        text: Some(SearchText::new(&if open { text } else { text + " " })),
        category: category.then(|| Category::new(shelf.category).unwrap()),
        price: if price { PriceRange::new(usd(1_000), usd(20_000)).unwrap() } else { None },
        in_stock,
        sort: if newest { SearchSort::Newest } else { SearchSort::Relevance },
        ..SearchQuery::default()
    }
}

/// With a letter too few, too many, or two of them swapped; not at the beginning.
fn mistyped(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = 1 + usize::try_from(dice.below(letters.len() as u64 - 2)).unwrap();
    match dice.below(3) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, 'e'),
        _ => letters.swap(at, at + 1),
    }
    letters.into_iter().collect()
}

/// Seconds of the processors that a process and its children have used so far.
fn used_by(pid: u32) -> f64 {
    let stat = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let number =
            |at: usize| rest.split(' ').nth(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        (number(1), number(11) + number(12))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    let ticks = processes.filter_map(|name| name.into_string().ok()).map(|name| {
        let (parent, ticks) = stat(&name);
        if name == pid.to_string() || parent == u64::from(pid) { ticks } else { 0 }
    });
    // Linux counts in hundredths.
    ticks.sum::<u64>() as f64 / 100.0
}

async fn measure(
    what: &str,
    store: &PostgresStore,
    server: u32,
    tasks: u64,
    seconds: u64,
    always_typo: bool,
) {
    let before = (used_by(server), used_by(std::process::id()));
    let began = Instant::now();
    let deadline = began + Duration::from_secs(seconds);
    let searching: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(search(store.clone(), task, deadline, always_typo))).collect();
    let (mut times, mut found, mut fuzzy) = (Vec::new(), 0_u64, 0_u64);
    for task in searching {
        for (time, any, alike) in task.await.unwrap() {
            times.push(time);
            found += u64::from(any);
            fuzzy += u64::from(alike);
        }
    }
    let elapsed = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let number = times.len() as f64;
    let within = |per_cent: usize| {
        times.get(times.len() * per_cent / 100).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    let each = |before: f64, after: f64| (after - before) * 1000.0 / number;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{what}: {:.0} a second, {tasks} at once; p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms; one costs {:.3} ms of the \
         database's processor and {:.3} ms of this one's; {:.0} % found something, {:.0} % by words that are alike; \
         load {}",
        number / elapsed,
        within(50),
        within(95),
        within(99),
        each(before.0, used_by(server)),
        each(before.1, used_by(std::process::id())),
        found as f64 * 100.0 / number,
        fuzzy as f64 * 100.0 / number,
        load.trim(),
    );
}

async fn search(
    store: PostgresStore,
    task: u64,
    deadline: Instant,
    always_typo: bool,
) -> Vec<(Duration, bool, bool)> {
    let (mut times, mut n) = (Vec::new(), task << 32);
    while Instant::now() < deadline {
        n += 1;
        let query = query(n, always_typo);
        let started = Instant::now();
        let found = store.search(&query, ReadFrom::Primary).await.unwrap();
        times.push((started.elapsed(), found.total > 0, found.fuzzy));
    }
    times
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (seconds, products, tasks) = (argument(10), argument(100_000), argument(32));
    let (orders, pool_size) = (argument(20_000), argument(10));
    let server = Postgres::builder().setting("shared_buffers", "256MB").start().unwrap();
    let options = PostgresOptions::new(server.fresh_database().await);
    let options = PostgresOptions { pool_size: pool_size.try_into().unwrap(), ..options };
    let store = PostgresStore::connect(options).await.unwrap();
    store.migrate().await.unwrap();
    fill(&store, products, orders).await;
    measure("warming up", &store, server.pid(), tasks, 3, false).await;
    measure("searches", &store, server.pid(), tasks, seconds, false).await;
    measure("each with a typo", &store, server.pid(), tasks, seconds, true).await;
}

async fn fill(store: &PostgresStore, products: u64, orders: u64) {
    let started = Instant::now();
    for first in (1..=products).step_by(1_000) {
        let made =
            (first..=products.min(first + 999)).map(|n| products::product(1, u32::try_from(n).unwrap()));
        let batch: Vec<_> = made.map(Result::unwrap).collect();
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
}
