//! What somebody is shown first of his orders, by way of the cache.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_cache::{Document, Layer};
use cartwright_coherence::{DocumentFigures, DocumentReads, Found, Load};
use cartwright_domain::{Order, OrderQuery, OwnerId};
use cartwright_storage::{ListedOrders, ShopStore};

use crate::{OrderService, OrdersError, service::Shared};

/// What somebody is shown of his orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The document.
    pub body: Bytes,
    /// The part of the cache that had it. `None`: it comes from the database.
    pub layer: Option<Layer>,
}

/// Reads by way of the cache.
pub(crate) type Reads = DocumentReads<FirstPage>;

pub(crate) fn figures() -> DocumentFigures {
    DocumentFigures::register("cartwright_order_history_reads_total", "cartwright_order_histories_total")
}

pub(crate) fn reads(shared: &Shared) -> Reads {
    let (cache, load) = (shared.forgetting.cache.clone(), FirstPage(Arc::clone(&shared.store)));
    DocumentReads::new(cache, load, shared.figures.histories.clone(), shared.settings.waiting, &shared.tasks)
}

/// The first page of somebody's orders.
pub(crate) struct FirstPage(Arc<dyn ShopStore>);

#[async_trait]
impl Load for FirstPage {
    type Loaded = Arc<ListedOrders>;
    type Error = OrdersError;

    async fn load(&self, owner: &OwnerId) -> Result<Arc<ListedOrders>, OrdersError> {
        let query = OrderQuery { owner: Some(owner.clone()), ..OrderQuery::default() };
        Ok(Arc::new(self.0.list_orders(&query).await?))
    }
}

impl Shared {
    /// Before anybody is told of orders that are committed: nobody is shown a history without them. Also of those that were
    /// there before: whoever made them may have died before he came to this.
    pub(crate) async fn forget_histories<T>(
        &self,
        told: Vec<T>,
        order: impl Fn(&T) -> Option<&Order>,
    ) -> Result<Vec<T>, OrdersError> {
        self.forget(told.iter().filter_map(order).map(|order| &order.owner)).await?;
        Ok(told)
    }

    pub(crate) async fn forget(&self, owners: impl Iterator<Item = &OwnerId>) -> Result<(), OrdersError> {
        let owners = self.to_forget(owners);
        self.forgetting.forget(&*self.store, &owners).await?;
        self.figures.histories.forgotten.increment(owners.len() as u64);
        Ok(())
    }

    /// What was asked for may have been done, or not: whoever looks into his history to find out is not misled by what is cached,
    /// unless the cache is out of reach as well.
    pub(crate) async fn doubt(&self, owners: impl Iterator<Item = &OwnerId>) {
        let owners = self.to_forget(owners);
        self.forgetting.try_to_forget(&owners).await;
    }

    fn to_forget<'a>(&self, owners: impl Iterator<Item = &'a OwnerId>) -> Vec<OwnerId> {
        if self.forgetting.cache.is_none() {
            return Vec::new();
        }
        let mut owners: Vec<&OwnerId> = owners.collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().cloned().collect()
    }
}

impl OrderService {
    /// What somebody is shown first of his orders: the first numbered page of the usual size, as `render` writes it. It has
    /// every order and every step that anybody was told of before the call, on whichever node.
    ///
    /// What is cached is what `render` wrote, for all processes that share the cache: they must write the same.
    ///
    /// # Errors
    /// Those of the store, [`OrdersError::Overloaded`], [`OrdersError::ShuttingDown`], and those of `render`.
    pub async fn history<E: From<OrdersError>>(
        &self,
        owner: &OwnerId,
        render: impl FnOnce(&ListedOrders) -> Result<Bytes, E>,
    ) -> Result<History, E> {
        let accepted = self.shared.accept()?;
        let found = self.reads.find(owner).await;
        drop(accepted);
        match found? {
            Found::Cached(document, layer) => Ok(History { body: document.body, layer: Some(layer) }),
            Found::Loaded(listed, lease) => {
                let body = render(&listed)?;
                if let Some(lease) = lease {
                    self.reads.keep(owner, lease, Document { version: 0, body: body.clone() });
                }
                Ok(History { body, layer: None })
            }
        }
    }

    /// Takes histories out of the cache, for whoever has changed orders by other ways than this service. To be called after the
    /// change is committed; when it returns, nobody is shown what was there before.
    ///
    /// # Errors
    /// [`OrdersError::Storage`] when neither the cache nor the database could be reached.
    pub async fn forget_histories(&self, owners: &[OwnerId]) -> Result<(), OrdersError> {
        self.shared.forget(owners.iter()).await
    }
}
