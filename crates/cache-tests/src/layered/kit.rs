use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_layered::{
    Answer, Bus, CacheBuilder, CacheKey, Cause, Layer, Layered, LoadFrom, Loader, Node, Policy, SharedLayer,
    Target,
};
use tokio::sync::Semaphore;

/// How long a rule waits for what must come. Long, because it is only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a node shares with others.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The second layer.
    pub shared: Arc<dyn SharedLayer>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
}

/// Two nodes of one shop.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// What the first was made of.
    pub parts: Parts,
    /// One of them.
    pub one: Node,
    /// The other.
    pub other: Node,
}

impl Nodes {
    /// Starts them, and waits until they hear each other.
    pub async fn start(one: Parts, other: Parts) -> Self {
        let node = |parts: &Parts| {
            Node::builder().shared(Arc::clone(&parts.shared)).bus(Arc::clone(&parts.bus)).start()
        };
        let nodes = Self { one: node(&one), other: node(&other), parts: one };
        until("both nodes hear", async || nodes.one.hears() && nodes.other.hears()).await;
        nodes
    }

    /// A cache of items on both nodes, over the same truth.
    pub fn caches(
        &self,
        truth: &Arc<Truth>,
        describe: impl Fn(CacheBuilder<Item>) -> CacheBuilder<Item>,
    ) -> (Layered<Item>, Layered<Item>) {
        let cache = |node: &Node| describe(node.cache::<Item>()).over(truth.loader());
        (cache(&self.one), cache(&self.other))
    }

    /// Both with a thousand entries in memory.
    pub fn plain(&self, truth: &Arc<Truth>) -> (Layered<Item>, Layered<Item>) {
        self.caches(truth, |cache| cache.memory(1000))
    }
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(pub String);

impl CacheKey for Item {
    type Value = Bytes;
    const KIND: &'static str = "item";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(60));

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

/// A key of this name.
pub fn item(name: &str) -> Item {
    Item(name.to_owned())
}

/// What the caches are to show: a number for each item, written by one writer at a time.
#[derive(Debug, Default)]
pub struct Truth {
    numbers: Mutex<HashMap<String, u64>>,
    loaded: AtomicUsize,
    failing: AtomicBool,
    /// Loads wait here after they have looked, while it is closed.
    slow: Mutex<Option<Arc<Semaphore>>>,
}

impl Truth {
    /// Nothing.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// With one item.
    pub fn with(name: &str, number: u64) -> Arc<Self> {
        let truth = Self::new();
        truth.set(name, number);
        truth
    }

    /// Changes an item, and tells nobody.
    pub fn set(&self, name: &str, number: u64) {
        self.numbers.lock().unwrap().insert(name.to_owned(), number);
    }

    /// Changes an item as a service does.
    pub async fn change(&self, node: &Node, name: &str, number: u64) {
        let change = node.changing(vec![Target::from(&item(name))]).await.unwrap();
        self.set(name, number);
        change.done(None).await;
    }

    /// How many items were loaded.
    pub fn loaded(&self) -> usize {
        self.loaded.load(SeqCst)
    }

    /// Lets loads fail, or not.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, SeqCst);
    }

    /// Loads look at the truth, and then wait until so many permits are there.
    pub fn hold(&self) -> Arc<Semaphore> {
        let held = Arc::new(Semaphore::new(0));
        *self.slow.lock().unwrap() = Some(Arc::clone(&held));
        held
    }

    /// What knows this truth.
    pub fn loader(self: &Arc<Self>) -> impl Loader<Item> {
        let truth = Arc::clone(self);
        move |keys: Vec<Item>, _from: LoadFrom| {
            let truth = Arc::clone(&truth);
            async move { truth.load(keys).await }
        }
    }

    async fn load(&self, keys: Vec<Item>) -> Result<Vec<Option<Bytes>>, Cause> {
        self.loaded.fetch_add(keys.len(), SeqCst);
        if self.failing.load(SeqCst) {
            return Err("the truth is out".into());
        }
        let found = {
            let numbers = self.numbers.lock().unwrap();
            keys.iter().map(|key| numbers.get(&key.0).map(|n| Bytes::from(n.to_string()))).collect()
        };
        let slow = self.slow.lock().unwrap().clone();
        if let Some(slow) = slow {
            slow.acquire().await?.forget();
        }
        Ok(found)
    }
}

/// The number that a cache shows, if it shows one.
pub fn number(answer: &Answer<Bytes>) -> Option<u64> {
    answer.value.as_ref().map(|value| std::str::from_utf8(value).unwrap().parse().unwrap())
}

/// What a cache shows of an item, and which layer says so.
pub async fn shown(cache: &Layered<Item>, name: &str) -> (Option<u64>, Layer) {
    let answer = cache.get(&item(name)).await.unwrap();
    (number(&answer), answer.layer)
}

/// Waits for something that must come true.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
