use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Audience, Bus, CacheKey, Head, Heard, ResultLayer, SharedLayer, Target,
    breaker::Breaker,
    builder::CacheBuilder,
    change::Change,
    trust::{DEAF_AFTER, Trust},
};

/// How often a node sends itself an echo.
const ECHO: Duration = Duration::from_millis(40);
/// How many echoes may be under way: more than fit into the time after which a node believes that it is deaf.
const ECHOES: usize = 8;

/// What the layered caches of one process have in common: the shared layer, the bus, and what may be believed.
///
/// Caches are made with [`cache`](Self::cache). Clones are the same node.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

/// What a node is made of. Without a shared layer and a bus it is alone.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    shared: Option<Arc<dyn SharedLayer>>,
    results: Option<Arc<dyn ResultLayer>>,
    bus: Option<Arc<dyn Bus>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    id: u64,
    pub(crate) trust: Trust,
    pub(crate) shared: Option<Guarded<dyn SharedLayer>>,
    pub(crate) results: Option<Guarded<dyn ResultLayer>>,
    pub(crate) bus: Option<Arc<dyn Bus>>,
    wall: Wall,
    echoes: Mutex<VecDeque<(u64, Instant)>>,
    /// What the last echo took, there and back, in microseconds.
    lag: AtomicU64,
}

/// A layer, and the breaker before it.
#[derive(Debug)]
pub(crate) struct Guarded<T: ?Sized> {
    pub(crate) breaker: Breaker,
    pub(crate) layer: Arc<T>,
}

/// The time of day, which others understand, counted on from one look at it: a clock that is set does not confuse it.
#[derive(Debug, Clone, Copy)]
struct Wall {
    millis: u64,
    at: Instant,
}

impl Wall {
    #[expect(
        clippy::disallowed_methods,
        reason = "looked at once; from then on, tokio's clock, which tests move"
    )]
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), at: Instant::now() }
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.at).as_millis();
        self.millis.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// What goes over the bus.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// A node asks itself whether it hears.
    Echo {
        /// Which node.
        node: u64,
        /// Which echo of it.
        number: u64,
    },
    /// These are going to change.
    Changing {
        /// What.
        targets: Vec<String>,
        /// Names the change.
        mark: String,
        /// For how long nothing of this may be kept, unless the end is heard of before, in milliseconds.
        hold: u64,
    },
    /// These have changed.
    Changed {
        /// What.
        targets: Vec<String>,
        /// Names the change.
        mark: String,
        /// Where the truth had got to after it.
        position: Option<u64>,
    },
}

impl NodeBuilder {
    /// The second layer.
    #[must_use]
    pub fn shared(mut self, layer: Arc<dyn SharedLayer>) -> Self {
        self.shared = Some(layer);
        self
    }

    /// The third layer.
    #[must_use]
    pub fn results(mut self, layer: Arc<dyn ResultLayer>) -> Self {
        self.results = Some(layer);
        self
    }

    /// How nodes tell each other what has changed. A node without a bus believes that it is alone.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Starts the node on the current tokio runtime. It ends when the last clone of it, and the last of its caches, is
    /// dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Node {
        let inner = Arc::new(Inner {
            id: rand::random(),
            trust: Trust::new(self.bus.is_none()),
            shared: self.shared.map(|layer| {
                let breaker = Breaker::new("the shared cache").quiet(layer.tells());
                Guarded { breaker, layer }
            }),
            results: self.results.map(|layer| Guarded { breaker: Breaker::new("the kept results"), layer }),
            bus: self.bus,
            wall: Wall::new(),
            echoes: Mutex::default(),
            lag: AtomicU64::new(0),
        });
        if let Some(bus) = &inner.bus {
            let node = Arc::downgrade(&inner);
            bus.listen(Box::new(move |heard| node.upgrade().map(|node| node.hear(heard)).is_some()));
            tokio::spawn(echo(Arc::downgrade(&inner)));
        }
        Node { inner }
    }
}

impl Node {
    /// Describes a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// A node alone: memory and loaders.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn alone() -> Self {
        Self::builder().start()
    }

    /// Describes a cache of this node, for one kind of data.
    pub fn cache<K: CacheKey>(&self) -> CacheBuilder<K> {
        CacheBuilder::new(self.clone())
    }

    /// Says that these are going to change, before the change can be seen by anybody. Until [`Change::done`] is called,
    /// or a few seconds have passed, nobody keeps them.
    ///
    /// # Errors
    /// [`Untold`](crate::Untold): others may go on to serve what they have. Somebody else has to see to it that the
    /// shared layer's namespace changes, or the change has to wait.
    pub async fn changing(&self, targets: Vec<Target>) -> Result<Change, crate::Untold> {
        Change::begin(self, targets).await
    }

    /// Whether this node hears what others change. While it does not, it keeps nothing for longer than a tenth of a
    /// second.
    pub fn hears(&self) -> bool {
        self.inner.trust.hears(Instant::now())
    }

    /// A number that stays the same as long as this node hears of no change. What was made of cached values after it was
    /// read may be used again while it is the same. `None`: this node cannot tell.
    pub fn moment(&self) -> Option<u64> {
        self.inner.trust.moment(Instant::now())
    }

    /// Asks where the truth has got to, so that loads may read from followers that are as far
    /// ([`LoadFrom::AtLeast`](crate::LoadFrom)). To be called every now and then.
    ///
    /// # Errors
    /// Whatever `ask` says.
    pub async fn learn_position<E>(&self, ask: impl AsyncFnOnce() -> Result<u64, E>) -> Result<(), E> {
        let epoch = self.inner.trust.epoch();
        self.inner.trust.learn(ask().await?, epoch);
        Ok(())
    }

    /// How long an invalidation takes from one node to another, about: half of what the last echo took. `None`: there is
    /// no bus, or no echo yet.
    pub fn invalidation_lag(&self) -> Option<Duration> {
        let micros = self.inner.lag.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros / 2))
    }
}

