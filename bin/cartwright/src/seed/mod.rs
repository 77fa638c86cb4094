//! Made-up products, orders and carts, the same ones each time.

mod carts;
mod orders;
mod products;
mod random;
mod words;

use std::{sync::Arc, time::Instant};

use anyhow::ensure;
use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{ShopStore, StatisticsStore};

use self::orders::Orders;
pub(crate) use self::{products::popular, random::Dice};
use crate::{
    cli::SeedOptions,
    config::Settings,
    out,
    progress::Progress,
    wiring::{AnyStore, Started, settle, start_carts, start_catalog},
};

/// Products in one statement.
const PRODUCTS: u32 = 1_000;
/// Orders in one transaction.
const ORDERS: u32 = 1_000;

/// The owner of the n-th cart.
pub(crate) fn owner(n: u32) -> String {
    format!("user-{n:06}")
}

/// Fills the database. A cart that somebody has written to already is left alone, so running it again adds nothing.
pub(crate) async fn run(settings: &Settings, options: &SeedOptions) -> anyhow::Result<()> {
    ensure!(options.lines <= options.products, "--lines {} needs at least as many --products", options.lines);
    let began = Instant::now();
    let store = AnyStore::open(settings).await?;
    store.prepare(&settings.database).await?;
    let carts = start_carts(settings, &store).await?;
    let outcome = fill(settings, options, &store, &carts).await;
    // What was accepted is written, also when something failed.
    carts.carts.shutdown().await;
    let (filled, left) = outcome?;
    out::line(format_args!(
        "{} products, {} orders, {filled} carts of {} lines filled, {left} left as they were, in {:.1} s",
        options.products,
        options.orders,
        options.lines,
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

async fn fill(
    settings: &Settings,
    options: &SeedOptions,
    store: &AnyStore,
    started: &Started,
) -> anyhow::Result<(u64, u64)> {
    // Through the service: servers that run learn of what changes.
    let catalog = start_catalog(settings, store, started).await?;
    let progress = Progress::new("products", options.products);
    for first in (1..=options.products).step_by(PRODUCTS as usize) {
        let last = options.products.min(first + PRODUCTS - 1);
        let some = (first..=last).map(|n| products::product(options.seed, n));
        catalog.import(some.collect::<anyhow::Result<_>>()?).await?;
        progress.add(u64::from(last - first + 1));
    }
    progress.end();
    put_orders(&store.shop(), options).await?;
    settle(&catalog).await;
    carts::fill(&started.carts, options).await
}

/// Writes history, and counts it.
async fn put_orders(store: &Arc<dyn ShopStore>, options: &SeedOptions) -> anyhow::Result<()> {
    if options.orders == 0 {
        return Ok(());
    }
    let (now, progress) = (SystemClock.now(), Progress::new("orders", options.orders));
    let orders =
        Orders { seed: options.seed, users: options.users.max(1), products: options.products, today: now };
    for first in (1..=options.orders).step_by(ORDERS as usize) {
        let last = options.orders.min(first + ORDERS - 1);
        let some = (first..=last).map(|n| orders.order(n)).collect::<anyhow::Result<Vec<_>>>()?;
        store.put_orders(&some).await?;
        progress.add(u64::from(last - first + 1));
    }
    progress.end();
    while StatisticsStore::refresh_statistics(&**store, now, 10 * ORDERS).await?.more {}
    Ok(())
}
