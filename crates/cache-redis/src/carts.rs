use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{
    CacheRead, CacheStatus, CartCache, Document, Lease, LeaseWanted, NodeStatus, Role, StoreValue, Survey,
    Unfenced,
};
use cartwright_domain::{Gate, OpenGate, OwnerId};
use futures_util::future::join_all;
use metrics::Counter;
use redis::{RedisResult, Script, aio::MultiplexedConnection};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    endpoint::Endpoint,
    heartbeat::Beats,
    options::{ConnectError, RedisOptions},
    survey,
    value::{self, Family},
    view::{Opening, View, Views},
    watch,
};

/// Stores each document only where its token still stands.
static STORE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = redis.call('MGET', unpack(KEYS)) \
         for i, key in ipairs(KEYS) do \
           if found[i] == ARGV[3 * i - 2] then \
             redis.call('SET', key, ARGV[3 * i - 1], 'PX', ARGV[3 * i]) \
           end \
         end",
    )
});

/// Carts on Redis.
pub struct RedisCartCache {
    pub(crate) inner: Arc<Inner>,
    /// Stops the background tasks with the cache.
    _stop: DropGuard,
}

pub(crate) struct Inner {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) views: Views,
    pub(crate) beats: Beats,
    /// Names this process' heartbeat.
    pub(crate) node: String,
    pub(crate) ttl: Duration,
    pub(crate) turn: AtomicUsize,
    /// Whether the replicas acknowledged last time: if not, asking again costs as long as waiting.
    pub(crate) acknowledged: Mutex<bool>,
    pub(crate) figures: Figures,
}

pub(crate) struct Figures {
    pub(crate) errors: Counter,
    pub(crate) stale_replicas: Counter,
    pub(crate) waited: Counter,
    pub(crate) acknowledged: Counter,
}

impl std::fmt::Debug for RedisCartCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCartCache").field("servers", &self.inner.endpoints.len()).finish_non_exhaustive()
    }
}

impl RedisCartCache {
    /// Starts to use these servers. Returns at once, whether they answer or not: while they do not, every read is a
    /// [`CacheRead::Bypass`]. Connections and background tasks live on the current tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when an address is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(options: &RedisOptions) -> Result<Self, ConnectError> {
        let endpoints =
            options.clients()?.into_iter().map(|client| Endpoint::new(client, options.connections)).collect();
        let inner = Arc::new(Inner {
            endpoints,
            views: Views::new(),
            beats: Beats::new(),
            node: format!("{:016x}", rand::random::<u64>()),
            ttl: options.ttl,
            turn: AtomicUsize::new(0),
            acknowledged: Mutex::new(true),
            figures: Figures {
                errors: metrics::counter!("cartwright_redis_errors_total"),
                stale_replicas: metrics::counter!("cartwright_redis_stale_replica_reads_total"),
                waited: metrics::counter!("cartwright_redis_fences_total", "by" => "waiting"),
                acknowledged: metrics::counter!("cartwright_redis_fences_total", "by" => "acknowledgement"),
            },
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(watch::beat(Arc::clone(&inner))));
        for at in 0..inner.endpoints.len() {
            tokio::spawn(stop.clone().run_until_cancelled_owned(watch::probe(Arc::clone(&inner), at)));
        }
        Ok(Self { inner, _stop: stop.drop_guard() })
    }
}

impl Inner {
    pub(crate) fn primary(&self, opening: &Opening) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.is(&opening.gate.primary))
    }

    /// The opening and its primary, while both can be used.
    fn in_use<'a>(&'a self, view: &'a View) -> Option<(&'a Opening, &'a Endpoint)> {
        let opening = view.usable()?;
        Some((opening, self.primary(opening).filter(|endpoint| !endpoint.suspect())?))
    }

    /// Sends to the primary over the connection on which documents are stored: what is sent at the same time goes in
    /// one packet. `None`: the primary is not in use.
    pub(crate) async fn send<T>(
        &self,
        talk: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<RedisResult<T>> {
        let view = self.views.current();
        let (opening, endpoint) = self.in_use(&view)?;
        let sent = endpoint.near(&opening.gate.primary, talk).await;
        sent.map(|sent| sent.map(|(answer, _open)| answer)).transpose()
    }

    /// Where others may read what is about to change. `None`: nobody reads.
    pub(crate) fn opening_of<'a>(&self, gate: &'a Gate) -> Result<Option<&'a OpenGate>, Unfenced> {
        if let Some(open) = gate.open() {
            return Ok(Some(open));
        }
        let wait = self.views.closed_wait(gate.epoch);
        // A gate that was never opened was never read through.
        if gate.epoch == 0 || wait.is_zero() { Ok(None) } else { Err(Unfenced::Closing { wait }) }
    }

    /// Stores documents whose lease still holds.
    pub(crate) async fn store(&self, family: Family, ttl: Duration, values: &[StoreValue]) {
        let view = self.views.current();
        let Some((opening, endpoint)) = self.in_use(&view) else { return };
        let mut call = STORE.prepare_invoke();
        let mut any = false;
        for StoreValue { owner, lease, document } in
            values.iter().filter(|v| v.lease.namespace == opening.namespace)
        {
            // What was stored together need not run out together.
            let ttl = ttl.mul_f64(0.9 + 0.2 * rand::random::<f64>());
            call.key(value::key(family, &opening.namespace, owner));
            call.arg(&*lease.token).arg(value::write(document)).arg(ttl.as_millis() as u64);
            any = true;
        }
        if !any {
            return;
        }
        let primary = &opening.gate.primary;
        if let Err(error) = endpoint.near(primary, async |link| call.invoke_async::<()>(link).await).await {
            self.failed(endpoint, &error);
        }
    }

    pub(crate) fn heartbeat_key(&self, namespace: &str) -> String {
        format!("hb:{namespace}:{}", self.node)
    }

    /// Notes a failure: nobody waits for the server until it is seen to answer again.
    pub(crate) fn failed(&self, endpoint: &Endpoint, error: &dyn std::fmt::Display) {
        self.figures.errors.increment(1);
        if endpoint.set_suspect(true) {
            tracing::warn!(server = endpoint.name, %error, "Redis does not answer");
        }
    }
}

