//! A primary with replicas.

use std::time::Duration;

use super::{RedisBuilder, RedisServer};
use crate::Error;
use crate::wait::poll_until;

/// How long replicas may take to get in step with an empty primary.
const ATTACH: Duration = Duration::from_secs(30);

/// A Redis primary and its replicas, each a server of its own.
///
/// ```no_run
/// # async fn example() -> Result<(), cartwright_testkit::Error> {
/// use cartwright_testkit::RedisTopology;
///
/// let redis = RedisTopology::start(2)?;
/// redis.primary.kill();
/// redis.replicas[0].promote();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisTopology {
    /// The server that takes writes at the start.
    pub primary: RedisServer,
    /// The servers that follow it at the start.
    pub replicas: Vec<RedisServer>,
}

impl RedisTopology {
    /// Starts a primary with that many replicas, and waits until all are in step.
    ///
    /// # Errors
    ///
    /// As [`RedisBuilder::start`], and [`Error::Timeout`].
    pub fn start(replicas: usize) -> Result<Self, Error> {
        Self::start_with(&RedisServer::builder(), replicas)
    }

    /// The same with other settings, which all servers get. A port cannot be among them.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(builder: &RedisBuilder, replicas: usize) -> Result<Self, Error> {
        let primary = builder.clone().start()?;
        let replicas = (0..replicas)
            .map(|_| builder.clone().replica_of("127.0.0.1", primary.port()).start())
            .collect::<Result<Vec<_>, _>>()?;
        let topology = Self { primary, replicas };
        if topology.becomes_online(ATTACH) {
            Ok(topology)
        } else {
            let log = topology.primary.replication();
            Err(Error::Timeout { what: "the Redis replication".to_owned(), deadline: ATTACH, log })
        }
    }

    /// Waits until the primary counts every replica as online and every link is up, with the roles of
    /// the start.
    ///
    /// # Panics
    ///
    /// At the deadline.
    #[track_caller]
    pub fn wait_online(&self, deadline: Duration) {
        assert!(
            self.becomes_online(deadline),
            "the replicas were not online within {deadline:?}; the primary says:\n{}",
            self.primary.replication()
        );
    }

    fn becomes_online(&self, deadline: Duration) -> bool {
        poll_until(deadline, || {
            let online = self.primary.replication().matches("state=online").count();
            online >= self.replicas.len()
                && self.replicas.iter().all(|replica| replica.replication().contains("master_link_status:up"))
        })
    }
}
