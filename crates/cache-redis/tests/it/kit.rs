//! Servers for all tests of the binary, and a cache that is in use on them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Survey};
use cartwright_cache_redis::{RedisCartCache, RedisOptions};
use cartwright_domain::{Gate, GateState, OpenGate};
use cartwright_testkit::{RedisServer, RedisTopology, eventually_some};
use tokio::{sync::OnceCell, task::JoinHandle};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Servers(pub(crate) RedisTopology);

impl Servers {
    pub(crate) fn start() -> Self {
        Self(RedisTopology::start(2).expect("a primary and two replicas"))
    }

    pub(crate) fn options(&self) -> RedisOptions {
        RedisOptions::new(self.0.primary.url(), self.0.replicas.iter().map(RedisServer::url).collect())
    }
}

/// One primary and two replicas that no test disturbs.
pub(crate) async fn servers() -> &'static Servers {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS
        .get_or_init(|| async { tokio::task::spawn_blocking(Servers::start).await.expect("servers start") })
        .await
}

/// A cache whose gate is open, and observed as a node would.
pub(crate) struct InUse {
    cache: Arc<RedisCartCache>,
    gate: Gate,
    observing: JoinHandle<()>,
}

impl InUse {
    pub(crate) async fn start(options: &RedisOptions) -> Self {
        let cache = Arc::new(RedisCartCache::start(options).expect("addresses"));
        let (primary, replicas) = eventually_some(DEADLINE, || async {
            match cache.survey().await {
                Survey::Found { primary, replicas } if replicas.endpoints.len() == 2 => {
                    Some((primary, replicas))
                }
                _ => None,
            }
        })
        .await;
        let namespace = format!("test-{:016x}", rand::random::<u64>());
        let open = OpenGate { namespace, primary, replicas, previous: None };
        Self::observe(cache, Gate { epoch: 1, state: GateState::Open(open) }).await
    }

    /// Another node of the same opening.
    pub(crate) async fn join(&self, options: &RedisOptions) -> Self {
        let cache = Arc::new(RedisCartCache::start(options).expect("addresses"));
        cache.survey().await;
        Self::observe(cache, self.gate()).await
    }

    async fn observe(cache: Arc<RedisCartCache>, gate: Gate) -> Self {
        let observing = tokio::spawn({
            let (cache, gate) = (Arc::clone(&cache), gate.clone());
            async move {
                loop {
                    cache.observe(&gate, Instant::now());
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        });
        eventually_some(DEADLINE, || async {
            cache.survey().await;
            let status = cache.status();
            (status.in_use && status.nodes.iter().filter(|node| node.serves_reads).count() == 2).then_some(())
        })
        .await;
        Self { cache, gate, observing }
    }

    pub(crate) fn cache(&self) -> Arc<dyn CartCache> {
        Arc::clone(&self.cache) as Arc<dyn CartCache>
    }

    pub(crate) fn redis(&self) -> &RedisCartCache {
        &self.cache
    }

    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.observing.abort();
    }
}
