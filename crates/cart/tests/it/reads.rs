use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cartwright_cache::{CartCache, MemoryCartCache};
use cartwright_cart::{Settings, Source};
use cartwright_storage_tests::{add, clear, owner, set};

use crate::kit::{PATIENCE, Shop, cart_of, memory, shop, shop_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_answers_first_and_memory_from_then_on() {
    let shop = shop().await;
    let ana = owner("ana");
    let first = shop.carts.read(&ana).await.unwrap();
    assert_eq!(first.source, Source::Database);
    let cached = shop.cached(&ana).await;
    assert_eq!(cached.document, first.document);
    let read = shop.store.read();
    for _ in 0..100 {
        assert_eq!(shop.carts.read(&ana).await.unwrap(), cached);
    }
    assert_eq!(shop.store.read(), read, "nobody asked the database again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_cached_without_a_reader() {
    let shop = shop().await;
    let reply = shop.done(add("ana", "p1", 3)).await;
    let cached = shop.cached(&owner("ana")).await;
    assert_eq!(cached.document, reply.document);
    assert_eq!(cached.counts().unwrap(), (1, 3));
    assert_eq!(cart_of(&cached), shop.store.truth(&owner("ana")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_nobody_wrote_to_is_empty_and_stays_unwritten() {
    let shop = shop().await;
    let ana = owner("ana");
    let read = shop.carts.read(&ana).await.unwrap();
    assert_eq!((read.document.version, read.counts().unwrap()), (0, (0, 0)));
    assert_eq!(cart_of(&shop.cached(&ana).await), shop.store.truth(&ana).await);
    assert_eq!(shop.done(clear("ana")).await.document.version, 0, "nothing to clear");
    assert_eq!(shop.done(add("ana", "p1", 1)).await.document.version, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cache_the_database_answers_every_time() {
    let shop = shop_with(None, Settings::default()).await;
    shop.done(add("ana", "p1", 2)).await;
    for n in 1..=10 {
        let read = shop.carts.read(&owner("ana")).await.unwrap();
        assert_eq!((read.source, read.counts().unwrap()), (Source::Database, (1, 2)));
        assert_eq!(shop.store.read(), n);
    }
    assert_eq!(shop.carts.cache_status(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_reads_is_answered_in_full() {
    let shop = shop().await;
    for n in 0..5 {
        shop.done(add(&format!("user-{n}"), "p1", n + 1)).await;
    }
    let readers = (0..400_i64).map(|n| {
        let carts = shop.carts.clone();
        tokio::spawn(async move {
            let name = owner(&format!("user-{}", n % 7));
            let cart = cart_of(&carts.read(&name).await.unwrap());
            assert_eq!(*cart.owner(), name);
            let expected = if n % 7 < 5 { n % 7 + 1 } else { 0 };
            assert_eq!(cart.total_quantity(), u64::try_from(expected).unwrap());
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
}

/// Eight tasks write and read four carts; every read shows at least what had been acknowledged when it began.
async fn hammer(cache: Option<Arc<dyn CartCache>>) {
    const TASKS: usize = 8;
    const TURNS: usize = 250;
    let shop = Arc::new(shop_with(cache, Settings::default()).await);
    let carts: Vec<_> = (0..4).map(|n| owner(&format!("hammer-{n}"))).collect();
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new(carts.iter().map(|_| AtomicU64::new(0)).collect());
    let tasks = (0..TASKS).map(|task| {
        let (shop, carts, acknowledged): (Arc<Shop>, _, _) =
            (shop.clone(), carts.clone(), acknowledged.clone());
        tokio::spawn(async move {
            let mut written = 0_u64;
            for turn in 0..TURNS {
                let at = (task * 7 + turn * (task + 3)) % carts.len();
                let (cart, newest) = (&carts[at], &acknowledged[at]);
                if (turn + task) % 4 == 0 {
                    let product = format!("p{}", turn % 10);
                    let request = match turn % 3 {
                        0 => set(cart.as_str(), &product, None), // refused when there is no such line
                        _ => add(cart.as_str(), &product, 1),
                    };
                    if let Ok(reply) = shop.carts.execute(request).await {
                        newest.fetch_max(reply.document.version, Ordering::SeqCst);
                        written += 1;
                    }
                }
                let least = newest.load(Ordering::SeqCst);
                let read = shop.carts.read(cart).await.unwrap();
                assert_eq!(cart_of(&read).owner(), cart);
                assert!(
                    read.document.version >= least,
                    "{cart}: {:?} showed version {} after {least} was acknowledged",
                    read.source,
                    read.document.version
                );
            }
            written
        })
    });
    let mut written = 0;
    for task in tasks.collect::<Vec<_>>() {
        written += tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }
    let mut versions = 0;
    for cart in &carts {
        let truth = shop.store.truth(cart).await;
        versions += truth.version();
        assert_eq!(cart_of(&shop.carts.read(cart).await.unwrap()), truth);
    }
    assert_eq!(versions, written, "each change is a version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_shows_every_write_that_was_acknowledged_before_it() {
    hammer(Some(Arc::new(memory()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_shows_every_write_even_when_the_cache_forgets_all_the_time() {
    // Room for about three empty carts, and for hardly a moment.
    hammer(Some(Arc::new(MemoryCartCache::new(1_500, std::time::Duration::from_millis(3))))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_shows_every_write_without_a_cache() {
    hammer(None).await;
}
