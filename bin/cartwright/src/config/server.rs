use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::ensure;
use serde::Deserialize;

/// The HTTP server and the log.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Where to listen, as address and port. Other than loopback, everybody who reaches it is believed who they say
    /// they are; see `auth.force`.
    pub(crate) listen: SocketAddr,
    /// Threads that serve connections; half of the cores when not set, the other half is for batches and their
    /// connections. Too many: they take the cores from those. Too few: cores stay idle.
    pub(crate) workers: Option<usize>,
    /// Connections that a worker keeps open. Too high: memory (some 10 kB each). Too low: clients wait to be accepted.
    pub(crate) max_connections: usize,
    /// How long a client may take to send the head of its request. Too high: slow clients hold connections. Too low:
    /// clients on bad lines are cut off.
    pub(crate) client_request_timeout: u64,
    /// How long an idle connection stays open. Too high: idle connections pile up. Too low: clients connect anew for
    /// each request; lower than the load balancer's: it answers 502 now and then.
    pub(crate) keep_alive: u64,
    /// How long a client may leave unread what it asked for (on Linux). Too high: clients that do not read hold connections
    /// and answers. Too low: clients on bad lines are cut off.
    pub(crate) unread_seconds: u64,
    /// How long readiness says no before connections are refused. Too high: restarts take long. Too low: a load
    /// balancer still sends requests when the port closes. 0: at once.
    pub(crate) drain_seconds: u64,
    /// How long requests in progress may take to end at shutdown. Too high: a restart hangs on a client that does not
    /// read. Too low: requests are cut off.
    pub(crate) shutdown_seconds: u64,
    /// Origins whose browsers may call, as `https://shop.example`; `*` for all. Too many: other sites act for their
    /// visitors.
    pub(crate) cors_origins: Vec<String>,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            workers: None,
            max_connections: 10_000,
            client_request_timeout: 10,
            keep_alive: 75,
            unread_seconds: 30,
            drain_seconds: 0,
            shutdown_seconds: 30,
            cors_origins: Vec::new(),
            log_format: LogFormat::Text,
        }
    }
}

/// The threads that serve connections and those for batches share the processors.
pub(crate) fn half_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

impl Server {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.workers.is_none_or(|workers| (1..=1024).contains(&workers)),
            "configuration key `server.workers`: it is from 1 to 1024"
        );
        ensure!(self.max_connections >= 1, "configuration key `server.max_connections`: it is at least 1");
        ensure!(
            self.client_request_timeout >= 1,
            "configuration key `server.client_request_timeout`: it is at least 1 second"
        );
        ensure!(
            (1..=86_400).contains(&self.unread_seconds),
            "configuration key `server.unread_seconds`: it is from 1 to 86400"
        );
        Ok(())
    }

    pub(crate) fn worker_count(&self) -> usize {
        self.workers.unwrap_or_else(half_the_cores)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.client_request_timeout)
    }
}
