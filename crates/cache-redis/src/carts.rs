use std::{
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_cache::{
    CacheRead, CacheStatus, CartCache, Document, Layer, Lease, NodeStatus, Role, StoreValue, Survey, Unfenced,
};
use cartwright_domain::{Gate, OpenGate, OwnerId};
use futures_util::future::join_all;
use metrics::Counter;
use redis::{RedisResult, Script};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    endpoint::Endpoint,
    heartbeat::{BOUND, BOUND_MARGIN, Beats, PERIOD, fresh},
    options::{ConnectError, RedisOptions},
    survey,
    value::{self, Value},
    view::{Opening, View, Views},
};

/// How long a writer's token keeps readers away when the writer never comes back. Not a matter of correctness.
const WRITER_TOKEN: Duration = Duration::from_secs(5);
/// The same for a reader who means to fill.
const READER_TOKEN: Duration = Duration::from_secs(3);
/// How often a replica that is not read from is looked at.
const PROBE: Duration = Duration::from_millis(100);
/// Tries to reach the primary inside a write; connections to a process that died fail once each.
const TRIES: usize = 8;
/// How long a write tries to reach the primary before the gate is closed.
const PATIENCE: Duration = Duration::from_millis(600);

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
    endpoints: Vec<Endpoint>,
    views: Views,
    beats: Beats,
    /// Names this process' heartbeat.
    node: String,
    ttl: Duration,
    turn: AtomicUsize,
    /// Whether the replicas acknowledged last time: if not, asking again costs as long as waiting.
    acknowledged: Mutex<bool>,
    figures: Figures,
}

struct Figures {
    errors: Counter,
    stale_replicas: Counter,
    waited: Counter,
    acknowledged: Counter,
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
        tokio::spawn(stop.clone().run_until_cancelled_owned(beat(Arc::clone(&inner))));
        for at in 0..inner.endpoints.len() {
            tokio::spawn(stop.clone().run_until_cancelled_owned(probe(Arc::clone(&inner), at)));
        }
        Ok(Self { inner, _stop: stop.drop_guard() })
    }
}

