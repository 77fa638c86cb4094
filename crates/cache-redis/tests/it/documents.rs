//! Documents of owners on the primary, by the example of histories of orders.

use std::time::{Duration, Instant};

use cartwright_cache::{CacheRead, DocumentCache, Layer, Lease, LeaseWanted, StoreValue, Unfenced};
use cartwright_cache_redis::{Documents, RedisDocumentCache};
use cartwright_cache_tests::{document, owner, owners};
use cartwright_domain::{Gate, GateState, OwnerId};
use cartwright_testkit::eventually;

use crate::kit::{DEADLINE, InUse, Servers, servers};

const TTL: Duration = Duration::from_secs(60);

fn beside(node: &InUse) -> RedisDocumentCache {
    RedisDocumentCache::beside(node.redis(), Documents::Histories, TTL)
}

async fn read(cache: &RedisDocumentCache, owner: &OwnerId) -> CacheRead {
    let mut reads = cache.claim(std::slice::from_ref(owner)).await;
    assert_eq!(reads.len(), 1, "one answer for each owner");
    reads.remove(0)
}

async fn absent(cache: &RedisDocumentCache, owner: &OwnerId) -> Lease {
    match read(cache, owner).await {
        CacheRead::Absent(lease) => lease,
        other => panic!("{owner} should be absent: {other:?}"),
    }
}

async fn store(cache: &RedisDocumentCache, owner: &OwnerId, lease: Lease, version: u64) {
    cache.store(vec![StoreValue { owner: owner.clone(), lease, document: document(version) }]).await;
}

