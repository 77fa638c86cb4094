use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_cache::{
    CacheRead, CartCache, CartEvent, Document, EventBus, Lease, LeaseWanted, StoreValue, Subscription, Update,
};
use cartwright_domain::{Gate, OwnerId};

/// How long a rule waits for what must come. Long, because it is only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A cache that is in use.
#[derive(Debug, Clone)]
pub struct Kit {
    cache: Arc<dyn CartCache>,
    gate: Gate,
}

impl Kit {
    /// A kit around a cache that is in use under `gate`.
    pub fn new(cache: Arc<dyn CartCache>, gate: Gate) -> Self {
        Self { cache, gate }
    }

    /// The cache. Its lease on the gate is renewed, so that a slow machine does not put it out of use.
    pub fn cache(&self) -> &dyn CartCache {
        if self.cache.gated() {
            self.cache.observe(&self.gate, Instant::now());
        }
        &*self.cache
    }

    /// Reads one cart.
    pub async fn read(&self, owner: &OwnerId) -> CacheRead {
        let mut reads = self.cache().read(std::slice::from_ref(owner)).await;
        assert_eq!(reads.len(), 1, "one answer for each owner");
        reads.remove(0)
    }

    /// Reads a cart that must be absent.
    pub async fn absent(&self, owner: &OwnerId) -> Lease {
        match self.read(owner).await {
            CacheRead::Absent(lease) => lease,
            other => panic!("{owner} should be absent: {other:?}"),
        }
    }

    /// Fences carts of a cache that must be in use.
    pub async fn fence(&self, owners: &[OwnerId]) -> Lease {
        self.cache().fence(&self.gate, owners, LeaseWanted::Yes).await.unwrap().expect("the cache is in use")
    }

    /// Fences carts for a writer that is not going to store anything.
    pub async fn remove(&self, owners: &[OwnerId]) {
        self.cache().fence(&self.gate, owners, LeaseWanted::No).await.unwrap();
    }

    /// Stores one document.
    pub async fn store(&self, owner: &OwnerId, lease: &Lease, document: &Document) {
        self.cache().store(vec![value(owner, lease, document)]).await;
    }

    /// Puts a document into the cache as a reader does, and waits until it is there for all.
    pub async fn put(&self, owner: &OwnerId, document: &Document) {
        let lease = self.absent(owner).await;
        self.store(owner, &lease, document).await;
        self.hit(owner, document).await;
    }

    /// Waits for the hit that must come (a replica may be behind), and accepts no other hit on the way.
    pub async fn hit(&self, owner: &OwnerId, wanted: &Document) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.read(owner).await {
                CacheRead::Hit(found, _) => {
                    assert_eq!(found.version, wanted.version, "of {owner}");
                    assert!(found.body == wanted.body, "{owner} has another body than was stored");
                    return;
                }
                CacheRead::Absent(_) => panic!("{owner} is absent after it was stored"),
                CacheRead::Missing => panic!("{owner} was read, not looked for"),
                CacheRead::Bypass => {}
            }
            assert!(Instant::now() < deadline, "{owner} was stored and is not read");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Makes sure that a cart that was fenced shows nothing, however it is asked for.
    pub async fn hidden(&self, owner: &OwnerId) {
        for _ in 0..8 {
            assert_eq!(self.cache().peek(owner), None, "{owner} is fenced");
            let read = self.read(owner).await;
            assert!(!matches!(read, CacheRead::Hit(..)), "{owner} is fenced: {read:?}");
        }
    }
}

/// Two nodes of one bus.
#[derive(Debug, Clone)]
pub struct Buses {
    /// Where most listeners are.
    pub one: Arc<dyn EventBus>,
    /// Another node, or the same.
    pub other: Arc<dyn EventBus>,
}

impl Buses {
    /// Publishes one event on the first node.
    pub async fn publish(&self, owner: &OwnerId, version: u64) {
        self.one.publish(&[CartEvent { owner: owner.clone(), version }]).await;
    }
}

/// A listener, and what it was told so far.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) owner: OwnerId,
    subscription: Subscription,
}

impl Listener {
    /// Listens, and returns when what is published on `publisher` is heard: a bus of several nodes needs a moment.
    pub(crate) async fn tuned(on: &dyn EventBus, owner: &OwnerId, publisher: &dyn EventBus) -> Self {
        let mut listener = Self { owner: owner.clone(), subscription: on.subscribe(owner) };
        listener.hear(publisher, 1).await;
        listener
    }

    /// Publishes a version until it is heard. Others may be heard before; nothing above it.
    pub(crate) async fn hear(&mut self, publisher: &dyn EventBus, version: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            publisher.publish(&[CartEvent { owner: self.owner.clone(), version }]).await;
            while let Some(update) = self.within(Duration::from_millis(50)).await {
                match update {
                    Update::Version(heard) if heard == version => return,
                    Update::Version(heard) => assert!(heard < version, "{heard} was not published yet"),
                    Update::Missed => {}
                }
            }
            assert!(Instant::now() < deadline, "{} is not heard of", self.owner);
        }
    }

    /// The next update, if it comes within that time.
    pub(crate) async fn within(&mut self, time: Duration) -> Option<Update> {
        tokio::time::timeout(time, self.subscription.next()).await.ok()
    }

    /// The next update, which must come.
    pub(crate) async fn next(&mut self) -> Update {
        self.within(PATIENCE).await.expect("news should come")
    }
}

/// An owner of that name.
pub fn owner(name: &str) -> OwnerId {
    OwnerId::new(name).unwrap()
}

/// So many owners, each with a name of its own.
pub fn owners(name: &str, count: usize) -> Vec<OwnerId> {
    (0..count).map(|n| owner(&format!("{name}-{n}"))).collect()
}

/// A document that nobody takes for one of another version.
pub fn document(version: u64) -> Document {
    Document { version, body: Bytes::from(format!("{{\"version\":{version}}}")) }
}

/// A document to be stored.
pub(crate) fn value(owner: &OwnerId, lease: &Lease, document: &Document) -> StoreValue {
    StoreValue { owner: owner.clone(), lease: lease.clone(), document: document.clone() }
}