impl Inner {
    fn primary(&self, opening: &Opening) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.is(&opening.gate.primary))
    }

    /// The opening and its primary, while both can be used.
    fn in_use<'a>(&'a self, view: &'a View) -> Option<(&'a Opening, &'a Endpoint)> {
        let opening = view.usable()?;
        Some((opening, self.primary(opening).filter(|endpoint| !endpoint.suspect())?))
    }

    /// Sends to the primary over the connection on which documents are stored: what is sent at the same time goes in
    /// one packet. `None`: the primary is not in use.
    pub(crate) async fn send(&self, pipeline: &redis::Pipeline) -> Option<RedisResult<()>> {
        let view = self.views.current();
        let (opening, endpoint) = self.in_use(&view)?;
        let sent =
            endpoint.near(&opening.gate.primary, async |link| pipeline.query_async::<()>(link).await).await;
        sent.map(|sent| sent.map(|_sent| ())).transpose()
    }

    fn heartbeat_key(&self, namespace: &str) -> String {
        format!("hb:{namespace}:{}", self.node)
    }

    /// The next replica in turn that was fresh when it was last looked at.
    fn replica<'a>(&'a self, opening: &'a Opening) -> Option<(&'a Endpoint, &'a str)> {
        let ids = &opening.gate.replicas.endpoints;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..ids.len()).find_map(|step| {
            let id = ids.get((turn + step) % ids.len())?;
            let endpoint = self.endpoints.iter().find(|endpoint| endpoint.is(id))?;
            (!endpoint.suspect()).then_some((endpoint, id.as_str()))
        })
    }

    /// Notes a failure: nobody waits for the server until it is seen to answer again.
    fn failed(&self, endpoint: &Endpoint, error: &dyn std::fmt::Display) {
        self.figures.errors.increment(1);
        if endpoint.set_suspect(true) {
            tracing::warn!(server = endpoint.name, %error, "Redis does not answer");
        }
    }

    /// One reply with the heartbeat and all the documents. `None`: the replica is not fresh, or does not answer.
    async fn read_replica(&self, opening: &Opening, owners: &[OwnerId]) -> Option<Vec<Option<Vec<u8>>>> {
        let (endpoint, run_id) = self.replica(opening)?;
        let mut command = redis::cmd("MGET");
        command.arg(self.heartbeat_key(&opening.namespace));
        for owner in owners {
            command.arg(value::key(&opening.namespace, owner));
        }
        type Values = Vec<Option<Vec<u8>>>;
        match endpoint.near(run_id, async |link| command.query_async::<Values>(link).await).await {
            Ok(Some((values, opened))) => {
                let mut values = values.into_iter();
                let beat = values.next()??;
                if self.believe(endpoint, &beat, opened) {
                    return Some(values.collect());
                }
                self.figures.stale_replicas.increment(1);
                endpoint.set_suspect(true);
                None
            }
            Ok(None) => {
                endpoint.set_suspect(true); // until the probe has seen that process again
                None
            }
            Err(error) => {
                self.failed(endpoint, &error);
                None
            }
        }
    }

    fn believe(&self, endpoint: &Endpoint, beat: &[u8], opened: Instant) -> bool {
        let sent =
            std::str::from_utf8(beat).ok().and_then(|n| n.parse().ok()).and_then(|n| self.beats.sent_at(n));
        if let Some(sent) = sent {
            endpoint.saw(sent.elapsed());
        }
        fresh(sent, opened)
    }

    /// Asks the primary, and where nothing stands, leaves a token.
    async fn read_primary(&self, opening: &Opening, owners: &[&OwnerId]) -> Vec<CacheRead> {
        let bypass = || owners.iter().map(|_| CacheRead::Bypass).collect();
        let Some(endpoint) = self.primary(opening).filter(|endpoint| !endpoint.suspect()) else {
            return bypass();
        };
        let mut pipeline = redis::Pipeline::with_capacity(owners.len());
        let leases: Vec<Lease> = owners.iter().map(|_| lease(&opening.namespace)).collect();
        for (owner, lease) in owners.iter().zip(&leases) {
            pipeline
                .cmd("SET")
                .arg(value::key(&opening.namespace, owner))
                .arg(&*lease.token)
                .arg("NX")
                .arg("GET");
            pipeline.arg("PX").arg(READER_TOKEN.as_millis() as u64);
        }
        let read = async {
            let Some(mut link) = endpoint.link_to(&opening.gate.primary).await? else { return Ok(None) };
            let values: Vec<Option<Vec<u8>>> = link.pipeline(&pipeline).await?;
            RedisResult::Ok(Some(values))
        };
        match read.await {
            Ok(Some(values)) if values.len() == owners.len() => values
                .into_iter()
                .zip(leases)
                .map(|(found, lease)| match found.map(value::read) {
                    None => CacheRead::Absent(lease),
                    Some(Value::Document(document)) => CacheRead::Hit(document, Layer::Primary),
                    // As good as one's own: whoever fills has seen it before he took the cart's shared lock, so that
                    // the writer who left it is done; and the next one takes it away.
                    Some(Value::Token(token)) => CacheRead::Absent(Lease { token, ..lease }),
                    Some(Value::Foreign) => CacheRead::Bypass,
                })
                .collect(),
            Ok(_) => bypass(),
            Err(error) => {
                self.failed(endpoint, &error);
                bypass()
            }
        }
    }

    async fn read(&self, view: &View, opening: &Opening, owners: &[OwnerId]) -> Vec<CacheRead> {
        let found = self.read_replica(opening, owners).await.unwrap_or_default();
        let mut reads: Vec<Option<CacheRead>> = found
            .into_iter()
            .map(|bytes| match bytes.map(value::read) {
                Some(Value::Document(document)) => Some(CacheRead::Hit(document, Layer::Replica)),
                _ => None,
            })
            .collect();
        reads.resize(owners.len(), None);
        let missing: Vec<&OwnerId> =
            owners.iter().zip(&reads).filter(|(_, read)| read.is_none()).map(|(owner, _)| owner).collect();
        if !missing.is_empty() {
            let mut answers = self.read_primary(opening, &missing).await.into_iter();
            for read in reads.iter_mut().filter(|read| read.is_none()) {
                *read = answers.next();
            }
        }
        // What was read may be served only while this opening is known to stand.
        if !self.views.still(view) {
            return bypass(owners);
        }
        reads.into_iter().map(|read| read.unwrap_or(CacheRead::Bypass)).collect()
    }

    /// Puts tokens in place of documents and makes sure that no replica is believed that does not have them.
    async fn put_tokens(&self, open: &OpenGate, keys: &[String], token: &str) -> Result<(), String> {
        let expected = open.replicas.attached.len();
        // While the set is changing, somebody may still read from a replica that no longer counts.
        let nobody_reads_replicas = expected == 0 && open.previous.is_none();
        let ask = expected > 0 && open.previous.is_none() && *lock(&self.acknowledged);
        let mut pipeline = redis::Pipeline::with_capacity(keys.len() + 2);
        for key in keys {
            pipeline.cmd("SET").arg(key).arg(token).arg("PX").arg(WRITER_TOKEN.as_millis() as u64).ignore();
        }
        if ask {
            pipeline.cmd("WAIT").arg(expected).arg(BOUND.as_millis() as u64);
        }
        pipeline.cmd("ROLE");
        let began = Instant::now();
        let mut last = "no server is the primary of this opening".to_owned();
        // Connections to a process that died fail once each, so that a blink of the network is outlasted; a server that
        // is silent is not waited for again.
        for _ in 0..TRIES {
            for endpoint in self.primary_first(&open.primary) {
                let answer: RedisResult<Option<Vec<redis::Value>>> = async {
                    let Some(mut link) = endpoint.link_to(&open.primary).await? else { return Ok(None) };
                    link.pipeline(&pipeline).await.map(Some)
                }
                .await;
                match answer {
                    Ok(Some(mut answer)) => {
                        let role = answer.pop();
                        let all_attached =
                            role.as_ref().and_then(attached) == Some(open.replicas.attached.clone());
                        let count =
                            answer.pop().and_then(|count| redis::from_redis_value::<usize>(count).ok());
                        let acknowledged =
                            ask && all_attached && count.is_some_and(|count| count >= expected);
                        *lock(&self.acknowledged) = acknowledged || (!ask && all_attached);
                        return self.outwait(acknowledged || nobody_reads_replicas).await;
                    }
                    Ok(None) => {}
                    Err(error) => last = error.to_string(),
                }
                if began.elapsed() > PATIENCE {
                    return Err(last);
                }
            }
        }
        Err(last)
    }

    /// The servers in the order in which they are likely to be this process: a node that has just started, or has lost
    /// sight of it for a moment, tries them all.
    fn primary_first(&self, run_id: &str) -> Vec<&Endpoint> {
        let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().collect();
        endpoints.sort_by_key(|endpoint| !endpoint.is(run_id));
        endpoints
    }

    /// After the reply: a replica that did not get the tokens has not got any later heartbeat either.
    async fn outwait(&self, sure: bool) -> Result<(), String> {
        if sure {
            self.figures.acknowledged.increment(1);
            return Ok(());
        }
        #[cfg(feature = "fault-injection")]
        if std::env::var("CARTWRIGHT_FAULT").as_deref() == Ok("no-wait-for-replicas") {
            return Ok(());
        }
        self.figures.waited.increment(1);
        tokio::time::sleep(BOUND + BOUND_MARGIN).await;
        Ok(())
    }
}