impl Inner {
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        self.wall.millis(at)
    }

    /// The shared layer and its namespace, while they may be used.
    pub(crate) fn shared(&self) -> Option<(&Guarded<dyn SharedLayer>, Arc<str>)> {
        let shared = self.shared.as_ref()?;
        Some((shared, shared.layer.namespace()?))
    }

    fn hear(&self, heard: Heard) {
        let Heard::Message(text) = heard else { return self.trust.missed() };
        let Ok(message) = serde_json::from_slice::<Message>(&text) else {
            tracing::warn!("a message on the bus of invalidations cannot be read: nodes of another version?");
            return self.trust.missed();
        };
        match message {
            Message::Echo { node, number } if node == self.id => {
                let mut echoes = self.echoes();
                let Some(&(_, sent)) = echoes.iter().find(|(sent, _)| *sent == number) else { return };
                echoes.retain(|(other, _)| *other > number);
                drop(echoes);
                self.trust.echo(sent);
                let took = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.lag.store(took.max(1), Relaxed);
            }
            Message::Echo { .. } => {}
            Message::Changing { targets, mark, hold } => match Head::of(mark.as_bytes()) {
                Some(mark) => self.trust.begin(names(&targets), mark, Duration::from_millis(hold)),
                None => self.trust.missed(),
            },
            Message::Changed { targets, mark, position } => match Head::of(mark.as_bytes()) {
                Some(mark) => {
                    if let Some(position) = position {
                        self.trust.raise(position); // before a load can begin for want of what is dropped next
                    }
                    self.trust.end(names(&targets), mark);
                }
                None => self.trust.missed(),
            },
        }
    }

    fn sends(&self, number: u64) {
        let mut echoes = self.echoes();
        if echoes.len() >= ECHOES {
            echoes.pop_front();
        }
        echoes.push_back((number, Instant::now()));
    }

    fn echoes(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(targets: &[String]) -> impl Iterator<Item = &str> {
    targets.iter().map(String::as_str)
}

impl Message {
    pub(crate) fn text(&self) -> Bytes {
        // Numbers and strings: there is nothing in it that cannot be written.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }
}

/// Sends echoes, and looks after the namespace: what was read under another one is not believed.
async fn echo(node: Weak<Inner>) {
    let mut ticks = tokio::time::interval(ECHO);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut namespace: Option<Arc<str>> = None;
    for number in 0.. {
        ticks.tick().await;
        let Some(node) = node.upgrade() else { return };
        if let Some(shared) = &node.shared {
            let now = shared.layer.namespace();
            if now != namespace {
                node.trust.missed();
                namespace = now;
            }
            if namespace.is_none() {
                // Whoever changes something cannot tell us by way of a layer that is out of use, and need not.
                node.trust.deafen();
                node.echoes().clear();
                continue;
            }
        }
        let Some(bus) = node.bus.clone() else { return };
        node.sends(number);
        let message = Message::Echo { node: node.id, number }.text();
        drop(node);
        // A bus that hangs must not stop the next echo from finding out.
        let _ = tokio::time::timeout(DEAF_AFTER, bus.publish(Audience::Echo, message)).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let number =
            prop_oneof![Just("18446744073709551615".to_owned()), Just("null".to_owned()), "-?[0-9]{1,21}"];
        let mark = "[DLMC]?[0-9a-f]{14,17}|\\PC{0,4}";
        let said = (select(&["echo", "changing", "changed", "other"]), [number.clone(), number], mark);
        prop_oneof![
            6 => said.prop_map(|(kind, [one, other], mark)| format!(
                r#"{{"{kind}":{{"node":{one},"number":{other},"targets":["a","b"],"mark":"{mark}","hold":{one},"position":{other}}}}}"#
            )),
            1 => "\\PC{0,40}",
        ]
    }

    fn select(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        proptest::sample::select(of)
    }

    proptest! {
        /// It is heard, or taken for a message that was missed.
        #[test]
        fn whatever_is_said_does_no_harm(texts in vec(text(), 0..6), noise in vec(any::<u8>(), 0..30)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            let node = Node::alone();
            for text in texts {
                node.inner.hear(Heard::Message(Bytes::from(text)));
            }
            node.inner.hear(Heard::Message(Bytes::from(noise)));
            let _ = (node.moment(), node.hears());
        }
    }
}
