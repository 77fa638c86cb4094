//! Who loads, how often, and what is served meanwhile.

use std::{sync::Arc, time::Duration};

use cartwright_layered::{Layer, LoadError, Policy};
use futures_util::future::join_all;

use super::{
    Nodes,
    kit::{Item, Truth, item, number, shown, until},
};

const BRIEF: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(60);

/// Each layer answers when it can.
pub async fn a_value_is_loaded_once_and_found_everywhere(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let (one, other) = nodes.plain(&truth);
    assert_eq!(shown(&one, "a").await, (Some(1), Layer::Loader));
    assert_eq!(shown(&one, "a").await, (Some(1), Layer::Memory));
    until("it is in the shared layer", async || {
        let (number, layer) = shown(&other, "a").await;
        assert_eq!(number, Some(1));
        layer == Layer::Memory
    })
    .await;
    assert_eq!(other.figures().l2_hits + other.figures().loads, 1);
    assert!(truth.loaded() <= 2);
}

/// A cold key that everybody wants.
pub async fn a_herd_is_one_load(nodes: Nodes) {
    let truth = Truth::with("cold", 7);
    let held = truth.hold();
    let (one, other) = nodes.plain(&truth);
    let ask = |n: usize| {
        let cache = if n.is_multiple_of(2) { one.clone() } else { other.clone() };
        tokio::spawn(async move { shown(&cache, "cold").await.0 })
    };
    let herd: Vec<_> = (0..1000).map(ask).collect();
    until("somebody loads it", async || truth.loaded() > 0).await;
    held.add_permits(1000);
    for asked in join_all(herd).await {
        assert_eq!(asked.unwrap(), Some(7));
    }
    assert!(truth.loaded() <= 2, "{} loads", truth.loaded());
}

/// Callers come and go.
pub async fn a_load_goes_on_when_who_asked_is_gone(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let held = truth.hold();
    let (one, _) = nodes.plain(&truth);
    let asking = tokio::spawn({
        let one = one.clone();
        async move { shown(&one, "a").await }
    });
    until("it is being loaded", async || truth.loaded() == 1).await;
    asking.abort();
    let second = tokio::spawn({
        let one = one.clone();
        async move { shown(&one, "a").await.0 }
    });
    tokio::task::yield_now().await;
    held.add_permits(100);
    assert_eq!(second.await.unwrap(), Some(1));
    assert_eq!(truth.loaded(), 1);
}

/// In the order of the keys.
pub async fn many_keys_are_one_load(nodes: Nodes) {
    let truth = Truth::new();
    for n in 0..100 {
        truth.set(&format!("k{n}"), n);
    }
    let (one, _) = nodes.plain(&truth);
    shown(&one, "k3").await;
    let keys: Vec<Item> = (0..120).map(|n| item(&format!("k{n}"))).collect();
    let answers = one.get_many(&keys).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(number(answer.as_ref().unwrap()), (n < 100).then_some(n as u64));
    }
    assert_eq!(truth.loaded(), 120, "each once");
    let twice = one.get_many(&[item("x"), item("x"), item("k1")]).await;
    assert_eq!(
        twice.iter().map(|answer| number(answer.as_ref().unwrap())).collect::<Vec<_>>(),
        [None, None, Some(1)]
    );
}

/// Nothing is something to be remembered.
pub async fn what_is_not_there_is_remembered_until_it_is_made(nodes: Nodes) {
    let truth = Truth::new();
    let (one, _) = nodes.plain(&truth);
    assert_eq!(shown(&one, "new").await, (None, Layer::Loader));
    assert_eq!(shown(&one, "new").await, (None, Layer::Memory));
    assert_eq!(one.figures().negative_hits, 1);
    truth.change(&nodes.one, "new", 1).await;
    assert_eq!(shown(&one, "new").await.0, Some(1));
    let forgetful =
        nodes.one.cache::<Item>().memory(10).policy(Policy::ttl(LONG).negative_ttl(Duration::ZERO));
    let forgetful = forgetful.over(truth.loader());
    shown(&forgetful, "never").await;
    until("it is asked for again", async || shown(&forgetful, "never").await.1 == Layer::Loader).await;
}

