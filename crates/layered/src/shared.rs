use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::{Head, Kept, ResultError, ResultLayer, breaker::Slow};

/// What has to stand under a key for it to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// What begins like this.
    Head(Head),
    /// Whatever.
    Anything,
}

/// A value to be put under a key.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where.
    pub key: String,
    /// Only if this stands there.
    pub expect: Expect,
    /// Begins with a [`Head`].
    pub value: Bytes,
    /// It is gone after this.
    pub ttl: Duration,
}

/// What became of a [`Put`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Was {
    /// Whether the value was put there.
    pub put: bool,
    /// What stood there before: all of it when nothing was put, at least its head otherwise. `None`: nothing.
    pub before: Option<Bytes>,
}

/// The shared layer cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the shared cache: {0}")]
pub struct SharedError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<Slow> for SharedError {
    fn from(slow: Slow) -> Self {
        Self(Box::new(slow))
    }
}

/// A cache that all nodes share: the second layer. It compares and sets; what stands under its keys is decided by those
/// who use it.
///
/// Each call is one round trip, however many keys.
#[async_trait]
pub trait SharedLayer: Send + Sync + std::fmt::Debug + 'static {
    /// The prefix of all keys at present. It changes whenever contents may have been lost in part, or have gone back in
    /// time; what was put under another one is then never looked at again. `None`: the layer must not be used now.
    fn namespace(&self) -> Option<Arc<str>>;

    /// Reads: one answer for each key. `latest`: what was put before this call must be seen; otherwise an answer may be
    /// as old as a few dozen milliseconds.
    ///
    /// # Errors
    /// [`SharedError`] when it does not answer.
    async fn read(
        &self,
        namespace: &str,
        keys: &[String],
        latest: bool,
    ) -> Result<Vec<Option<Bytes>>, SharedError>;

    /// Reads while there is no [`namespace`](Self::namespace), from where it was last: one answer for each key. For who
    /// can get nothing better, and says so: what is found may have been changed since.
    ///
    /// # Errors
    /// [`SharedError`] when it does not answer.
    async fn recall(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, SharedError> {
        Ok(vec![None; keys.len()])
    }

    /// Puts each value where what is expected stands. One answer for each. Atomic per key.
    ///
    /// # Errors
    /// [`SharedError`] when it does not answer: any of them may have been put.
    async fn put(&self, namespace: &str, puts: &[Put]) -> Result<Vec<Was>, SharedError>;

    /// Removes whatever stands under these keys, except another's [mark](Head::is_mark) than this; or puts `leave` in
    /// its place, for so long.
    ///
    /// # Errors
    /// [`SharedError`] when it does not answer: any of them may have been removed.
    async fn release(
        &self,
        namespace: &str,
        keys: &[String],
        mark: Head,
        leave: Option<(Head, Duration)>,
    ) -> Result<(), SharedError>;

    /// Whether it says in the log by itself when it does not answer, and again when it does.
    fn tells(&self) -> bool {
        false
    }

    /// Without a [`namespace`](Self::namespace): how much longer another node may go on to use the layer, because it
    /// has not noticed yet.
    fn quiet_in(&self) -> Duration {
        Duration::ZERO
    }
}

/// A shared layer in the process: for several caches of one program, and for tests. Unbounded: what is not read any more
/// goes when its time is up and somebody puts something.
#[derive(Debug, Default)]
pub struct MemoryShared {
    kept: Mutex<HashMap<String, (Bytes, Instant)>>,
}

/// After so many puts, what has run out is cleared away.
const SWEEP: usize = 1024;

impl MemoryShared {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, (Bytes, Instant)>, Instant) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        work(&mut kept, now)
    }
}

fn at(namespace: &str, key: &str) -> String {
    format!("{namespace}:{key}")
}

#[async_trait]
impl SharedLayer for MemoryShared {
    fn namespace(&self) -> Option<Arc<str>> {
        Some(Arc::from("memory"))
    }

    async fn read(
        &self,
        namespace: &str,
        keys: &[String],
        _latest: bool,
    ) -> Result<Vec<Option<Bytes>>, SharedError> {
        let found = |kept: &mut HashMap<String, (Bytes, Instant)>, now| {
            let live = |key: &String| kept.get(&at(namespace, key)).filter(|(_, until)| now < *until);
            keys.iter().map(|key| live(key).map(|(value, _)| value.clone())).collect()
        };
        Ok(self.with(found))
    }

    async fn put(&self, namespace: &str, puts: &[Put]) -> Result<Vec<Was>, SharedError> {
        Ok(self.with(|kept, now| {
            if kept.len() % SWEEP == SWEEP - 1 {
                kept.retain(|_, (_, until)| now < *until);
            }
            let one = |put: &Put| {
                let key = at(namespace, &put.key);
                let live = kept.get(&key).filter(|(_, until)| now < *until);
                let before = live.map(|(value, _)| value.clone());
                let expected = match put.expect {
                    Expect::Absent => before.is_none(),
                    Expect::Head(head) => before.as_deref().and_then(Head::of) == Some(head),
                    Expect::Anything => true,
                };
                if expected {
                    kept.insert(key, (put.value.clone(), now + put.ttl));
                }
                Was { put: expected, before }
            };
            puts.iter().map(one).collect()
        }))
    }

    async fn release(
        &self,
        namespace: &str,
        keys: &[String],
        mark: Head,
        leave: Option<(Head, Duration)>,
    ) -> Result<(), SharedError> {
        self.with(|kept, now| {
            for key in keys {
                let key = at(namespace, key);
                let live = kept.get(&key).filter(|(_, until)| now < *until);
                let head = live.and_then(|(value, _)| Head::of(value));
                if head.is_some_and(|head| head.is_mark() && head != mark) {
                    continue;
                }
                match leave {
                    Some((left, ttl)) => kept.insert(key, (left.value(), now + ttl)),
                    None => kept.remove(&key),
                };
            }
        });
        Ok(())
    }
}

#[async_trait]
impl ResultLayer for MemoryShared {
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, ResultError> {
        self.read("results", keys, true).await.map_err(|error| ResultError(error.into()))
    }

    async fn keep(&self, results: &[Kept]) -> Result<(), ResultError> {
        let put = |kept: &Kept| {
            let (key, value) = (kept.key.clone(), kept.value.clone());
            Put { key, expect: Expect::Anything, value, ttl: kept.ttl }
        };
        let puts: Vec<Put> = results.iter().map(put).collect();
        self.put("results", &puts).await.map(|_| ()).map_err(|error| ResultError(error.into()))
    }
}
