//! Reads of the shared layer that wait together.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_cache_tests::layered::{Item, item};
use cartwright_layered::{
    Cause, Head, Kept, Layer, Layered, LoadError, LoadFrom, MemoryShared, Node, Put, ResultError,
    ResultLayer, SharedError, SharedLayer, Silence, Was, each,
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

/// Counts its round trips, each of which takes a moment.
#[derive(Debug, Default)]
struct Counting {
    layer: MemoryShared,
    reads: AtomicUsize,
    puts: AtomicUsize,
    panics: AtomicBool,
}

#[async_trait]
impl SharedLayer for Counting {
    fn namespace(&self) -> Option<Arc<str>> {
        self.layer.namespace()
    }

    async fn read(
        &self,
        namespace: &str,
        keys: &[String],
        latest: bool,
    ) -> Result<Vec<Option<Bytes>>, SharedError> {
        self.reads.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        assert!(!self.panics.swap(false, SeqCst), "as a bug would");
        self.layer.read(namespace, keys, latest).await
    }

    async fn put(&self, namespace: &str, puts: &[Put]) -> Result<Vec<Was>, SharedError> {
        self.puts.fetch_add(puts.len(), SeqCst);
        self.layer.put(namespace, puts).await
    }

    async fn release(
        &self,
        namespace: &str,
        keys: &[String],
        mark: Head,
        leave: Option<(Head, Duration)>,
    ) -> Result<(), SharedError> {
        self.layer.release(namespace, keys, mark, leave).await
    }
}

async fn load(keys: Vec<Item>, _from: LoadFrom) -> Result<Vec<Option<Bytes>>, Cause> {
    Ok(keys.into_iter().map(|key| Some(key.0.into())).collect())
}

/// Two caches of two processes, without memory, on one layer.
fn caches(layer: &Arc<Counting>) -> (Layered<Item>, Layered<Item>) {
    let node = || Node::builder().shared(Arc::clone(layer) as _).bus(Arc::new(Silence)).start();
    (node().cache::<Item>().over(load), node().cache::<Item>().over(load))
}

fn items() -> Vec<Item> {
    (0..300).map(|n| item(&n.to_string())).collect()
}

#[tokio::test]
async fn keys_that_are_asked_for_at_the_same_time_are_one_round_trip() {
    let layer = Arc::new(Counting::default());
    let (one, other) = caches(&layer);
    one.get_many(&items()).await;
    layer.reads.store(0, SeqCst);
    let items = items();
    let found = join_all(items.iter().map(|item| other.get(item))).await;
    for (item, found) in items.iter().zip(found) {
        assert_eq!(found.unwrap().value, Some(Bytes::from(item.0.clone())));
    }
    let reads = layer.reads.load(SeqCst);
    assert!((3..=5).contains(&reads), "300 keys, 128 at a time: {reads} reads");
}

#[tokio::test]
async fn a_read_that_is_lost_leaves_nobody_waiting() {
    let layer = Arc::new(Counting::default());
    let (cache, _) = caches(&layer);
    layer.panics.store(true, SeqCst);
    let items = items();
    let found = join_all(items.iter().map(|item| cache.get(item))).await;
    assert!(found.iter().any(|found| matches!(found, Err(LoadError::GivenUp))), "the lost ones are told");
    for item in &items {
        assert_eq!(cache.get(item).await.unwrap().value, Some(Bytes::from(item.0.clone())));
    }
}

#[tokio::test]
async fn questions_that_are_asked_together_are_answered_one_by_one() {
    let layer = Arc::new(Counting::default());
    let (release, released) = tokio::sync::watch::channel(false);
    let node = Node::builder().shared(Arc::clone(&layer) as _).bus(Arc::new(Silence)).start();
    let cache = node.cache::<Item>().over(each(move |key: Item, _from| {
        let mut released = released.clone();
        async move {
            if key == item("slow") {
                released.wait_for(|released| *released).await?;
            }
            Ok::<_, Cause>(Some(Bytes::from(key.0)))
        }
    }));
    let slow = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&item("slow")).await }
    });
    let quick = join_all([item("1"), item("2")].iter().map(|item| cache.get(item))).await;
    assert!(quick.iter().all(Result::is_ok));
    assert!(!slow.is_finished());
    release.send(true).unwrap();
    assert_eq!(slow.await.unwrap().unwrap().value, Some(Bytes::from("slow")));
    let many = cache.get_many(&[item("1"), item("2"), item("slow"), item("3")]).await;
    assert_eq!(many.into_iter().filter_map(|answer| answer.unwrap().value).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn without_leases_a_load_is_put_there_once_and_found_by_others() {
    let layer = Arc::new(Counting::default());
    let cache = |leases: bool| {
        let cache = Node::builder().shared(Arc::clone(&layer) as _).bus(Arc::new(Silence)).start().cache();
        if leases { cache.over(load) } else { cache.without_leases().over(load) }
    };
    // What is loaded is put there in the background.
    let puts = async |cache: Layered<Item>, item: Item| {
        layer.puts.store(0, SeqCst);
        assert_eq!(cache.get(&item).await.unwrap().layer, Layer::Loader);
        sleep(Duration::from_millis(50)).await;
        layer.puts.load(SeqCst)
    };
    assert_eq!(puts(cache(true), item("1")).await, 2, "a lease, and the value in its place");
    assert_eq!(puts(cache(false), item("2")).await, 1);
    for item in ["1", "2"].map(item) {
        assert_eq!(cache(false).get(&item).await.unwrap().layer, Layer::Shared);
    }
}

/// A third layer that notes what it is asked.
#[derive(Debug, Default)]
struct Results {
    layer: MemoryShared,
    hangs: bool,
    asked: AtomicUsize,
    kept: AtomicUsize,
    writes: AtomicUsize,
}

#[async_trait]
impl ResultLayer for Results {
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, ResultError> {
        self.asked.fetch_add(1, SeqCst);
        if self.hangs {
            pending::<()>().await;
        }
        self.layer.get(keys).await
    }

    async fn keep(&self, results: &[Kept]) -> Result<(), ResultError> {
        self.kept.fetch_add(results.len(), SeqCst);
        self.writes.fetch_add(1, SeqCst);
        self.layer.keep(results).await
    }
}

fn with_results(layer: &Arc<Results>) -> Layered<Item> {
    let node = Node::builder().results(Arc::clone(layer) as _).start();
    node.cache::<Item>().results().over(load)
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_written_together() {
    let layer = Arc::new(Results::default());
    let cache = with_results(&layer);
    for (times, from) in [(1, Layer::Loader), (2, Layer::Loader), (3, Layer::Results)] {
        for item in items() {
            assert_eq!(cache.get(&item).await.unwrap().layer, from);
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(layer.kept.load(SeqCst), if times == 1 { 0 } else { 300 }, "asked for {times} times");
    }
    let writes = layer.writes.load(SeqCst);
    assert!(writes <= 4, "300 results, 128 at a time: {writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_others_share_is_kept_once_it_is_asked_for_again() {
    let layer = Arc::new(Results::default());
    let node = || {
        let node = Node::builder().shared(Arc::new(MemoryShared::default())).bus(Arc::new(Silence));
        node.results(Arc::clone(&layer) as _).start().cache::<Item>().results().over(load)
    };
    let cache = node();
    let ask = async |cache: &Layered<Item>, item: &Item| {
        let answer = cache.get(item).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        answer.layer
    };
    let (once, often) = (item("once"), item("often"));
    assert_eq!(ask(&cache, &once).await, Layer::Loader);
    assert_eq!(ask(&cache, &often).await, Layer::Loader);
    assert_eq!(layer.kept.load(SeqCst), 0);
    for _ in 0..3 {
        assert_eq!(ask(&cache, &often).await, Layer::Shared);
        assert_eq!(layer.kept.load(SeqCst), 1, "once is enough");
    }
    // The shared layer was emptied.
    let cache = node();
    assert_eq!(ask(&cache, &often).await, Layer::Results);
    assert_eq!(ask(&cache, &once).await, Layer::Loader);
}

#[tokio::test(start_paused = true)]
async fn results_that_cannot_be_read_hold_nobody_up_for_longer_than_themselves() {
    let layer = Arc::new(Results { hangs: true, ..Results::default() });
    let cache = with_results(&layer);
    let begun = Instant::now();
    let callers = (0..20).map(|n| {
        let cache = cache.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(10 * n)).await;
            (cache.get(&item(&n.to_string())).await.unwrap().layer, begun.elapsed())
        })
    });
    for answer in join_all(callers).await {
        let (layer, after) = answer.unwrap();
        assert_eq!(layer, Layer::Loader);
        assert!(after < Duration::from_millis(3500), "{after:?}");
    }
    assert!(layer.asked.load(SeqCst) > 1, "those who came later did not wait for the first ones");
}