fn hit(version: u64) -> CacheRead {
    CacheRead::Hit(document(version), Layer::Primary)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_it_was_forgotten_is_neither_shown_nor_stored() {
    let options = servers().await.options();
    let node = InUse::start(&options).await;
    let other = node.join(&options).await;
    let (here, there, gate, ana) = (beside(&node), beside(&other), node.gate(), owner("ana"));
    let lease = absent(&here, &ana).await;
    assert_eq!(absent(&there, &ana).await, lease, "the first who stores uses it up");
    store(&there, &ana, lease.clone(), 1).await;
    store(&here, &ana, lease.clone(), 2).await;
    assert_eq!((read(&here, &ana).await, read(&there, &ana).await), (hit(1), hit(1)));
    here.forget(&gate, std::slice::from_ref(&ana)).await.unwrap();
    store(&there, &ana, lease, 1).await;
    let late = absent(&there, &ana).await;
    here.forget(&gate, std::slice::from_ref(&ana)).await.unwrap();
    store(&there, &ana, late, 3).await;
    let lease = absent(&here, &ana).await;
    store(&here, &ana, lease, 4).await;
    assert_eq!(read(&there, &ana).await, hit(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_forgotten_by_one_command_and_the_others_stay() {
    let node = InUse::start(&servers().await.options()).await;
    let (cache, all) = (beside(&node), owners("many", 500));
    for (read, owner) in cache.claim(&all).await.into_iter().zip(&all) {
        let CacheRead::Absent(lease) = read else { panic!("{owner}: {read:?}") };
        store(&cache, owner, lease, 1).await;
    }
    let (gone, kept) = all.split_at(300);
    cache.forget(&node.gate(), gone).await.unwrap();
    cache.forget(&node.gate(), &[]).await.unwrap();
    assert!(cache.claim(kept).await.iter().all(|read| *read == hit(1)));
    assert!(cache.claim(gone).await.iter().all(|read| matches!(read, CacheRead::Absent(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_and_histories_do_not_mix() {
    let servers = servers().await;
    let node = InUse::start(&servers.options()).await;
    let (cache, gate, ana) = (beside(&node), node.gate(), owner("ana"));
    let lease = absent(&cache, &ana).await;
    store(&cache, &ana, lease, 1).await;
    let lease =
        node.cache().fence(&gate, std::slice::from_ref(&ana), LeaseWanted::Yes).await.unwrap().unwrap();
    node.cache()
        .store(vec![StoreValue { owner: ana.clone(), lease: lease.clone(), document: document(7) }])
        .await;
    assert_eq!(read(&cache, &ana).await, hit(1));
    let key = format!("orders:{}:ana", gate.open().unwrap().namespace);
    let primary = &servers.0.primary;
    assert_eq!(primary.query::<String>(&["GET", &key]).await, "v1\n{\"version\":1}");
    let left: u64 = primary.query(&["PTTL", &key]).await;
    assert!((50_000..=66_000).contains(&left), "{left} ms");
    cache.forget(&gate, std::slice::from_ref(&ana)).await.unwrap();
    assert_eq!(primary.query::<Option<String>>(&["GET", &key]).await, None);
    assert_eq!(node.cache().claim(std::slice::from_ref(&ana)).await, [hit(7)]);
    // Nor do documents of different kinds.
    let profiles = RedisDocumentCache::beside(node.redis(), Documents::Profiles, 2 * TTL);
    let lease = absent(&profiles, &ana).await;
    store(&profiles, &ana, lease, 3).await;
    let lease = absent(&cache, &ana).await;
    store(&cache, &ana, lease, 4).await;
    assert_eq!((read(&profiles, &ana).await, read(&cache, &ana).await), (hit(3), hit(4)));
    let left: u64 = primary.query(&["PTTL", &key.replace("orders:", "profile:")]).await;
    assert!((100_000..=132_000).contains(&left), "{left} ms");
    profiles.forget(&gate, std::slice::from_ref(&ana)).await.unwrap();
    assert_eq!(read(&cache, &ana).await, hit(4));
    absent(&profiles, &ana).await;
    // What somebody else put there is nobody's.
    let () = primary.query(&["SET", &key, "hello"]).await;
    assert_eq!(read(&cache, &ana).await, CacheRead::Bypass);
}

/// Its process is the one of the opening, and what it holds is somebody else's by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_has_become_a_replica_is_not_believed() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let node = InUse::start(&servers.options()).await;
    let (cache, ana) = (beside(&node), owner("ana"));
    let lease = absent(&cache, &ana).await;
    store(&cache, &ana, lease, 1).await;
    assert_eq!(read(&cache, &ana).await, hit(1));
    let (old, new) = (&servers.0.primary, &servers.0.replicas[0]);
    new.promote();
    old.replica_of("127.0.0.1", new.port());
    let forgotten = cache.forget(&node.gate(), std::slice::from_ref(&ana)).await;
    assert!(matches!(forgotten, Err(Unfenced::Unreachable(_))), "{forgotten:?}");
    for _ in 0..50 {
        assert_eq!(read(&cache, &ana).await, CacheRead::Bypass);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_primary_is_noticed_fast() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let node = InUse::start(&servers.options()).await;
    let (cache, ana) = (beside(&node), owner("ana"));
    let lease = absent(&cache, &ana).await;
    assert_eq!(cache.opening(), Some(node.gate()));
    servers.0.primary.kill();
    let began = Instant::now();
    let forgotten = cache.forget(&node.gate(), std::slice::from_ref(&ana)).await;
    assert!(matches!(forgotten, Err(Unfenced::Unreachable(_))), "{forgotten:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    store(&cache, &ana, lease, 1).await;
    eventually(DEADLINE, async || read(&cache, &ana).await == CacheRead::Bypass).await;
    servers.0.primary.restart();
    for _ in 0..50 {
        assert_eq!(read(&cache, &ana).await, CacheRead::Bypass, "another process is at the address");
        let forgotten = cache.forget(&node.gate(), std::slice::from_ref(&ana)).await;
        assert!(matches!(forgotten, Err(Unfenced::Unreachable(_))), "{forgotten:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_closing_is_waited_for() {
    let node = InUse::start(&servers().await.options()).await;
    let (cache, ana) = (beside(&node), [owner("ana")]);
    assert!(cache.forget(&Gate::initial(), &ana).await.is_ok(), "nobody ever read through it");
    let closed = Gate { epoch: 2, state: GateState::Closed { may_open: false } };
    let wait = match cache.forget(&closed, &ana).await {
        Err(Unfenced::Closing { wait }) => wait,
        other => panic!("{other:?}"),
    };
    assert!(wait > Duration::from_secs(1));
    tokio::time::sleep(wait).await;
    cache.forget(&closed, &ana).await.unwrap();
    // Nothing is observed any more: what this node knows is not to be relied on for long.
    let gate = node.gate();
    drop(node);
    eventually(DEADLINE, async || cache.opening().is_none()).await;
    assert!(cache.forget(&gate, &ana).await.is_ok(), "the database said so");
}
