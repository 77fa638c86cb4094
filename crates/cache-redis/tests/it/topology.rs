//! Replicas that lag, servers that are gone, addresses where somebody else is.

use std::time::{Duration, Instant};

use cartwright_cache::{CacheRead, CartCache, Layer, LeaseWanted, StoreValue, Survey, Unfenced};
use cartwright_cache_redis::{RedisCartCache, RedisOptions};
use cartwright_cache_tests::{document, owner};
use cartwright_testkit::{ChaosProxy, Mode, RedisServer, TlsFiles, eventually, eventually_some};

use crate::kit::{DEADLINE, InUse, Servers};

async fn put(node: &InUse, name: &str, version: u64) {
    let lease = node.cache().fence(&node.gate(), &[owner(name)], LeaseWanted::Yes).await.unwrap().unwrap();
    node.cache().store(vec![StoreValue { owner: owner(name), lease, document: document(version) }]).await;
}

async fn own_servers() -> Servers {
    tokio::task::spawn_blocking(Servers::start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_are_read_from_replicas() {
    let servers = own_servers().await;
    let node = InUse::start(&servers.options()).await;
    put(&node, "ana", 3).await;
    eventually(DEADLINE, || async {
        matches!(&node.cache().read(&[owner("ana")]).await[..], [CacheRead::Hit(found, Layer::Replica)] if *found == document(3))
    })
    .await;
}

/// The heart of the promise: a replica that got stuck shows the old cart, and nobody believes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_is_never_believed_after_a_fence() {
    let servers = own_servers().await;
    let node = InUse::start(&servers.options()).await;
    let reader = node.join(&servers.options()).await;
    // From now on the replicas follow through a proxy that can hold everything up while they go on answering readers.
    let proxy = ChaosProxy::start(([127, 0, 0, 1], servers.0.primary.port())).unwrap();
    for replica in &servers.0.replicas {
        replica.replica_of("127.0.0.1", proxy.port());
    }
    servers.0.wait_online(DEADLINE);
    for round in 1..=5_u64 {
        put(&node, "ana", round).await;
        eventually(DEADLINE, || async {
            matches!(&reader.cache().read(&[owner("ana")]).await[..], [CacheRead::Hit(_, Layer::Replica)])
        })
        .await;
        proxy.set(Mode::Stall);
        // The second one finds nothing left to remove on the primary; the replicas still have it.
        let fences = match round % 2 {
            1 => vec![(&node, LeaseWanted::Yes)],
            _ => vec![(&node, LeaseWanted::No), (&reader, LeaseWanted::No)],
        };
        for (node, wanted) in fences {
            let began = Instant::now();
            node.cache().fence(&node.gate(), &[owner("ana")], wanted).await.unwrap();
            assert!(
                began.elapsed() >= Duration::from_millis(50),
                "round {round}: the fence waited for those who did not acknowledge"
            );
        }
        for _ in 0..50 {
            let read = reader.cache().read(&[owner("ana")]).await;
            assert!(
                !matches!(&read[..], [CacheRead::Hit(..)]),
                "round {round}: an old cart was believed: {read:?}"
            );
        }
        proxy.set(Mode::Pass);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_primary_fails_fences_fast_and_reads_bypass() {
    let servers = own_servers().await;
    let node = InUse::start(&servers.options()).await;
    put(&node, "ana", 1).await;
    servers.0.primary.kill();
    let began = Instant::now();
    let fence = node.cache().fence(&node.gate(), &[owner("ana")], LeaseWanted::Yes).await;
    assert!(matches!(fence, Err(Unfenced::Unreachable(_))), "{fence:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    eventually(DEADLINE, || async { node.cache().read(&[owner("ana")]).await == [CacheRead::Bypass] }).await;
}

/// The address is the same, the process is not: what is in it belongs to another life.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_comes_back_with_an_old_dump_is_not_used() {
    let servers = own_servers().await;
    let node = InUse::start(&servers.options()).await;
    put(&node, "ana", 1).await;
    servers.0.primary.save_dump();
    put(&node, "ana", 2).await;
    servers.0.primary.restore_dump();
    for _ in 0..200 {
        let read = node.cache().read(&[owner("ana")]).await;
        let old = matches!(&read[..], [CacheRead::Hit(found, _)] if found.version == 1);
        assert!(!old, "{read:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(
        node.cache().fence(&node.gate(), &[owner("ana")], LeaseWanted::Yes).await,
        Err(Unfenced::Unreachable(_))
    ));
    // The survey tells the keeper of the gate that another process takes writes.
    let open = node.gate().open().cloned().unwrap();
    eventually(DEADLINE, || async {
        matches!(node.cache().survey().await, Survey::Found { primary, .. } if primary != open.primary)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_costs_a_bounded_time_once() {
    let servers = own_servers().await;
    let proxy = ChaosProxy::start(([127, 0, 0, 1], servers.0.primary.port())).unwrap();
    let mut options = servers.options();
    options.primary_url = servers.0.primary.url_via(proxy.port());
    let node = InUse::start(&options).await;
    put(&node, "ana", 1).await;
    proxy.set(Mode::BlackHole);
    let began = Instant::now();
    let fence = node.cache().fence(&node.gate(), &[owner("ana")], LeaseWanted::Yes).await;
    assert!(matches!(fence, Err(Unfenced::Unreachable(_))), "{fence:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    eventually(DEADLINE, || async {
        let began = Instant::now();
        node.cache().read(&[owner("ana")]).await == [CacheRead::Bypass]
            && began.elapsed() < Duration::from_millis(20)
    })
    .await;
    proxy.set(Mode::Pass);
    eventually(DEADLINE, || async {
        matches!(&node.cache().read(&[owner("bob")]).await[..], [CacheRead::Absent(_)])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_certificates() {
    let tls = TlsFiles::generate(&["localhost", "127.0.0.1"]).unwrap();
    let ca = std::fs::read(&tls.ca).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        RedisServer::builder().tls(&tls).acl("app on >s3cret-pw ~* &* +@all").start().unwrap()
    })
    .await
    .unwrap();
    let url = format!("rediss://app:s3cret-pw@127.0.0.1:{}", server.port());
    let mut options = RedisOptions::new(url, Vec::new());
    options.ca_pem = Some(ca);
    let cache = RedisCartCache::start(&options).unwrap();
    let found = eventually_some(DEADLINE, || async {
        match cache.survey().await {
            Survey::Found { primary, .. } => Some(primary),
            Survey::Unreachable => None,
        }
    })
    .await;
    assert_eq!(found.len(), 40);
    assert!(!format!("{options:?} {cache:?} {:?}", cache.status()).contains("s3cret-pw"));

    options.ca_pem = None;
    let distrusts = RedisCartCache::start(&options).unwrap();
    assert_eq!(distrusts.survey().await, Survey::Unreachable, "a certificate that nobody vouches for");
}
