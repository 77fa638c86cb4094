use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Answer, CacheBuilder, CacheKey, CacheValue, Cause, Figures, Layered, LoadError, LoadFrom, Loader, Node,
    Policy,
};

/// What many values depend on: a category, the catalogue. Each has a generation; changing it leaves everything that was
/// kept under the one before where it is, to be asked for by nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub Arc<str>);

/// Which generation a tag is at: a random number, so that one that was lost never comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(pub u64);

impl CacheValue for Generation {
    fn encode(&self) -> Bytes {
        Bytes::from(format!("{:016x}", self.0))
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        u64::from_str_radix(std::str::from_utf8(&bytes).ok()?, 16).ok().map(Self)
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl CacheKey for Tag {
    type Value = Generation;
    const KIND: &'static str = "generation";
    // Nothing old for as long as it takes to load a new one: what depends on it would be old for as long as it lives.
    const POLICY: Policy = Policy::ttl(Duration::from_secs(3600))
        .stale_while_revalidate(Duration::ZERO)
        .stale_on_error(Duration::from_secs(24 * 3600));

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

/// A key whose value depends on tags.
pub trait TaggedKey: CacheKey {
    /// On these.
    fn tags(&self) -> Vec<Tag>;
}

/// A key, and the generations of its tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generated<K> {
    key: K,
    generation: u64,
}

impl<K: TaggedKey> CacheKey for Generated<K> {
    type Value = K::Value;
    const KIND: &'static str = K::KIND;
    const POLICY: Policy = K::POLICY;

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{:016x}:{}", self.generation, self.key.text()))
    }
}

/// A cache of values that depend on tags. Its keys hold the tags' generations as they were *before* the load began, so
/// that a value that was loaded too early is kept under a generation that is past.
#[derive(Clone)]
pub struct Tagged<K: TaggedKey> {
    values: Layered<Generated<K>>,
    generations: Layered<Tag>,
}

impl<K: TaggedKey> std::fmt::Debug for Tagged<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tagged").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

struct Plain<L>(L);

#[async_trait]
impl<K: TaggedKey, L: Loader<K>> Loader<Generated<K>> for Plain<L> {
    async fn load(&self, keys: Vec<Generated<K>>, from: LoadFrom) -> Result<Vec<Option<K::Value>>, Cause> {
        self.0.load(keys.into_iter().map(|generated| generated.key).collect(), from).await
    }

    fn one_by_one(&self) -> bool {
        self.0.one_by_one()
    }
}

impl<K: TaggedKey> Tagged<K> {
    /// A cache over a loader, whose tags' generations are in `generations`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        node: &Node,
        generations: &Layered<Tag>,
        describe: impl FnOnce(CacheBuilder<Generated<K>>) -> CacheBuilder<Generated<K>>,
        loader: impl Loader<K>,
    ) -> Self {
        let values = describe(node.cache()).over(Plain(loader));
        Self { values, generations: generations.clone() }
    }

    /// What is under a key.
    ///
    /// # Errors
    /// [`LoadError`] when a generation or the value can neither be found nor loaded.
    pub async fn get(&self, key: &K) -> Result<Answer<K::Value>, LoadError> {
        let mut hasher = DefaultHasher::new();
        for answer in self.generations.get_many(&key.tags()).await {
            answer?.value.map(|generation| generation.0).hash(&mut hasher);
        }
        self.values.get(&Generated { key: key.clone(), generation: hasher.finish() }).await
    }

    /// What happened since the cache was made.
    pub fn figures(&self) -> Figures {
        self.values.figures()
    }

    /// How many values are in memory, and how much room they take.
    pub fn resident(&self) -> (usize, u64) {
        self.values.resident()
    }
}
