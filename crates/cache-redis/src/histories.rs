//! Histories of orders, on the primary of the carts' opening.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_cache::{CacheRead, HistoryCache, StoreValue, Unfenced};
use cartwright_domain::{Gate, GateState, OwnerId};

use crate::{RedisCartCache, carts::Inner, value::Family};

/// Histories of orders on Redis, under `orders:<namespace>:<owner>`, on the primary only: what was removed there is gone for
/// everybody.
pub struct RedisHistoryCache {
    inner: Arc<Inner>,
    ttl: Duration,
}

impl std::fmt::Debug for RedisHistoryCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisHistoryCache").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl RedisHistoryCache {
    /// On the servers, over the connections and under the gate of this cache. A history is kept for about as long as `ttl`.
    pub fn beside(carts: &RedisCartCache, ttl: Duration) -> Self {
        Self { inner: Arc::clone(&carts.inner), ttl }
    }
}

#[async_trait]
impl HistoryCache for RedisHistoryCache {
    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead> {
        let claim = async |opening: &_| self.inner.claim(opening, Family::Histories, owners).await;
        self.inner.under_view(owners, claim).await
    }

    async fn store(&self, values: Vec<StoreValue>) {
        self.inner.store(Family::Histories, self.ttl, &values).await;
    }

    fn opening(&self) -> Option<Gate> {
        let view = self.inner.views.current();
        view.usable().map(|opening| Gate { epoch: view.epoch, state: GateState::Open(opening.gate.clone()) })
    }

    async fn forget(&self, gate: &Gate, owners: &[OwnerId]) -> Result<(), Unfenced> {
        match self.inner.opening_of(gate)? {
            Some(open) if !owners.is_empty() => {
                self.inner.forget(open, owners).await.map_err(Unfenced::Unreachable)
            }
            _ => Ok(()),
        }
    }
}
