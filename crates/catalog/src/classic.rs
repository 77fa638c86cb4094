//! Any JSON document in the cache, under the id of a product: what clients kept there before there was a catalogue.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_domain::ProductId;
use cartwright_layered::{Answer, CacheKey, Cause, LoadError, LoadFrom, Loader, Policy, Target};
use cartwright_storage::{CachedResult, ShopStore};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{CatalogError, CatalogService, write::Touched};

/// For how long a document is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A document that somebody put there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DocumentKey(pub(crate) ProductId);

impl CacheKey for DocumentKey {
    type Value = Bytes;
    const KIND: &'static str = "document";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(600)).memory_ttl(Duration::from_secs(60));

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.as_str())
    }
}

/// Under which key of the kept results it is.
fn key(id: &ProductId) -> String {
    format!("classic:product:{id}")
}

impl CatalogService {
    /// Puts a document in the cache, on every node, over one that is there. Returns until when it is kept: a day.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be kept.
    pub async fn put_document(&self, id: ProductId, document: Bytes) -> Result<DateTime<Utc>, CatalogError> {
        let touched = Touched::behind(Target::from(&DocumentKey(id.clone())));
        self.write(touched, async move |service| {
            let expires_at = service.inner.clock.now() + KEPT;
            let result = CachedResult { bytes: document.to_vec(), expires_at };
            service.inner.store.keep_cached(&[(key(&id), result)]).await?;
            Ok((expires_at, Vec::new()))
        })
        .await
    }

    /// A document that was put in the cache.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn document(&self, id: &ProductId) -> Result<Answer<Bytes>, LoadError> {
        self.inner.documents.get(&DocumentKey(id.clone())).await
    }
}

pub(crate) fn documents_of(
    store: &Arc<dyn ShopStore>,
    clock: &Arc<dyn cartwright_domain::Clock>,
) -> impl Loader<DocumentKey> + use<> {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    move |keys: Vec<DocumentKey>, _from: LoadFrom| {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        async move {
            let keys: Vec<String> = keys.iter().map(|DocumentKey(id)| key(id)).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let kept = store.cached(&keys, clock.now()).await?.into_iter();
            Ok::<_, Cause>(kept.map(|kept| kept.map(|kept| Bytes::from(kept.bytes))).collect())
        }
    }
}
