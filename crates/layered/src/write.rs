//! What was found out is put into the layers that did not know, in the background, and together with what else is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{CacheKey, Expect, Kept, Put, cache::Inner, entry::Entry};

/// For how long is gathered what nobody waits for. What was loaded under a lease is waited for.
const GATHER: Duration = Duration::from_millis(10);

/// Where in the shared layer a value belongs.
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) expect: Expect,
    pub(crate) ttl: Duration,
}

impl Place {
    pub(crate) fn put(self, value: Bytes) -> Put {
        let Self { key, expect, ttl } = self;
        Put { key, expect, value, ttl }
    }
}

impl<K: CacheKey> Inner<K> {
    /// Puts these into the shared layer, soon.
    pub(crate) fn fill(self: &Arc<Self>, puts: Vec<Put>) {
        if puts.is_empty() || self.node.inner.shared().is_none() || !self.fills.board(puts) {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let gather = if inner.leases { Duration::ZERO } else { GATHER };
            let mut drive = inner.fills.drive();
            while let Some(puts) = drive.next_after(gather).await {
                let Some((shared, namespace)) = inner.node.inner.shared() else { continue };
                // Failures are logged by the breaker, and cost a load later.
                let _ = shared.breaker.call(shared.layer.put(&namespace, &puts)).await;
            }
        });
    }

    /// For how long a result is to be kept in the third layer, if at all. `loaded`: it is no shared layer's.
    pub(crate) fn worth_keeping(&self, key: &str, entry: &Entry<K::Value>, loaded: bool) -> Option<Duration> {
        let admission = self.results.as_ref().filter(|_| entry.value.is_some())?;
        let age = self.node.inner.millis(Instant::now()).saturating_sub(entry.made);
        let ttl = self.policy.kept(entry.fresh).saturating_sub(Duration::from_millis(age));
        admission.admits(key, ttl, loaded).then_some(ttl)
    }

    /// Puts these into the third layer, soon.
    pub(crate) fn keep_results(self: &Arc<Self>, results: Vec<Kept>) {
        if results.is_empty() || !self.keeps.board(results) {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let mut drive = inner.keeps.drive();
            while let Some(results) = drive.next_after(GATHER).await {
                let Some(layer) = &inner.node.inner.results else { continue };
                // As above.
                let _ = layer.breaker.call(layer.layer.keep(&results)).await;
            }
        });
    }
}
