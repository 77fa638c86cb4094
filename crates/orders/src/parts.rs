//! What a service is made of, and how it works.

use std::sync::Arc;

use async_trait::async_trait;
use cartwright_cache::{CartCache, DocumentCache, EventBus};
use cartwright_domain::{Clock, ProductId};
use cartwright_storage::ShopStore;

use crate::{HoldSettings, Processing, Strategy};

/// How the service works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How orders get at stock.
    pub strategy: Strategy,
    /// Orders in one transaction at most.
    pub batch: usize,
    /// Transactions at the same time. The next one waits for the one before, unless that is slow or as many wait as it has.
    pub transactions: usize,
    /// Orders that wait at most; more are refused as overload.
    pub waiting: usize,
    /// Whether lines of carts that the catalogue does not know may be bought.
    pub allow_unlisted: bool,
    /// Who takes orders on from there.
    pub processing: Processing,
    /// How long holds last, and how many there may be.
    pub holds: HoldSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            batch: 256,
            transactions: 3,
            waiting: 10_000,
            allow_unlisted: false,
            processing: Processing::default(),
            holds: HoldSettings::default(),
        }
    }
}

/// Hears of products of which there is none any more, or some again.
#[async_trait]
pub trait StockListener: Send + Sync + 'static {
    /// It has been so since a moment ago. Runs in the background, and is waited for at the end.
    async fn turned(&self, products: Vec<ProductId>);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct NobodyListens;

#[async_trait]
impl StockListener for NobodyListens {
    async fn turned(&self, _products: Vec<ProductId>) {}
}

/// What a service is made of.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn ShopStore>,
    /// The cache of carts, which is fenced off when one is checked out. `None`: there is none.
    pub cache: Option<Arc<dyn CartCache>>,
    /// The cache of histories. `None`: there is none, in no process that uses this store.
    pub histories: Option<Arc<dyn DocumentCache>>,
    /// Tells new versions of carts.
    pub events: Arc<dyn EventBus>,
    /// Who wants to know what is sold out.
    pub stock: Arc<dyn StockListener>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How it works.
    pub settings: Settings,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}
