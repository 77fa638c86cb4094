//! Two nodes on a PostgreSQL and a Redis topology of their own.

use std::cell::Cell;
use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cartwright_history::client::{Load, Plan};
use cartwright_testkit::{
    ChaosProxy, Mode, Postgres, RedisServer, RedisTopology, ServerProcess, eventually, ports,
};

use tokio::net::{TcpListener, TcpStream};

use crate::{PATIENCE, program};

/// How many nodes there are.
pub(crate) const NODES: usize = 2;

/// How soon the cache must serve again once a fault is over.
const HITS_RESUME: Duration = Duration::from_secs(30);

/// What a test needs besides the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    /// PostgreSQL keeps what it committed when it is killed.
    pub(crate) durable: bool,
    /// The last node reaches Redis through proxies.
    pub(crate) proxied: bool,
    /// What the primary sends reaches the replicas this much later.
    pub(crate) replication_delay: Option<Duration>,
    /// The fault that is built into the nodes.
    pub(crate) fault: Option<&'static str>,
}

/// A node.
pub(crate) struct Node {
    pub(crate) process: ServerProcess,
    pub(crate) address: SocketAddr,
}

impl Node {
    pub(crate) fn wait_ready(&self) {
        self.process.wait_ready(&format!("http://{}/readyz", self.address), PATIENCE).unwrap();
    }
}

/// Everything a test disturbs. Fields are dropped in this order.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// Between the last node and each Redis server.
    pub(crate) to_redis: Vec<ChaosProxy>,
    pub(crate) redis: RedisTopology,
    /// Between the replicas and the primary.
    pub(crate) replication: Option<ChaosProxy>,
    pub(crate) postgres: Postgres,
    /// Which of [`servers`](Self::servers) is the primary.
    pub(crate) primary: Cell<usize>,
    /// One cluster at a time on this machine, also when tests are processes.
    _turn: File,
}

impl Cluster {
    pub(crate) async fn start(shape: &Shape) -> Self {
        // Whoever came first made it; to lock it, others need not write to it.
        let path = std::env::temp_dir().join("cartwright-history.lock");
        let turn = File::open(&path)
            .or_else(|_not_there| File::create_new(&path))
            .or_else(|_just_made| File::open(&path));
        let turn = turn.unwrap();
        turn.lock().unwrap();
        let program = program::of(shape);

        let postgres = Postgres::builder().durable(shape.durable).start().unwrap();
        let database = postgres.fresh_database().await;
        let redis = RedisTopology::start(2).unwrap();
        let replication = shape.replication_delay.map(|delay| {
            let proxy = ChaosProxy::start(([127, 0, 0, 1], redis.primary.port())).unwrap();
            // Nodes read from replicas that follow the primary's own port, so the detour has that port, too.
            let detour = SocketAddr::from(([127, 0, 0, 2], redis.primary.port()));
            forward(detour, proxy.addr());
            for replica in &redis.replicas {
                replica.replica_of("127.0.0.2", detour.port());
                replica.wait_online(PATIENCE);
            }
            redis.wait_online(PATIENCE);
            proxy.set(Mode::Latency(delay));
            proxy
        });
        let servers = || std::iter::once(&redis.primary).chain(&redis.replicas);
        let to_redis: Vec<ChaosProxy> = servers()
            .filter(|_| shape.proxied)
            .map(|server| ChaosProxy::start(([127, 0, 0, 1], server.port())).unwrap())
            .collect();

        let direct: Vec<String> = servers().map(RedisServer::url).collect();
        let mut nodes = Vec::new();
        for number in 1..=NODES {
            let urls = if shape.proxied && number == NODES {
                servers().zip(&to_redis).map(|(server, proxy)| server.url_via(proxy.port())).collect()
            } else {
                direct.clone()
            };
            let port = ports::free_port();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let process = ServerProcess::builder(&program)
                .arg("serve")
                .env("DATABASE_URL", &database)
                .env("REDIS_URL", &urls[0])
                .env("REDIS_REPLICA_URLS", urls[1..].join(","))
                .env("CARTWRIGHT__SERVER__LISTEN", address.to_string())
                .env("CARTWRIGHT__CARTS__ALLOW_UNLISTED_PRODUCTS", "true")
                // One node puts tokens in place of what it writes, the other removes it.
                .env("CARTWRIGHT__CARTS__STORE_WRITTEN", if number == 1 { "auto" } else { "never" })
                .env("CARTWRIGHT_FAULT", shape.fault.unwrap_or_default())
                .env("CARTWRIGHT__LIMITS__ENABLED", "false")
                .env("RUST_LOG", "warn")
                .start()
                .unwrap();
            let node = Node { process, address };
            // One after the other: the first one migrates.
            node.wait_ready();
            nodes.push(node);
        }
        Self { nodes, to_redis, redis, replication, postgres, primary: Cell::new(0), _turn: turn }
    }

    /// The Redis servers, in the order of the topology.
    pub(crate) fn servers(&self) -> Vec<&RedisServer> {
        std::iter::once(&self.redis.primary).chain(&self.redis.replicas).collect()
    }

    /// A load on all nodes.
    pub(crate) fn load(&self) -> Load {
        Load::start(Plan::new(self.nodes.iter().map(|node| node.address).collect())).unwrap()
    }

    /// Waits until every node serves from the cache, and tells how long that took.
    pub(crate) async fn hits_resume(&self, load: &Load) -> Duration {
        let before = load.figures();
        let done = |at: usize, figures: &cartwright_history::client::Figures| {
            figures.nodes[at].hits() >= before.nodes[at].hits() + 100
        };
        let began = Instant::now();
        while began.elapsed() < HITS_RESUME {
            let figures = load.figures();
            if (0..NODES).all(|node| done(node, &figures)) {
                return began.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let logs: Vec<String> = self.nodes.iter().map(|node| tail(&node.process.log())).collect();
        panic!(
            "no hits {HITS_RESUME:?} after the fault: before {before}, now {}; failures {:?}; logs:\n{}",
            load.figures(),
            load.figures().failures,
            logs.join("\n---\n")
        );
    }

    /// Waits until Redis replicates again.
    pub(crate) async fn replicates(&self) {
        let primary = self.primary.get();
        let servers = self.servers();
        eventually(PATIENCE, async || {
            let info: String = servers[primary].query(&["INFO", "replication"]).await;
            info.matches("state=online").count() == servers.len() - 1
        })
        .await;
    }
}

/// Passes on every connection to `here`, until the test process ends.
fn forward(here: SocketAddr, there: SocketAddr) {
    let listener = std::net::TcpListener::bind(here).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(there).await?;
                    client.set_nodelay(true)?;
                    server.set_nodelay(true)?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
    });
}

/// The end of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
