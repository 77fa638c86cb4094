//! Two nodes on PostgreSQL and Redis with replicas.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cartwright_catalog::CatalogService;
use cartwright_testkit::Mode;
use futures_util::future::join_all;

use crate::kit::{eventually, id, make, nodes, reprice, shown};

/// After a change was acknowledged, nobody serves what was before for longer than this.
const AT_ONCE: Duration = Duration::from_millis(250);
const READERS: usize = 100;
const CHANGES: i64 = 1000;

/// Reads until told to stop. Returns for how long after its acknowledgement something newer was not shown, at most.
async fn read(
    catalog: CatalogService,
    acknowledged: Arc<[AtomicI64; 2]>,
    began: Instant,
    stop: Arc<AtomicBool>,
) -> Duration {
    let mut late = Duration::ZERO;
    while !stop.load(SeqCst) {
        let seen = shown(&catalog, "tea").await;
        let now = i64::try_from(began.elapsed().as_micros()).unwrap();
        // The price after the one that was seen was acknowledged at that time, or is not yet.
        let [price, at] = &*acknowledged;
        let (price, at) = (price.load(SeqCst), at.load(SeqCst));
        if seen < price {
            late = late.max(Duration::from_micros(u64::try_from(now - at).unwrap_or_default()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    late
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_serves_an_old_price_for_long() {
    let nodes = nodes().await;
    let (one, other) = (&nodes.one.catalog, &nodes.other.catalog);
    make(one, "tea", None).await;
    let acknowledged = Arc::new([AtomicI64::new(0), AtomicI64::new(0)]);
    let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let reader = |n: usize| {
        let catalog = if n.is_multiple_of(2) { one } else { other }.clone();
        tokio::spawn(read(catalog, Arc::clone(&acknowledged), began, Arc::clone(&stop)))
    };
    let readers: Vec<_> = (0..READERS).map(reader).collect();
    for change in 1..=CHANGES {
        match change {
            400 => nodes.proxy.set(Mode::Cut),
            600 => nodes.proxy.set(Mode::Pass),
            _ => {}
        }
        reprice(one, "tea", 1000 + change).await;
        acknowledged[1].store(i64::try_from(began.elapsed().as_micros()).unwrap(), SeqCst);
        acknowledged[0].store(1000 + change, SeqCst);
    }
    let last = Instant::now();
    eventually("the other has the last price", async || shown(other, "tea").await == 1000 + CHANGES).await;
    assert!(last.elapsed() < AT_ONCE, "after {:?}", last.elapsed());
    eventually("it hears again", async || nodes.other.catalog.node().hears()).await;
    for _ in 0..50 {
        assert_eq!((shown(one, "tea").await, shown(other, "tea").await), (1000 + CHANGES, 1000 + CHANGES));
    }
    stop.store(true, SeqCst);
    for late in join_all(readers).await {
        let late = late.unwrap();
        assert!(late < AT_ONCE, "an old price was served {late:?} after the next one was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_herd_is_two_loads_at_most() {
    let nodes = nodes().await;
    make(&nodes.one.catalog, "tea", None).await;
    let ask = |n: usize| {
        let catalog = if n.is_multiple_of(2) { &nodes.one } else { &nodes.other }.catalog.clone();
        tokio::spawn(async move { shown(&catalog, "tea").await })
    };
    for asked in join_all((0..1000).map(ask).collect::<Vec<_>>()).await {
        assert_eq!(asked.unwrap(), 250);
    }
    let loads: u64 =
        [&nodes.one, &nodes.other].map(|node| node.catalog.figures().first().unwrap().1.loads).iter().sum();
    assert!((1..=2).contains(&loads), "{loads} loads");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_go_on_without_redis_and_nothing_old_comes_back() {
    let nodes = nodes().await;
    let (one, other) = (&nodes.one.catalog, &nodes.other.catalog);
    make(one, "tea", None).await;
    shown(other, "tea").await;
    nodes.redis.primary.kill();
    // The first change waits until nobody believes in Redis any more.
    for change in 1..=5 {
        reprice(one, "tea", 2000 + change).await;
        let done = Instant::now();
        eventually("the other sees it", async || {
            let seen = shown(other, "tea").await == 2000 + change;
            assert!(seen || done.elapsed() < AT_ONCE, "change {change}: {:?}", done.elapsed());
            seen
        })
        .await;
    }
    nodes.redis.primary.restart();
    eventually("both hear again", async || one.node().hears() && other.node().hears()).await;
    for _ in 0..20 {
        assert_eq!((shown(one, "tea").await, shown(other, "tea").await), (2005, 2005));
    }
    eventually("it is in memory again", async || {
        other.peek_product(&id("tea")).is_some() || shown(other, "tea").await == 0
    })
    .await;
}
