//! What comes from purchases: what is bought most, what goes with a product, what somebody may like.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use cartwright_domain::{OwnerId, ProductId, TopWindow};
use cartwright_layered::{Answer, LoadError};

use crate::{
    CatalogService,
    kinds::{ProductKey, Ranking, RecommendationsKey, RelatedKey, TopKey},
};

/// Between two products whose related ones are loaded ahead: it must not cost much of what it saves.
const AHEAD_EVERY: Duration = Duration::from_millis(50);
/// How many related ones.
const AHEAD: u32 = 5;

impl CatalogService {
    /// What was bought most.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn top(&self, window: TopWindow, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.top.get(&TopKey::new(window, limit)).await
    }

    /// What was bought together with a product, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn related(&self, id: &ProductId, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.related.get(&RelatedKey(id.clone(), limit)).await
    }

    /// What somebody may like, as JSON.
    ///
    /// # Errors
    /// [`LoadError`] when it is in no cache and could not be read.
    pub async fn recommendations(&self, owner: &OwnerId, limit: u32) -> Result<Answer<Ranking>, LoadError> {
        self.inner.recommendations.get(&RecommendationsKey(owner.clone(), limit)).await
    }

    /// Loads what somebody will probably ask for soon, in the background: as when a session starts.
    pub fn warm_recommendations(&self, owner: &OwnerId, limit: u32) {
        self.inner.recommendations.prefetch([RecommendationsKey(owner.clone(), limit)]);
    }

    /// Whoever looks at a product may look at a related one next.
    pub(crate) fn look_ahead(&self, id: &ProductId) {
        let Some(last) = &self.inner.looked_ahead else { return };
        {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() < AHEAD_EVERY {
                return;
            }
            *last = Instant::now();
        }
        let (service, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if let Ok(Some(ranking)) = service.related(&id, AHEAD).await.map(|answer| answer.value) {
                service.inner.products.prefetch(ranking.ids.iter().cloned().map(ProductKey));
            }
        });
    }
}