#[async_trait]
impl CartCache for RedisCartCache {
    fn peek(&self, _owner: &OwnerId) -> Option<Document> {
        None
    }

    async fn read(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        let view = self.inner.views.current();
        match view.usable() {
            Some(opening) if !owners.is_empty() => self.inner.read(&view, opening, owners).await,
            _ => bypass(owners),
        }
    }

    async fn fence(&self, gate: &Gate, owners: &[OwnerId]) -> Result<Option<Lease>, Unfenced> {
        let Some(open) = gate.open() else {
            let wait = self.inner.views.closed_wait(gate.epoch);
            // A gate that was never opened was never read through.
            return if gate.epoch == 0 || wait.is_zero() {
                Ok(None)
            } else {
                Err(Unfenced::Closing { wait })
            };
        };
        let lease = lease(&Arc::from(open.namespace.as_str()));
        let keys: Vec<String> = owners.iter().map(|owner| value::key(&open.namespace, owner)).collect();
        self.inner.put_tokens(open, &keys, &lease.token).await.map_err(Unfenced::Unreachable)?;
        Ok(Some(lease))
    }

    async fn store(&self, values: Vec<StoreValue>) {
        let view = self.inner.views.current();
        let Some((opening, endpoint)) = self.inner.in_use(&view) else { return };
        let mut call = STORE.prepare_invoke();
        let mut any = false;
        for StoreValue { owner, lease, document } in
            values.iter().filter(|v| v.lease.namespace == opening.namespace)
        {
            // Carts that were stored together need not run out together.
            let ttl = self.inner.ttl.mul_f64(0.9 + 0.2 * rand::random::<f64>());
            call.key(value::key(&opening.namespace, owner));
            call.arg(&*lease.token).arg(value::write(document)).arg(ttl.as_millis() as u64);
            any = true;
        }
        if !any {
            return;
        }
        let primary = &opening.gate.primary;
        if let Err(error) = endpoint.near(primary, async |link| call.invoke_async::<()>(link).await).await {
            self.inner.failed(endpoint, &error);
        }
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

fn bypass(owners: &[OwnerId]) -> Vec<CacheRead> {
    owners.iter().map(|_| CacheRead::Bypass).collect()
}

fn lease(namespace: &Arc<str>) -> Lease {
    Lease { namespace: Arc::clone(namespace), token: Arc::from(format!("T{:032x}", rand::random::<u128>())) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The replicas in the answer to `ROLE`, as the gate keeps them. `None`: the server is no primary.
fn attached(role: &redis::Value) -> Option<Vec<String>> {
    let (kind, _offset, replicas): (String, u64, Vec<(String, String, String)>) =
        redis::from_redis_value(role.clone()).ok()?;
    let mut names: Vec<String> = replicas.into_iter().map(|(ip, port, _)| format!("{ip}:{port}")).collect();
    names.sort();
    (kind == "master").then_some(names)
}

/// Beats on the primary of the opening, and clears the suspicion on it when it answers.
async fn beat(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let view = inner.views.current();
        let Some(opening) = view.usable() else { continue };
        let Some(endpoint) = inner.primary(opening) else { continue };
        let beaten: RedisResult<bool> = async {
            let Some(mut link) = endpoint.link_to(&opening.gate.primary).await? else { return Ok(false) };
            let mut beat = redis::cmd("SET");
            beat.arg(inner.heartbeat_key(&opening.namespace)).arg(inner.beats.next()).arg("PX").arg(10_000);
            link.command::<()>(&beat).await.map(|()| true)
        }
        .await;
        match beaten {
            Ok(true) => {
                if endpoint.set_suspect(false) {
                    tracing::info!(server = endpoint.name, "Redis answers");
                }
            }
            Ok(false) => {}
            Err(error) => {
                inner.failed(endpoint, &error);
                tokio::time::sleep(PROBE).await;
            }
        }
    }
}

/// Looks at a replica: how fresh it is, and whether it may be read from again.
async fn probe(inner: Arc<Inner>, at: usize) {
    let mut ticks = tokio::time::interval(PROBE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let Some(endpoint) = inner.endpoints.get(at) else { return };
    loop {
        ticks.tick().await;
        let view = inner.views.current();
        let Some(opening) = view.usable() else { continue };
        let Some(run_id) = opening.gate.replicas.endpoints.iter().find(|id| endpoint.is(id)) else {
            continue;
        };
        let looked: RedisResult<Option<(Option<Vec<u8>>, Instant)>> = async {
            let Some(mut link) = endpoint.link_to(run_id).await? else { return Ok(None) };
            let mut get = redis::cmd("GET");
            get.arg(inner.heartbeat_key(&opening.namespace));
            let beat = link.command(&get).await?;
            Ok(Some((beat, link.opened)))
        }
        .await;
        match looked {
            Ok(Some((Some(beat), opened))) => {
                let fresh = inner.believe(endpoint, &beat, opened);
                endpoint.set_suspect(!fresh);
            }
            Ok(_) => {
                endpoint.set_suspect(true);
            }
            Err(error) => inner.failed(endpoint, &error),
        }
        if let Some(age) = endpoint.freshness() {
            metrics::gauge!("cartwright_redis_replica_freshness_seconds", "server" => endpoint.name.clone())
                .set(age.as_secs_f64());
        }
    }
}