/// Old, and being loaded anew.
pub async fn what_is_stale_is_served_while_it_is_renewed(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let policy =
        Policy::ttl(BRIEF).jitter(0.0).early_refresh(0.0).stale_while_revalidate(LONG).memory_ttl(LONG);
    let (one, _) = nodes.caches(&truth, |cache| cache.memory(10).policy(policy));
    shown(&one, "a").await;
    truth.set("a", 2);
    let held = truth.hold();
    tokio::time::sleep(BRIEF * 2).await;
    for _ in 0..10 {
        let answer = one.get(&item("a")).await.unwrap();
        assert_eq!((number(&answer), answer.stale), (Some(1), true));
        assert!(answer.age >= BRIEF);
    }
    until("it is being renewed", async || truth.loaded() == 2).await;
    held.add_permits(100);
    until("it is renewed", async || shown(&one, "a").await.0 == Some(2)).await;
    assert!(one.figures().stale_served >= 10);
}

/// The truth is out.
pub async fn what_is_stale_is_served_when_loading_fails(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let policy = Policy::ttl(BRIEF)
        .jitter(0.0)
        .early_refresh(0.0)
        .stale_while_revalidate(Duration::ZERO)
        .stale_on_error(Duration::from_secs(1));
    let (one, _) = nodes.caches(&truth, |cache| cache.memory(10).policy(policy));
    shown(&one, "a").await;
    truth.fail(true);
    tokio::time::sleep(BRIEF * 2).await;
    let answer = one.get(&item("a")).await.unwrap();
    assert_eq!((number(&answer), answer.stale), (Some(1), true));
    assert!(matches!(one.get(&item("b")).await, Err(LoadError::Failed(_) | LoadError::Paused)));
    // Not for ever.
    until("it is too old", async || one.get(&item("a")).await.is_err()).await;
    truth.fail(false);
    until("it is loaded again", async || one.get(&item("a")).await.is_ok()).await;
    assert_eq!(shown(&one, "a").await.0, Some(1));
}

/// A loader that never answers.
pub async fn a_load_that_hangs_fails_in_time(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let held = truth.hold();
    let policy = Policy::ttl(LONG).load_timeout(BRIEF);
    let (one, _) = nodes.caches(&truth, |cache| cache.memory(10).policy(policy));
    assert!(matches!(one.get(&item("a")).await, Err(LoadError::TimedOut)));
    held.add_permits(1000);
    until("it answers", async || one.get(&item("a")).await.is_ok()).await;
}

/// Of whoever has the lease, and is slow, or gone.
pub async fn nobody_waits_for_a_slow_node_for_long(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let held = truth.hold();
    let policy = Policy::ttl(LONG).lease_wait(BRIEF);
    let (one, other) = nodes.caches(&truth, |cache| cache.memory(10).policy(policy));
    let slow = tokio::spawn(async move { shown(&one, "a").await });
    until("one node has the lease", async || truth.loaded() == 1).await;
    let fast = tokio::spawn({
        let other = other.clone();
        async move { shown(&other, "a").await }
    });
    until("the other loads as well", async || truth.loaded() == 2).await;
    held.add_permits(100);
    assert_eq!(slow.await.unwrap(), (Some(1), Layer::Loader));
    assert_eq!(fast.await.unwrap(), (Some(1), Layer::Loader));
    assert_eq!(other.figures().waited_for_others, 1);
}

/// Hot keys do not run out.
pub async fn what_is_asked_for_often_is_renewed_before_its_time(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let policy = Policy::ttl(Duration::from_secs(2)).jitter(0.0).early_refresh(1000.0);
    let (one, _) = nodes.caches(&truth, |cache| cache.memory(10).policy(policy));
    shown(&one, "a").await;
    truth.set("a", 2);
    until("it is renewed", async || {
        let answer = one.get(&item("a")).await.unwrap();
        assert!(!answer.stale && answer.layer != Layer::Loader, "nobody waits, nothing is late");
        number(&answer) == Some(2)
    })
    .await;
    assert!(one.figures().refreshes >= 1);
}

/// Loaded ahead.
pub async fn what_is_fetched_ahead_is_there_and_its_use_is_counted(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    truth.set("b", 2);
    let (one, _) = nodes.plain(&truth);
    one.prefetch([item("a"), item("b")]);
    until("they are there", async || one.figures().prefetched == 2).await;
    assert_eq!(shown(&one, "a").await, (Some(1), Layer::Memory));
    assert_eq!(shown(&one, "a").await, (Some(1), Layer::Memory));
    assert_eq!(one.figures().prefetched_used, 1);
    one.prefetch([item("a")]);
    assert_eq!(one.warm(&[item("a"), item("c")], 1000).await, 2);
    assert!(Arc::strong_count(&truth) > 1);
}
