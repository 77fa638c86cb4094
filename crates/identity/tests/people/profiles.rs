use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_cache::{DocumentCache, Layer};
use cartwright_cache_redis::{Documents, RedisDocumentCache};
use cartwright_domain::{Clock, Profile, ProfileData, SystemClock};
use cartwright_identity::profiles::{ProfileError, ProfileParts, ProfileService, ShownProfile};
use cartwright_storage::ShopStore;
use cartwright_storage_tests::owner;
use cartwright_testkit::{RedisServer, eventually, eventually_some};
use tempfile::TempDir;

use crate::kit::{Caches, DEADLINE, redis, sqlite};

struct Node {
    service: ProfileService,
    caches: Caches,
}

struct Cluster {
    store: Arc<dyn ShopStore>,
    redis: RedisServer,
    nodes: Vec<Node>,
    _folder: TempDir,
}

impl Cluster {
    async fn start(nodes: usize) -> Self {
        let redis = redis().await;
        let (store, folder) = sqlite().await;
        let store: Arc<dyn ShopStore> = store;
        let node = |_| {
            let caches = Caches::start(&store, &redis.url());
            let ttl = Duration::from_secs(300);
            let cache = RedisDocumentCache::beside(&caches.carts, Documents::Profiles, ttl);
            let service = service(&store, Some(Arc::new(cache)));
            Node { service, caches }
        };
        let nodes: Vec<Node> = (0..nodes).map(node).collect();
        for node in &nodes {
            node.caches.in_use().await;
        }
        Self { store, redis, nodes, _folder: folder }
    }
}

fn service(store: &Arc<dyn ShopStore>, cache: Option<Arc<dyn DocumentCache>>) -> ProfileService {
    let (store, clock) = (Arc::clone(store), Arc::new(SystemClock));
    ProfileService::start(ProfileParts { store, cache, clock, waiting: 1000 })
}

#[expect(clippy::unnecessary_wraps, reason = "what renders may fail")]
fn render(profile: &Profile) -> Result<Bytes, ProfileError> {
    Ok(Bytes::from(profile.data.as_str().to_owned()))
}

async fn shown(service: &ProfileService, who: &str) -> ShownProfile {
    service.profile(&owner(who), render).await.unwrap()
}

async fn put(service: &ProfileService, who: &str, n: u64) -> Profile {
    service.put(owner(who), data(n), Vec::new()).await.unwrap()
}

fn data(n: u64) -> ProfileData {
    format!("{{\"n\":{n}}}").parse().unwrap()
}

fn number(shown: &ShownProfile) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(&shown.body).unwrap();
    value.get("n").and_then(serde_json::Value::as_u64).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_cached_until_it_is_written_on_whichever_node() {
    let cluster = Cluster::start(2).await;
    let [here, there] = &cluster.nodes[..] else { panic!() };
    assert_eq!(shown(&here.service, "ana").await.version, 0);
    for n in 1..5 {
        let profile = put(&here.service, "ana", n).await;
        assert_eq!(profile.version, n);
        let first = shown(&there.service, "ana").await;
        assert_eq!((first.version, number(&first), first.layer), (n, n, None));
        let cached = eventually_some(DEADLINE, async || {
            Some(shown(&here.service, "ana").await).filter(|shown| shown.layer == Some(Layer::Primary))
        });
        assert_eq!(cached.await, ShownProfile { layer: Some(Layer::Primary), ..first });
    }
    // A refusal names the version that stands.
    let refused = there.service.put(owner("ana"), data(9), vec![3]).await;
    let Err(ProfileError::Conflict(profile)) = refused else { panic!("{refused:?}") };
    assert_eq!((profile.version, shown(&here.service, "ana").await.version), (4, 4));
    assert!(there.service.remove(owner("ana")).await.unwrap());
    assert_eq!(shown(&here.service, "ana").await.version, 0);
    assert!(!there.service.remove(owner("ana")).await.unwrap());
    // By other ways than the service.
    eventually(DEADLINE, async || shown(&here.service, "ana").await.layer.is_some()).await;
    cluster.store.put_profile(&owner("ana"), &data(7), &[], SystemClock.now()).await.unwrap();
    there.service.forget(&owner("ana")).await.unwrap();
    assert_eq!(number(&shown(&here.service, "ana").await), 7);
}

