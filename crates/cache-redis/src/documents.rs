//! Documents of owners, on the primary of the carts' opening.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_cache::{CacheRead, DocumentCache, StoreValue, Unfenced};
use cartwright_domain::{Gate, GateState, OwnerId};

use crate::{RedisCartCache, carts::Inner, value::Family};

/// What documents are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// Histories of orders, under `orders:<namespace>:<owner>`.
    Histories,
    /// Profiles, under `profile:<namespace>:<owner>`.
    Profiles,
}

impl From<Documents> for Family {
    fn from(documents: Documents) -> Self {
        match documents {
            Documents::Histories => Self::Histories,
            Documents::Profiles => Self::Profiles,
        }
    }
}

/// Documents of owners on Redis, on the primary only: what was removed there is gone for everybody.
pub struct RedisDocumentCache {
    inner: Arc<Inner>,
    documents: Documents,
    ttl: Duration,
}

impl std::fmt::Debug for RedisDocumentCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisDocumentCache")
            .field("documents", &self.documents)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl RedisDocumentCache {
    /// On the servers, over the connections and under the gate of this cache. A document is kept for about as long as `ttl`.
    pub fn beside(carts: &RedisCartCache, documents: Documents, ttl: Duration) -> Self {
        Self { inner: Arc::clone(&carts.inner), documents, ttl }
    }
}

#[async_trait]
impl DocumentCache for RedisDocumentCache {
    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        let claim = async |opening: &_| self.inner.claim(opening, self.documents.into(), owners).await;
        self.inner.under_view(owners, claim).await
    }

    async fn store(&self, values: Vec<StoreValue>) {
        self.inner.store(self.documents.into(), self.ttl, &values).await;
    }

    fn opening(&self) -> Option<Gate> {
        let view = self.inner.views.current();
        view.usable().map(|opening| Gate { epoch: view.epoch, state: GateState::Open(opening.gate.clone()) })
    }

    async fn forget(&self, gate: &Gate, owners: &[OwnerId]) -> Result<(), Unfenced> {
        match self.inner.opening_of(gate)? {
            Some(open) if !owners.is_empty() => {
                let forgotten = self.inner.forget(open, self.documents.into(), owners).await;
                forgotten.map_err(Unfenced::Unreachable)
            }
            _ => Ok(()),
        }
    }
}