#[async_trait]
impl CartCache for RedisCartCache {
    fn peek(&self, _owner: &OwnerId) -> Option<Document> {
        None
    }

    async fn look(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        self.inner.under_view(owners, async |opening| self.inner.look(opening, owners).await).await
    }

    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        self.inner
            .under_view(owners, async |opening| self.inner.claim(opening, Family::Carts, owners).await)
            .await
    }

    async fn fence(
        &self,
        gate: &Gate,
        owners: &[OwnerId],
        wanted: LeaseWanted,
    ) -> Result<Option<Lease>, Unfenced> {
        let Some(open) = self.inner.opening_of(gate)? else { return Ok(None) };
        let lease = (wanted == LeaseWanted::Yes).then(|| lease(&Arc::from(open.namespace.as_str())));
        let token = lease.as_ref().map(|lease| &*lease.token);
        self.inner.hide(open, owners, token).await.map_err(Unfenced::Unreachable)?;
        Ok(lease)
    }

    async fn store(&self, values: Vec<StoreValue>) {
        self.inner.store(Family::Carts, self.inner.ttl, &values).await;
    }

    fn gated(&self) -> bool {
        true
    }

    fn observe(&self, gate: &Gate, asked: Instant) {
        self.inner.views.observe(gate, asked);
    }

    fn closed_wait(&self, gate: &Gate) -> Option<Duration> {
        gate.open().is_none().then(|| self.inner.views.closed_wait(gate.epoch))
    }

    async fn survey(&self) -> Survey {
        let asked = self.inner.endpoints.iter().map(|endpoint| async {
            let report = async { endpoint.link().await?.survey().await };
            let report = report.await.ok().flatten();
            endpoint.set_report(report.clone());
            let (open, idle) = endpoint.connections();
            metrics::gauge!("cartwright_redis_connections", "server" => endpoint.name.clone())
                .set(f64::from(open));
            metrics::gauge!("cartwright_redis_connections_idle", "server" => endpoint.name.clone())
                .set(f64::from(idle));
            report
        });
        let reports: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        let view = self.inner.views.current();
        survey::decide(&reports, view.open.as_ref().map(|opening| opening.gate.primary.as_str()))
    }

    fn status(&self) -> CacheStatus {
        let view = self.inner.views.current();
        let opening = view.usable();
        let reports: Vec<_> =
            self.inner.endpoints.iter().map(|endpoint| (endpoint, endpoint.report())).collect();
        let head =
            reports.iter().filter_map(|(_, r)| r.as_ref().filter(|r| r.primary)).map(|r| r.offset).max();
        let nodes = reports.iter().map(|(endpoint, report)| NodeStatus {
            endpoint: endpoint.name.clone(),
            role: match report {
                Some(report) if report.primary => Role::Primary,
                Some(_) => Role::Replica,
                None => Role::Unknown,
            },
            reachable: report.is_some(),
            version: report.as_ref().map(|r| r.version.clone()),
            run_id: report.as_ref().map(|r| r.run_id.clone()),
            offset: report.as_ref().map(|r| r.offset),
            lag_bytes: report
                .as_ref()
                .filter(|r| !r.primary)
                .and_then(|r| Some(head?.saturating_sub(r.offset))),
            freshness: endpoint.freshness(),
            serves_reads: opening.is_some_and(|opening| {
                let ids = &opening.gate.replicas.endpoints;
                !endpoint.suspect()
                    && (ids.iter().any(|id| endpoint.is(id))
                        || (ids.is_empty() && endpoint.is(&opening.gate.primary)))
            }),
        });
        CacheStatus {
            kind: "redis",
            reachable: reports.iter().any(|(_, report)| report.as_ref().is_some_and(|r| r.primary)),
            in_use: opening.and_then(|opening| self.inner.primary(opening)).is_some_and(|e| !e.suspect()),
            nodes: nodes.collect(),
        }
    }
}

pub(crate) fn bypass(owners: &[OwnerId]) -> Vec<CacheRead> {
    owners.iter().map(|_| CacheRead::Bypass).collect()
}

pub(crate) fn lease(namespace: &Arc<str>) -> Lease {
    Lease { namespace: Arc::clone(namespace), token: Arc::from(format!("T{:016x}", rand::random::<u64>())) }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
