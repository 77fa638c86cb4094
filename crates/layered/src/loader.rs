use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use futures_util::future::try_join_all;

use crate::CacheKey;

/// From where a load may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadFrom {
    /// Where the truth is.
    Latest,
    /// A follower of the truth will do, if it has got to this position.
    AtLeast(u64),
}

/// What a loader says when it fails.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Knows the truth. Closures over keys and [`LoadFrom`] are loaders.
#[async_trait]
pub trait Loader<K: CacheKey>: Send + Sync + 'static {
    /// Loads: one answer for each key, in order; `None` where there is nothing.
    ///
    /// # Errors
    /// Any: what is kept of these keys is served, if it is not too old.
    async fn load(&self, keys: Vec<K>, from: LoadFrom) -> Result<Vec<Option<K::Value>>, Cause>;

    /// Whether several keys cost it as much as if each was asked for alone. Then each is, and nobody waits for another's.
    fn one_by_one(&self) -> bool {
        false
    }
}

#[async_trait]
impl<K, F, A> Loader<K> for F
where
    K: CacheKey,
    F: Fn(Vec<K>, LoadFrom) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Vec<Option<K::Value>>, Cause>> + Send,
{
    async fn load(&self, keys: Vec<K>, from: LoadFrom) -> Result<Vec<Option<K::Value>>, Cause> {
        self(keys, from).await
    }
}

/// Makes a loader of a closure that loads one key: for questions of which each is a query of its own.
pub fn each<F>(load: F) -> Each<F> {
    Each(load)
}

/// Loads keys one by one: see [`each`].
#[derive(Debug, Clone, Copy)]
pub struct Each<F>(F);

#[async_trait]
impl<K, F, A> Loader<K> for Each<F>
where
    K: CacheKey,
    F: Fn(K, LoadFrom) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<K::Value>, Cause>> + Send,
{
    async fn load(&self, keys: Vec<K>, from: LoadFrom) -> Result<Vec<Option<K::Value>>, Cause> {
        try_join_all(keys.into_iter().map(|key| self.0(key, from))).await
    }

    fn one_by_one(&self) -> bool {
        true
    }
}

/// A value could be neither loaded nor found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The loader failed.
    #[error("loading failed: {0}")]
    Failed(Arc<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("loading took too long")]
    TimedOut,
    /// It was not asked, because it has failed lately.
    #[error("loading has failed lately, and is not tried for a moment")]
    Paused,
    /// The runtime on which it ran has ended.
    #[error("loading was given up")]
    GivenUp,
}
