//! What has changed is not shown as it was.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cartwright_layered::{
    CacheKey, Cause, Generation, Layer, Layered, LoadFrom, Node, Policy, Tag, Tagged, TaggedKey, Target,
};

use super::{
    Nodes,
    kit::{Item, Truth, item, number, shown, until},
};

/// After a change was declared done, nobody serves what was before for longer than this.
const AT_ONCE: Duration = Duration::from_millis(250);

/// A writer, and readers on both nodes.
pub async fn changes_are_seen_at_once_on_every_node(nodes: Nodes) {
    let truth = Truth::with("a", 0);
    let (one, other) = nodes.plain(&truth);
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let reader = |cache: Layered<Item>| {
        let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut late = Duration::ZERO;
            let mut behind: Option<(u64, Instant)> = None;
            while !stop.load(SeqCst) {
                let least = done.load(SeqCst);
                let seen = shown(&cache, "a").await.0.unwrap();
                behind = match behind {
                    _ if seen >= least => None,
                    Some((missed, since)) if seen < missed => {
                        late = late.max(since.elapsed());
                        Some((missed, since))
                    }
                    _ => Some((least, Instant::now())),
                };
                tokio::task::yield_now().await;
            }
            late
        })
    };
    let readers: Vec<_> =
        (0..8).map(|n| reader(if u8::is_multiple_of(n, 2) { one.clone() } else { other.clone() })).collect();
    for number in 1..=300 {
        truth.change(&nodes.one, "a", number).await;
        done.store(number, SeqCst);
        assert_eq!(shown(&one, "a").await.0, Some(number), "whoever changes it sees it");
    }
    let last = Instant::now();
    until("the other sees the last", async || shown(&other, "a").await.0 == Some(300)).await;
    assert!(last.elapsed() < AT_ONCE, "the last was seen after {:?}", last.elapsed());
    stop.store(true, SeqCst);
    for reader in readers {
        let late = reader.await.unwrap();
        assert!(late < AT_ONCE, "something old was served for {late:?}");
    }
    for cache in [&one, &other] {
        assert!(cache.figures().l1_hits > 0, "{:?}", cache.figures());
    }
}

/// The load was too early, and is too late.
pub async fn a_load_that_began_before_a_change_is_not_kept(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let held = truth.hold();
    let (one, other) = nodes.plain(&truth);
    let early: Vec<_> = [&one, &other]
        .map(|cache| {
            let cache = cache.clone();
            tokio::spawn(async move { shown(&cache, "a").await.0 })
        })
        .into();
    until("somebody has looked", async || truth.loaded() >= 1).await;
    truth.change(&nodes.one, "a", 2).await;
    held.add_permits(1000);
    // Whoever asks now, on the node that made the change, gets what is there now; and in the end everybody.
    assert_eq!(shown(&one, "a").await.0, Some(2));
    for asked in early {
        asked.await.unwrap();
    }
    until("the other sees it", async || shown(&other, "a").await.0 == Some(2)).await;
    for _ in 0..20 {
        assert_eq!((shown(&one, "a").await.0, shown(&other, "a").await.0), (Some(2), Some(2)));
    }
}

/// The process died in the middle: nobody knows whether the change came about.
pub async fn nobody_keeps_what_may_be_changing(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let (one, other) = nodes.plain(&truth);
    shown(&one, "a").await;
    shown(&other, "a").await;
    let change = nodes.one.changing(vec![Target::from(&item("a"))]).await.unwrap();
    until("the other has heard", async || shown(&other, "a").await.1 == Layer::Loader).await;
    for cache in [&one, &other] {
        assert_eq!(shown(cache, "a").await, (Some(1), Layer::Loader));
    }
    drop(change);
    truth.set("a", 2);
    for cache in [&one, &other] {
        assert_eq!(shown(cache, "a").await, (Some(2), Layer::Loader));
    }
}

/// Two at once, and one of them ends first.
pub async fn changes_at_the_same_time_do_not_end_each_other(nodes: Nodes) {
    let truth = Truth::with("a", 1);
    let (one, _) = nodes.plain(&truth);
    let targets = || vec![Target::from(&item("a"))];
    let first = nodes.one.changing(targets()).await.unwrap();
    let second = nodes.other.changing(targets()).await.unwrap();
    truth.set("a", 2);
    second.done(None).await;
    assert_eq!(shown(&one, "a").await, (Some(2), Layer::Loader));
    assert_eq!(shown(&one, "a").await, (Some(2), Layer::Loader), "the first may still change it");
    truth.set("a", 3);
    first.done(None).await;
    assert_eq!(shown(&one, "a").await.0, Some(3));
}

