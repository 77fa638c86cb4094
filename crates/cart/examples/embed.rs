//! The cart service inside a plain tokio program: no web framework, no server, nothing to install.
//!
//! ```text
//! cargo run -p cartwright-cart --example embed
//! ```
//!
//! Keeps its carts in a SQLite file in a temporary folder, and serves them from memory.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::{error::Error, sync::Arc, time::Duration};

use cartwright_cache::MemoryCartCache;
use cartwright_cart::{CartService, CartServiceError};
use cartwright_domain::{Command, Currency, Listing, Money, OwnerId, ProductId, Quantity};
use cartwright_storage::{CartRequest, ListingStore};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await?;
    store.migrate().await?;
    let tea = ProductId::new("tea")?;
    let price = Money::parse("12.99", Currency::EUR)?;
    let listing = Listing { product_id: tea.clone(), name: "Green tea".to_owned(), price, active: true };
    store.put_listings(&[listing]).await?;

    // Sixteen megabytes of carts in memory, each for an hour at most.
    let cache = MemoryCartCache::new(16 << 20, Duration::from_secs(3600));
    let carts = CartService::builder(Arc::new(store)).cache(Arc::new(cache)).start();

    let ana = OwnerId::new("ana")?;
    let mut news = carts.subscribe(&ana);
    println!("nobody wrote to it yet: {}", text(&carts.read(&ana).await?.document.body));

    // A hundred clicks at once: they share transactions, and none is lost.
    let clicks = (0..100).map(|_| {
        let add = Command::Add { product_id: tea.clone(), quantity: Quantity::ONE, product_data: None };
        carts.execute(CartRequest::new(ana.clone(), add))
    });
    futures_util::future::try_join_all(clicks).await?;
    println!("a listener heard: {:?}", news.next().await);

    let read = carts.read(&ana).await?;
    println!("answered by {}: {}", read.source.name(), text(&read.document.body));
    let cart = carts.cart(&ana).await?;
    println!("version {}, {} units of {} line(s)", cart.version(), cart.total_quantity(), cart.lines().len());

    // What a rule forbids is refused, and the cart as it is comes with the refusal.
    let remove = Command::Remove { product_id: ProductId::new("coffee")? };
    match carts.execute(CartRequest::new(ana.clone(), remove)).await {
        Err(CartServiceError::Refused { error, current }) => {
            println!("refused at version {}: {error}", current.version);
        }
        other => println!("unexpected: {other:?}"),
    }

    // Finishes what was accepted.
    carts.shutdown().await;
    Ok(())
}

fn text(body: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}