/// Whoever committed may have died before he came to forget what was cached; whoever names what stands does it for him.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_contradicted_by_the_cache() {
    let cluster = Cluster::start(1).await;
    let service = &cluster.nodes[0].service;
    put(service, "ana", 1).await;
    eventually(DEADLINE, async || shown(service, "ana").await.layer.is_some()).await;
    let now = SystemClock.now();
    cluster.store.put_profile(&owner("ana"), &data(2), &[], now).await.unwrap();
    assert_eq!(shown(service, "ana").await.version, 1, "nobody was told of it");
    let refused = service.put(owner("ana"), data(9), vec![1]).await;
    assert!(matches!(refused, Err(ProfileError::Conflict(_))));
    assert_eq!(shown(service, "ana").await.version, 2);
}

/// Nobody is shown less than any writer was told of, whatever becomes of Redis meanwhile. (What a reader was shown is not told
/// of yet: between commit and removal one reads the database, and another the cache.)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_told_is_shown() {
    let cluster = Arc::new(Cluster::start(2).await);
    let told = Arc::new([const { AtomicU64::new(0) }; 3]);
    let ends = Instant::now() + Duration::from_secs(8);
    let mut tasks = tokio::task::JoinSet::new();
    for who in 0..3 {
        let (writers, told_by) = (Arc::clone(&cluster), Arc::clone(&told));
        tasks.spawn(async move {
            let mut n = 0;
            while Instant::now() < ends {
                n += 1;
                let node = &writers.nodes[usize::try_from(n % 2).unwrap()];
                if node.service.put(owner(&format!("u{who}")), data(n), Vec::new()).await.is_ok() {
                    told_by[who].fetch_max(n, SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            (n, 0)
        });
        for node in 0..2 {
            let (cluster, told) = (Arc::clone(&cluster), Arc::clone(&told));
            tasks.spawn(async move {
                let (mut reads, mut hits) = (0, 0);
                while Instant::now() < ends {
                    let least = told[who].load(SeqCst);
                    let shown = shown(&cluster.nodes[node].service, &format!("u{who}")).await;
                    assert!(number(&shown) >= least, "{} was shown, {least} was told", number(&shown));
                    reads += 1;
                    hits += u64::from(shown.layer.is_some());
                    tokio::task::yield_now().await;
                }
                (reads, hits)
            });
        }
    }
    let redis = &cluster.redis;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    redis.pause();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    redis.resume();
    tokio::time::sleep(Duration::from_millis(500)).await;
    redis.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    redis.restart();
    let (mut all, mut hits) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let (reads, cached) = done.unwrap();
        (all, hits) = (all + reads, hits + cached);
    }
    assert!(hits > 100, "{hits} of {all} came from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_it_is_the_database() {
    let (store, _folder) = sqlite().await;
    let store: Arc<dyn ShopStore> = store;
    let service = service(&store, None);
    put(&service, "ana", 1).await;
    let shown = shown(&service, "ana").await;
    assert_eq!((number(&shown), shown.layer), (1, None));
    // Who goes away changes nothing.
    let going = tokio::spawn({
        let service = service.clone();
        async move { put(&service, "ana", 2).await }
    });
    tokio::task::yield_now().await;
    going.abort();
    let _gone = going.await;
    service.shutdown().await;
    assert!(matches!(service.put(owner("ana"), data(3), Vec::new()).await, Err(ProfileError::ShuttingDown)));
    let refused = service.profile(&owner("ana"), render).await;
    assert!(matches!(refused, Err(ProfileError::ShuttingDown)), "{refused:?}");
}
