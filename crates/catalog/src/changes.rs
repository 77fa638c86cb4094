//! Telling the caches, ours and those in front, of what changes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cartwright_edge::{Purger, SurrogateKey};
use cartwright_layered::{Change, Node, Tag, Target};
use cartwright_storage::{ShopStore, StorageError};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{CatalogError, surrogate};

/// How long a change waits for the caches to be told, or to be out of use everywhere.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the shared cache stays out of use at least after it could not be told something.
const SHUT: Duration = Duration::from_secs(2);
/// Tags that change again within this time change once.
const COALESCED: Duration = Duration::from_millis(250);

/// Tells the caches before and after.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) node: Node,
    pub(crate) store: Arc<dyn ShopStore>,
    pub(crate) edge: Purger,
}

impl Announcer {
    /// Says that these are going to change. When the shared cache cannot be told, it is put out of use for everybody.
    pub(crate) async fn announce(&self, targets: &[Target]) -> Result<Change, CatalogError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.node.changing(targets.to_vec()).await {
                Ok(change) => return Ok(change),
                Err(error) => {
                    tracing::debug!(%error, "a change could not be announced");
                    let gate = self.store.gate().await?;
                    if gate.open().is_some() && self.store.close_gate(gate.epoch, SHUT).await? {
                        tracing::warn!(%error, "the shared cache is closed: it could not be told of a change");
                    }
                }
            }
            if Instant::now() >= until {
                return Err(CatalogError::Fence);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// They have changed. When it cannot be said how far the database has got by it, nothing is said: then nobody keeps
    /// them until the announcement runs out, and by then everybody has the change.
    ///
    /// The edge is told afterwards: what it fetches then is new, and also if it is not known whether anything was
    /// written.
    pub(crate) async fn declare(&self, change: Change, keys: Vec<SurrogateKey>) {
        match self.store.position().await {
            Ok(position) => change.done(position.map(|position| position.0)).await,
            Err(error) => tracing::debug!(%error, "a change could not be declared done"),
        }
        self.edge.changed(keys);
    }
}

enum Order {
    Bump(Vec<Tag>),
    Flush(oneshot::Sender<()>),
}

/// Gives tags new generations, in the background: what comes together is done together.
pub(crate) struct Bumper {
    orders: mpsc::UnboundedSender<Order>,
}

impl Bumper {
    pub(crate) fn start(announcer: Announcer) -> Self {
        let (orders, wanted) = mpsc::unbounded_channel();
        tokio::spawn(work(announcer, wanted));
        Self { orders }
    }

    pub(crate) fn bump(&self, tags: impl IntoIterator<Item = Tag>) {
        let _ = self.orders.send(Order::Bump(tags.into_iter().collect())); // it works as long as we live
    }

    /// Waits until what was wanted is done.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.orders.send(Order::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

async fn work(announcer: Announcer, mut wanted: mpsc::UnboundedReceiver<Order>) {
    let mut tags = BTreeSet::new();
    let mut flushed = Vec::new();
    loop {
        // Until there is something; then whatever else there is.
        match wanted.recv().await {
            None => return,
            Some(order) => take(order, &mut tags, &mut flushed),
        }
        while let Ok(order) = wanted.try_recv() {
            take(order, &mut tags, &mut flushed);
        }
        while !tags.is_empty() {
            match bump(&announcer, &tags).await {
                Ok(()) => tags.clear(),
                Err(error) => {
                    tracing::warn!(%error, "lists and searches cannot be renewed: trying again");
                    tokio::time::sleep(COALESCED * 4).await;
                    while let Ok(order) = wanted.try_recv() {
                        take(order, &mut tags, &mut flushed);
                    }
                    if !flushed.is_empty() {
                        break; // somebody wants to go; they run out by themselves
                    }
                }
            }
        }
        for flushed in flushed.drain(..) {
            let _: Result<(), ()> = flushed.send(());
        }
        tokio::time::sleep(COALESCED).await;
    }
}

fn take(order: Order, tags: &mut BTreeSet<Tag>, flushed: &mut Vec<oneshot::Sender<()>>) {
    match order {
        Order::Bump(more) => tags.extend(more),
        Order::Flush(done) => flushed.push(done),
    }
}

async fn bump(announcer: &Announcer, tags: &BTreeSet<Tag>) -> Result<(), CatalogError> {
    let targets: Vec<Target> = tags.iter().map(Target::from).collect();
    let change = announcer.announce(&targets).await?;
    let names: Vec<&str> = tags.iter().map(|tag| &*tag.0).collect();
    let bumped: Result<(), StorageError> = announcer.store.bump_generations(&names).await;
    announcer.declare(change, tags.iter().map(surrogate::of_tag).collect()).await;
    Ok(bumped?)
}