/// Thousands at once, as an import does.
pub async fn many_keys_change_together(nodes: Nodes) {
    let truth = Truth::new();
    let names: Vec<String> = (0..2500).map(|n| format!("k{n}")).collect();
    names.iter().for_each(|name| truth.set(name, 1));
    let (one, other) = nodes.caches(&truth, |cache| cache.memory(5000));
    let keys: Vec<Item> = names.iter().map(|name| item(name)).collect();
    one.get_many(&keys).await;
    other.get_many(&keys).await;
    let change = nodes.one.changing(keys.iter().map(Target::from).collect()).await.unwrap();
    names.iter().for_each(|name| truth.set(name, 2));
    change.done(None).await;
    until("all are seen to have changed", async || {
        let seen = other.get_many(&keys).await;
        seen.iter().all(|answer| number(answer.as_ref().unwrap()) == Some(2))
    })
    .await;
}

/// Where the truth had got to travels with a change.
pub async fn loads_read_from_where_the_change_is(nodes: Nodes) {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let cache = |node: &Node| {
        let asked = Arc::clone(&asked);
        node.cache::<Item>().over(move |keys: Vec<Item>, from: LoadFrom| {
            asked.lock().unwrap().push(from);
            async move { Ok::<_, Cause>(vec![None; keys.len()]) }
        })
    };
    let (one, other) = (cache(&nodes.one), cache(&nodes.other));
    shown(&one, "a").await;
    assert_eq!(
        asked.lock().unwrap().pop(),
        Some(LoadFrom::Latest),
        "it does not know how far a follower must be"
    );
    for node in [&nodes.one, &nodes.other] {
        node.learn_position(async || Ok::<_, ()>(5)).await.unwrap();
    }
    nodes.one.changing(vec![Target::from(&item("b"))]).await.unwrap().done(Some(9)).await;
    for cache in [&one, &other] {
        shown(cache, "b").await;
    }
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty() && asked.iter().all(|from| *from == LoadFrom::AtLeast(9)), "{asked:?}");
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Listing(&'static str);

impl CacheKey for Listing {
    type Value = bytes::Bytes;
    const KIND: &'static str = "listing";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(60));

    fn text(&self) -> std::borrow::Cow<'_, str> {
        self.0.into()
    }
}

impl TaggedKey for Listing {
    fn tags(&self) -> Vec<Tag> {
        vec![Tag("all".into()), Tag(self.0.into())]
    }
}

/// A listing of a category changes with the category, and not with another.
pub async fn what_depends_on_a_tag_changes_with_it(nodes: Nodes) {
    let state = Arc::new(std::sync::Mutex::new((std::collections::HashMap::<Arc<str>, u64>::new(), 0_u64)));
    let listings = |node: &Node| {
        let (truth, listing) = (Arc::clone(&state), Arc::clone(&state));
        let generations = node.cache::<Tag>().memory(100).over(move |tags: Vec<Tag>, _: LoadFrom| {
            let state = truth.lock().unwrap();
            let of = |tag: &Tag| Some(Generation(state.0.get(&tag.0).copied().unwrap_or_default()));
            let found = tags.iter().map(of).collect();
            async move { Ok::<_, Cause>(found) }
        });
        Tagged::<Listing>::new(
            node,
            &generations,
            |cache| cache.memory(100),
            move |keys: Vec<Listing>, _: LoadFrom| {
                let mut state = listing.lock().unwrap();
                state.1 += 1;
                let text = bytes::Bytes::from(state.1.to_string());
                async move { Ok::<_, Cause>(vec![Some(text); keys.len()]) }
            },
        )
    };
    let (one, other) = (listings(&nodes.one), listings(&nodes.other));
    let show = async |cache: &Tagged<Listing>, key| number(&cache.get(&Listing(key)).await.unwrap()).unwrap();
    let (books, toys) = (show(&one, "books").await, show(&one, "toys").await);
    assert_eq!(show(&one, "books").await, books);
    let tag = Tag("books".into());
    let change = nodes.one.changing(vec![Target::from(&tag)]).await.unwrap();
    state.lock().unwrap().0.insert(Arc::clone(&tag.0), 1);
    change.done(None).await;
    assert!(show(&one, "books").await > books, "books have changed");
    assert_eq!(show(&one, "toys").await, toys, "toys have not");
    let settled = show(&one, "books").await;
    until("the other node sees the same", async || show(&other, "books").await >= settled).await;
}
