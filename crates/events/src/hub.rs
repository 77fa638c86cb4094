//! Tells the listeners of this process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use cartwright_domain::OwnerId;
use cartwright_storage::Event;
use tokio::sync::broadcast;

/// How many events a listener of everything may be behind before he reads them from the store. What waits is shared by all.
const BACKLOG: usize = 1_024;
/// The same for one owner's.
const OWN_BACKLOG: usize = 32;

type Sender = broadcast::Sender<Arc<Event>>;

/// Where events arrive that were numbered since the first listener came.
#[derive(Default)]
pub(crate) struct Hub {
    channels: Mutex<Channels>,
    /// All up to this number were told. Set after they were.
    position: AtomicU64,
}

#[derive(Default)]
struct Channels {
    everything: Option<Sender>,
    of: HashMap<OwnerId, Sender>,
}

impl Channels {
    fn is_empty(&self) -> bool {
        self.everything.is_none() && self.of.is_empty()
    }
}

impl Hub {
    /// Listens: to one owner's events, or to all. `last`: the number of the last event a moment ago, from which it is
    /// told when nobody has listened until now.
    pub(crate) fn listen(self: &Arc<Self>, owner: Option<&OwnerId>, last: u64) -> Subscription {
        let mut channels = self.lock();
        if channels.is_empty() {
            self.position.fetch_max(last, Ordering::AcqRel);
        }
        let receiver = match owner {
            None => channels.everything.get_or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe(),
            Some(owner) => {
                let open = || broadcast::channel(OWN_BACKLOG).0;
                channels.of.entry(owner.clone()).or_insert_with(open).subscribe()
            }
        };
        Subscription { receiver: Some(receiver), owner: owner.cloned(), hub: Arc::clone(self) }
    }

    /// After which number to go on. `None`: nobody listens.
    pub(crate) fn wanted(&self) -> Option<u64> {
        let channels = self.lock();
        (!channels.is_empty()).then(|| self.position())
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Tells events; all up to `looked` were looked at.
    pub(crate) fn tell(&self, events: Vec<Event>, looked: u64) {
        let channels = self.lock();
        for event in events.into_iter().map(Arc::new) {
            if let Some(channel) = event.owner.as_ref().and_then(|owner| channels.of.get(owner)) {
                let _ = channel.send(Arc::clone(&event)); // nobody left to hear it: fine
            }
            if let Some(channel) = &channels.everything {
                let _ = channel.send(event);
            }
        }
        self.position.fetch_max(looked, Ordering::AcqRel);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody listening.
pub(crate) struct Subscription {
    receiver: Option<broadcast::Receiver<Arc<Event>>>,
    owner: Option<OwnerId>,
    hub: Arc<Hub>,
}

impl Subscription {
    /// The next event. `None`: some were missed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Arc<Event>> {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // The hub has the other end as long as somebody listens.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Up to where everything was heard. `None`: something is still to be heard.
    pub(crate) fn heard_up_to(&self) -> Option<u64> {
        // In this order: what is told up to the position is in the channel before.
        let position = self.hub.position();
        self.receiver.as_ref().is_some_and(broadcast::Receiver::is_empty).then_some(position)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = self.hub.lock();
        self.receiver = None; // before counting, so that this one does not count
        let deserted = |sender: &Sender| sender.receiver_count() == 0;
        match &self.owner {
            None => channels.everything = channels.everything.take().filter(|sender| !deserted(sender)),
            Some(owner) if channels.of.get(owner).is_some_and(deserted) => {
                channels.of.remove(owner);
            }
            Some(_) => {}
        }
    }
}
