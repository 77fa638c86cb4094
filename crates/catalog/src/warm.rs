//! What was asked for most is remembered in the store, and loaded at the next start.

use cartwright_domain::{ProductId, TopWindow};
use cartwright_storage::CachedResult;
use chrono::TimeDelta;

use crate::{CatalogError, CatalogService, kinds::ProductKey};

/// Under which key of the kept results the ids are.
const HOT: &str = "hot:product";
/// How long they are of interest.
const KEPT: TimeDelta = TimeDelta::days(7);
/// How many of the products that are bought most are loaded at the start.
const TOP: u32 = 100;

impl CatalogService {
    /// Loads what was asked for most before, and what is bought most, at most so many products a second, so that a new
    /// node is no burden. Returns how many it loaded.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be read what that was.
    pub async fn warm(&self, per_second: usize) -> Result<usize, CatalogError> {
        let top = self.top(TopWindow::default(), TOP).await?.value;
        let kept =
            self.inner.store.cached(&[HOT], self.inner.clock.now()).await?.into_iter().next().flatten();
        let kept = kept.map(|kept| String::from_utf8_lossy(&kept.bytes).into_owned()).unwrap_or_default();
        let mut ids: Vec<ProductId> = kept.split_ascii_whitespace().flat_map(ProductId::new).collect();
        ids.extend(top.iter().flat_map(|top| top.ids.iter().cloned()));
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<ProductKey> = ids.into_iter().map(ProductKey).collect();
        Ok(self.inner.products.warm(&keys, per_second).await)
    }

    /// Writes down what is asked for most at present.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn remember_hot_products(&self) -> Result<(), CatalogError> {
        let ids = self.hot_products();
        if ids.is_empty() {
            return Ok(()); // better what was so before than nothing
        }
        let ids: Vec<&str> = ids.iter().map(ProductId::as_str).collect();
        let expires_at = self.inner.clock.now() + KEPT;
        let result = CachedResult { bytes: ids.join(" ").into_bytes(), expires_at };
        Ok(self.inner.store.keep_cached(&[(HOT.to_owned(), result)]).await?)
    }
}
