use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use cartwright_domain::OwnerId;
use tokio::sync::broadcast;

/// A cart got a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartEvent {
    /// Whose cart.
    pub owner: OwnerId,
    /// The version it got, [`u64::MAX`] when only that it changed is known.
    pub version: u64,
}

/// What a subscriber is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// The cart has this version now, or a later one. May come after an update with a later version.
    Version(u64),
    /// Events may have been missed: look at the cart.
    Missed,
}

/// Tells every node of new versions of carts. Best effort: who missed something is told so.
#[async_trait]
pub trait EventBus: Send + Sync + std::fmt::Debug + 'static {
    /// Tells everybody.
    async fn publish(&self, events: &[CartEvent]);

    /// Listens to one cart, until the subscription is dropped.
    fn subscribe(&self, owner: &OwnerId) -> Subscription;
}

/// How many updates a slow listener may be behind before it is told [`Update::Missed`].
const BACKLOG: usize = 16;

type Channels = Mutex<HashMap<OwnerId, broadcast::Sender<Update>>>;

/// Delivers events to the listeners of this process. The whole bus of a single node.
#[derive(Debug, Clone, Default)]
pub struct EventHub {
    channels: Arc<Channels>,
}

impl EventHub {
    /// Without listeners.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the listeners of one cart.
    pub fn deliver(&self, owner: &OwnerId, update: Update) {
        if let Some(channel) = lock(&self.channels).get(owner) {
            let _ = channel.send(update); // nobody left to hear it: fine
        }
    }

    /// Tells all listeners that something may have been missed.
    pub fn missed(&self) {
        for channel in lock(&self.channels).values() {
            let _ = channel.send(Update::Missed);
        }
    }

    /// The carts that somebody listens to.
    pub fn owners(&self) -> Vec<OwnerId> {
        lock(&self.channels).keys().cloned().collect()
    }

    /// Listens to one cart. The second value says whether nobody did so before.
    pub fn listen(&self, owner: &OwnerId) -> (Subscription, bool) {
        let mut channels = lock(&self.channels);
        let fresh = !channels.contains_key(owner);
        let channel = channels.entry(owner.clone()).or_insert_with(|| broadcast::channel(BACKLOG).0);
        let subscription = Subscription {
            receiver: Some(channel.subscribe()),
            owner: owner.clone(),
            channels: Arc::clone(&self.channels),
            on_last: None,
        };
        (subscription, fresh)
    }
}

#[async_trait]
impl EventBus for EventHub {
    async fn publish(&self, events: &[CartEvent]) {
        for event in events {
            self.deliver(&event.owner, Update::Version(event.version));
        }
    }

    fn subscribe(&self, owner: &OwnerId) -> Subscription {
        self.listen(owner).0
    }
}

/// Somebody listening to a cart.
pub struct Subscription {
    receiver: Option<broadcast::Receiver<Update>>,
    owner: OwnerId,
    channels: Arc<Channels>,
    on_last: Option<Box<dyn FnOnce(OwnerId) + Send + Sync>>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Waits for news. Cancel safe.
    pub async fn next(&mut self) -> Update {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(update) => update,
            Err(broadcast::error::RecvError::Lagged(_)) => Update::Missed,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Calls `then` when the last listener of this cart in the process is gone.
    #[must_use]
    pub fn when_last(mut self, then: impl FnOnce(OwnerId) + Send + Sync + 'static) -> Self {
        self.on_last = Some(Box::new(then));
        self
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = lock(&self.channels);
        self.receiver = None; // before counting, so that this one does not count
        if channels.get(&self.owner).is_some_and(|channel| channel.receiver_count() == 0) {
            channels.remove(&self.owner);
            // under the lock, so that "last one left" and "first one came" reach the bus in the order they happened
            if let Some(then) = self.on_last.take() {
                then(self.owner.clone());
            }
        }
    }
}

fn lock(channels: &Channels) -> std::sync::MutexGuard<'_, HashMap<OwnerId, broadcast::Sender<Update>>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_hear_their_cart_only_and_leave_nothing_behind() {
        let hub = EventHub::new();
        let (ana, bob) = (OwnerId::new("ana").unwrap(), OwnerId::new("bob").unwrap());
        let mut heard = hub.subscribe(&ana);
        hub.publish(&[CartEvent { owner: bob, version: 1 }, CartEvent { owner: ana.clone(), version: 2 }])
            .await;
        assert_eq!(heard.next().await, Update::Version(2));
        for version in 3..40 {
            hub.deliver(&ana, Update::Version(version));
        }
        assert_eq!(heard.next().await, Update::Missed);
        drop(heard);
        assert!(hub.owners().is_empty());
    }
}
