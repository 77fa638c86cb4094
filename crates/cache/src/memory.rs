use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_domain::{Gate, OwnerId};
use moka::{Expiry, ops::compute::Op, sync::Cache};

use crate::{
    CacheRead, CacheStatus, CartCache, Document, Layer, Lease, LeaseWanted, StoreValue, Survey, Unfenced,
};

/// Carts in the memory of this process: for a server that is the only one on its database.
///
/// Keeps the protocol of [`CartCache`] with one compare-and-set per key; it needs no gate, because the cache is lost
/// with the process.
#[derive(Debug)]
pub struct MemoryCartCache {
    entries: Cache<OwnerId, Entry>,
    namespace: Arc<str>,
    tokens: AtomicU64,
}

#[derive(Debug, Clone)]
enum Entry {
    Document(Document),
    Token(Arc<str>),
}

/// How long a token keeps readers away when its holder gave up.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3);

struct Lifetime {
    document: Duration,
}

impl Lifetime {
    fn of(&self, entry: &Entry) -> Option<Duration> {
        Some(match entry {
            Entry::Document(_) => self.document,
            Entry::Token(_) => TOKEN_LIFETIME,
        })
    }
}

impl Expiry<OwnerId, Entry> for Lifetime {
    fn expire_after_create(&self, _: &OwnerId, entry: &Entry, _: Instant) -> Option<Duration> {
        self.of(entry)
    }

    fn expire_after_update(
        &self,
        _: &OwnerId,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.of(entry)
    }
}

/// What an entry costs besides its document's bytes: key, counters, moka's own.
const ENTRY_OVERHEAD: u32 = 200;

impl MemoryCartCache {
    /// Keeps at most about `max_bytes` of documents, each for at most `ttl`.
    pub fn new(max_bytes: u64, ttl: Duration) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|owner: &OwnerId, entry: &Entry| {
                let body = match entry {
                    Entry::Document(document) => document.body.len(),
                    Entry::Token(token) => token.len(),
                };
                u32::try_from(owner.as_str().len() + body).unwrap_or(u32::MAX).saturating_add(ENTRY_OVERHEAD)
            })
            .expire_after(Lifetime { document: ttl })
            .build();
        Self { entries, namespace: Arc::from("memory"), tokens: AtomicU64::new(0) }
    }

    /// Unique in this process, which is all that shares the entries.
    fn lease(&self) -> Lease {
        let token = format!("T{}", self.tokens.fetch_add(1, Ordering::Relaxed));
        Lease { namespace: Arc::clone(&self.namespace), token: Arc::from(token) }
    }

    /// The only way in which entries change: moka carries out the computations of a key one after another, but a plain
    /// `insert` slips in between what a computation saw and what it puts. A document would then replace the token of
    /// a fence that came after its lease.
    fn change(&self, owner: &OwnerId, decide: impl FnOnce(Option<Entry>) -> Op<Entry>) {
        self.entries
            .entry_by_ref(owner)
            .and_compute_with(|present| decide(present.map(moka::Entry::into_value)));
    }
}

#[async_trait]
impl CartCache for MemoryCartCache {
    fn peek(&self, owner: &OwnerId) -> Option<Document> {
        match self.entries.get(owner) {
            Some(Entry::Document(document)) => Some(document),
            _ => None,
        }
    }

    async fn look(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        self.claim(owners).await
    }

    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        let read = |owner: &OwnerId| {
            let known = |entry| match entry {
                Entry::Document(document) => CacheRead::Hit(document, Layer::Memory),
                Entry::Token(token) => {
                    CacheRead::Absent(Lease { namespace: Arc::clone(&self.namespace), token })
                }
            };
            if let Some(entry) = self.entries.get(owner) {
                return known(entry);
            }
            let lease = self.lease();
            let mut answer = CacheRead::Absent(lease.clone());
            self.change(owner, |present| match present {
                None => Op::Put(Entry::Token(lease.token)),
                Some(entry) => {
                    answer = known(entry);
                    Op::Nop
                }
            });
            answer
        };
        owners.iter().map(read).collect()
    }

    /// Gives a lease also to those who want none: it is no effort.
    async fn fence(
        &self,
        _gate: &Gate,
        owners: &[OwnerId],
        _wanted: LeaseWanted,
    ) -> Result<Option<Lease>, Unfenced> {
        let lease = self.lease();
        for owner in owners {
            self.change(owner, |_| Op::Put(Entry::Token(Arc::clone(&lease.token))));
        }
        Ok(Some(lease))
    }

    async fn store(&self, values: Vec<StoreValue>) {
        for StoreValue { owner, lease, document } in values {
            if lease.namespace != self.namespace {
                continue;
            }
            self.change(&owner, |present| match present {
                Some(Entry::Token(token)) if token == lease.token => Op::Put(Entry::Document(document)),
                _ => Op::Nop,
            });
        }
    }

    fn gated(&self) -> bool {
        false
    }

    fn observe(&self, _gate: &Gate, _asked: Instant) {}

    fn closed_wait(&self, _gate: &Gate) -> Option<Duration> {
        None
    }

    async fn survey(&self) -> Survey {
        Survey::Unreachable
    }

    fn status(&self) -> CacheStatus {
        CacheStatus { kind: "memory", reachable: true, in_use: true, nodes: Vec::new() }
    }
}
