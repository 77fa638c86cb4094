//! What searches of the store cost, without HTTP and without a cache: as people type them, in a database that
//! `cartwright seed --products 100000` has filled.
//!
//! `DATABASE_URL=… cargo run --release -p cartwright-storage-postgres --example catalogue`; behind a `--` may come
//! seconds, searches at once and connections. What the database's processor did is known if it is on this machine.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that one reads on a terminal")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_domain::{
    ListQuery, Money, Page, PageSize, Paging, PriceRange, Product, SearchQuery, SearchSort, SearchText,
};
use cartwright_storage::{CatalogStore, ReadFrom};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio_postgres::{Client, NoTls};

/// The first products of the catalogue, from which come names and categories.
async fn some_products(store: &PostgresStore) -> Vec<Product> {
    let mut products = Vec::new();
    for page in 1..=20 {
        let paging = Paging::Page(Page::new(page, PageSize::new(100).unwrap()).unwrap());
        let query = ListQuery { active: Some(true), paging, ..ListQuery::default() };
        products.extend(store.list_products(&query, ReadFrom::Primary).await.unwrap().items);
    }
    assert!(!products.is_empty(), "the database has no products; `cartwright seed` makes some");
    products
}

/// What somebody types: one or two words of a name, some with a typo, some not to their end; with a filter or without.
fn query(products: &[Product], dice: &mut StdRng, always_typo: bool) -> SearchQuery {
    // Brand, adjective and noun, each of another product.
    let first = dice.random_range(0..3);
    let last = products.choose(dice).unwrap();
    let words = if dice.random_ratio(1, 2) { 1 } else { 2 };
    let of_name = |at: usize, dice: &mut StdRng| {
        let product = if at == 2 { last } else { products.choose(dice).unwrap() };
        let name = product.details.name.as_str();
        name.splitn(3, ' ').nth(at).unwrap_or(name).to_lowercase()
    };
    let parts: Vec<String> = (first..first + words).map(|at| of_name(at % 3, dice)).collect();
    let mut text = parts.join(" ");
    let open = dice.random_ratio(1, 5);
    if always_typo || dice.random_ratio(1, 10) {
        text = mistyped(&text, dice);
    } else if open {
        for _ in 0..dice.random_range(0..3) {
            text.pop();
        }
    }
    let category = if dice.random_ratio(1, 5) { last.details.category.clone() } else { None };
    let money = |minor| Some(Money::from_minor(minor, last.details.price.currency()).unwrap());
    let price = PriceRange::new(money(1_000), money(20_000)).unwrap();
    SearchQuery {
        text: Some(SearchText::new(&if open { text } else { text + " " })),
        category,
        price: if dice.random_ratio(1, 10) { price } else { None },
        in_stock: dice.random_ratio(1, 5),
        sort: if dice.random_ratio(1, 20) { SearchSort::Newest } else { SearchSort::Relevance },
        ..SearchQuery::default()
    }
}

/// With a letter too few, too many, or two of them swapped; not at the beginning.
fn mistyped(text: &str, dice: &mut StdRng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() > 2 {
        let at = dice.random_range(1..letters.len() - 1);
        match dice.random_range(0..3) {
            0 => drop(letters.remove(at)),
            1 => letters.insert(at, 'e'),
            _ => letters.swap(at, at + 1),
        }
    }
    letters.into_iter().collect()
}

/// Seconds of the processors that a process of this machine has used so far.
fn used_by(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name comes before, in parentheses; two of the numbers are times of the process, in hundredths on Linux.
    let numbers = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    let ticks = numbers.split(' ').skip(11).take(2).filter_map(|number| number.parse::<u64>().ok());
    ticks.sum::<u64>() as f64 / 100.0
}

/// The same of the store's connections, at the server.
async fn used_by_connections(server: &Client) -> f64 {
    let connections = "SELECT pid FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name = 'cartwright'";
    let rows = server.query(connections, &[]).await.unwrap();
    rows.iter().map(|row| used_by(row.get::<_, i32>(0).unsigned_abs())).sum()
}

async fn measure(
    what: &str,
    store: &PostgresStore,
    server: &Client,
    products: &Arc<Vec<Product>>,
    tasks: u64,
    seconds: u64,
    always_typo: bool,
) {
    let before = (used_by_connections(server).await, used_by(std::process::id()));
    let began = Instant::now();
    let deadline = began + Duration::from_secs(seconds);
    let search = |task| {
        let dice = StdRng::seed_from_u64(task);
        tokio::spawn(search(store.clone(), Arc::clone(products), dice, deadline, always_typo))
    };
    let searching: Vec<_> = (0..tasks).map(search).collect();
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
        each(before.0, used_by_connections(server).await),
        each(before.1, used_by(std::process::id())),
        found as f64 * 100.0 / number,
        fuzzy as f64 * 100.0 / number,
        load.trim(),
    );
}

async fn search(
    store: PostgresStore,
    products: Arc<Vec<Product>>,
    mut dice: StdRng,
    deadline: Instant,
    always_typo: bool,
) -> Vec<(Duration, bool, bool)> {
    let mut times = Vec::new();
    while Instant::now() < deadline {
        let query = query(&products, &mut dice, always_typo);
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
    let (seconds, tasks, pool_size) = (argument(10), argument(32), argument(10));
    let url = std::env::var("DATABASE_URL").unwrap();
    let (server, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let options = PostgresOptions { pool_size: pool_size.try_into().unwrap(), ..PostgresOptions::new(url) };
    let store = PostgresStore::connect(options).await.unwrap();
    let products = Arc::new(some_products(&store).await);
    measure("warming up", &store, &server, &products, tasks, 3, false).await;
    measure("searches", &store, &server, &products, tasks, seconds, false).await;
    measure("each with a typo", &store, &server, &products, tasks, seconds, true).await;
}
