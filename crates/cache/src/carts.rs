use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_domain::{Gate, OwnerId, ReadSet};

/// What is cached as it is sent: the JSON of a cart with its version, or another document of
/// an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which version of the cart it shows. 0: it has none.
    pub version: u64,
    /// The JSON text, UTF-8.
    pub body: Bytes,
}

/// Which part of the cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The memory of this process.
    Memory,
    /// A read replica.
    Replica,
    /// The server that takes writes.
    Primary,
}

impl Layer {
    /// The name used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Replica => "replica",
            Self::Primary => "primary",
        }
    }
}

/// The right to store one value: it holds as long as the key still has this token, so that whoever invalidates the key
/// in between takes the right away. Several may hold the same one; the first who stores uses it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The opening of the gate under which it was given.
    pub namespace: Arc<str>,
    /// What stands in the cache in place of a document. Random.
    pub token: Arc<str>,
}

/// What the cache says of one cart, or of one other document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheRead {
    /// The current document.
    Hit(Document, Layer),
    /// It is not where it was looked for. [`claim`](CartCache::claim) says more.
    Missing,
    /// There is none. Whoever reads the cart under its shared lock, taken after this answer, may store it with this
    /// lease. (Other documents are read without a lock, after this answer.)
    Absent(Lease),
    /// Ask the database, and do not store what it says: the cache is not in use.
    Bypass,
}

/// A document to be stored, if the lease still holds.
#[derive(Debug, Clone)]
pub struct StoreValue {
    /// Whose.
    pub owner: OwnerId,
    /// The right to store it.
    pub lease: Lease,
    /// What to store.
    pub document: Document,
}

/// Whether a writer is going to store what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseWanted {
    /// It will store documents.
    Yes,
    /// It will leave that to readers: nothing needs to stand in place of the documents.
    No,
}

/// Readers could not be kept away from carts that are about to change.
#[derive(Debug, thiserror::Error)]
pub enum Unfenced {
    /// The cache did not take the invalidation.
    #[error("the cache did not take the invalidation: {0}")]
    Unreachable(String),
    /// The gate is closed, but some node may still hold a lease on the time when it was open.
    #[error("the gate closed a moment ago")]
    Closing {
        /// How long until nobody does.
        wait: Duration,
    },
}

/// What a cache finds when it looks at its servers, to decide about the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survey {
    /// No server that takes writes can be reached from here.
    Unreachable,
    /// One was found.
    Found {
        /// Identity of the process that takes writes.
        primary: String,
        /// Replicas that were seen to follow that process, and nobody else is attached to it. Empty when that cannot be
        /// made sure: reads then go to the primary.
        replicas: ReadSet,
    },
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows a primary.
    Replica,
    /// Did not answer.
    Unknown,
}

/// One server, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// As configured, without credentials.
    pub endpoint: String,
    /// What it is.
    pub role: Role,
    /// Whether it answered last time.
    pub reachable: bool,
    /// Software version. `None` when it did not answer yet.
    pub version: Option<String>,
    /// Identity of its process. `None` when it did not answer yet.
    pub run_id: Option<String>,
    /// Position in the replication stream, in bytes. `None` when it did not answer yet.
    pub offset: Option<u64>,
    /// Bytes behind the primary. `None` for the primary, or when unknown.
    pub lag_bytes: Option<u64>,
    /// How old its contents may be at most, from the last heartbeat seen on it. `None`: no heartbeat was seen.
    pub freshness: Option<Duration>,
    /// Whether carts are read from it now.
    pub serves_reads: bool,
}

/// The cache, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheStatus {
    /// `memory` or `redis`.
    pub kind: &'static str,
    /// Whether it can be reached.
    pub reachable: bool,
    /// Whether carts may be served from it at this moment.
    pub in_use: bool,
    /// Its servers. Empty for memory.
    pub nodes: Vec<NodeStatus>,
}

/// Carts, coherent with the database.
///
/// Write: *lock → invalidate → commit → store by compare-and-set*. [`fence`](Self::fence) is called while the store
/// holds the carts' locks; [`store`](Self::store) after the commit, with the lease that the fence gave.
///
/// Read: [`look`](Self::look); on [`CacheRead::Missing`], [`claim`](Self::claim); on [`CacheRead::Absent`] the cart is
/// loaded under its shared lock, and [`store`](Self::store)d.
#[async_trait]
pub trait CartCache: Send + Sync + std::fmt::Debug + 'static {
    /// Reads a cart without waiting. `None`: ask [`look`](Self::look).
    fn peek(&self, owner: &OwnerId) -> Option<Document>;

    /// Reads carts where that is cheapest: one answer for each owner, in order. One round trip; where there is no such
    /// place, it is a [`claim`](Self::claim).
    async fn look(&self, owners: &[OwnerId]) -> Vec<CacheRead>;

    /// Reads carts where they are written, and gives leases for those that are not there: never
    /// [`CacheRead::Missing`]. One round trip, and a write: to be asked for many at once, after a look.
    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead>;

    /// A look, and a claim of what is missing.
    async fn read(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        let mut reads = self.look(owners).await;
        let missing = |read: &CacheRead| *read == CacheRead::Missing;
        let asked: Vec<OwnerId> = owners
            .iter()
            .zip(&reads)
            .filter(|(_, read)| missing(read))
            .map(|(owner, _)| owner.clone())
            .collect();
        if !asked.is_empty() {
            let mut claimed = self.claim(&asked).await.into_iter();
            for read in reads.iter_mut().filter(|read| missing(read)) {
                *read = claimed.next().unwrap_or(CacheRead::Bypass);
            }
        }
        reads
    }

    /// Makes sure that no reader, on any node, is served the carts' present documents any more. `gate` was read under
    /// the carts' locks. A lease for what they become is given when it is wanted, and the cache is in use.
    ///
    /// # Errors
    /// [`Unfenced`]; the carts must then not be changed.
    async fn fence(
        &self,
        gate: &Gate,
        owners: &[OwnerId],
        wanted: LeaseWanted,
    ) -> Result<Option<Lease>, Unfenced>;

    /// Stores documents whose lease still holds. Failures are counted, not reported: they cost a later miss.
    async fn store(&self, values: Vec<StoreValue>);

    /// Whether a gate guards this cache. Without one, [`observe`](Self::observe) and [`survey`](Self::survey) are not
    /// called, and the gate passed to [`fence`](Self::fence) does not matter.
    fn gated(&self) -> bool;

    /// Takes note of the gate as the database answered to a question *sent* at `asked`.
    fn observe(&self, gate: &Gate, asked: Instant);

    /// How much longer the gate must be waited for since it was seen closed, until no node can hold a lease on the
    /// time before. `None`: it is open, as far as this node knows, or has not been observed.
    fn closed_wait(&self, gate: &Gate) -> Option<Duration>;

    /// Looks at the servers.
    async fn survey(&self) -> Survey;

    /// What is known without asking anyone.
    fn status(&self) -> CacheStatus;
}
