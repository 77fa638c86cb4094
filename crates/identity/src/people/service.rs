use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_cache::{CartCache, CartEvent, DocumentCache, EventBus, LeaseWanted};
use cartwright_coherence::{FencedWrite, Fencing, Forgetting, Unwritten};
use cartwright_domain::{Clock, OwnerId, ProductId};
use cartwright_storage::{Erased, Erasure, Fence, KeptOfPerson, ShopStore, Stocked, StorageError};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::sessions::{SessionError, SessionService};

/// For how long the gate of the caches stays closed when this had to close it.
const PAUSE: Duration = Duration::from_secs(2);

/// Hears of products of which there is some again, because whoever held them is forgotten.
#[async_trait]
pub trait RestockListener: Send + Sync + 'static {
    /// It has been so since a moment ago. Runs in the background, and is waited for at the end.
    async fn restocked(&self, products: Vec<ProductId>);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct NobodyRestocks;

#[async_trait]
impl RestockListener for NobodyRestocks {
    async fn restocked(&self, _products: Vec<ProductId>) {}
}

/// What a service is made of.
pub struct PeopleParts {
    /// The truth.
    pub store: Arc<dyn ShopStore>,
    /// The cache of carts. `None`: there is none.
    pub carts: Option<Arc<dyn CartCache>>,
    /// The cache of histories of orders. `None`: there is none, in no process that uses this store.
    pub histories: Option<Arc<dyn DocumentCache>>,
    /// The cache of profiles. `None`: likewise.
    pub profiles: Option<Arc<dyn DocumentCache>>,
    /// Where sessions are kept.
    pub sessions: SessionService,
    /// Tells new versions of carts.
    pub events: Arc<dyn EventBus>,
    /// Who wants to know what is back in stock.
    pub stock: Arc<dyn RestockListener>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for PeopleParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeopleParts").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

/// Why somebody is not forgotten, or not all of him is. To ask again will do, whatever was done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// His sessions could not be ended, or read.
    #[error("the sessions could not be reached")]
    Sessions(#[source] SessionError),
    /// The cache could not be fenced off in time.
    #[error("the cache could not be fenced off in time")]
    Fence,
    /// The store failed; or what is cached could not be forgotten.
    #[error("the store failed")]
    Storage(#[from] StorageError),
    /// The service is being shut down. Nothing was done.
    #[error("the service is being shut down")]
    ShuttingDown,
    /// The task that did it broke.
    #[error("the request was lost")]
    Lost,
}

impl From<Unwritten> for PeopleError {
    fn from(error: Unwritten) -> Self {
        match error {
            Unwritten::Fence => Self::Fence,
            Unwritten::Storage(error) => Self::Storage(error),
        }
    }
}

/// People. A clone is the same service.
#[derive(Clone)]
pub struct PeopleService {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ShopStore>,
    fencing: Fencing,
    forgetting: [Forgetting; 2],
    sessions: SessionService,
    events: Arc<dyn EventBus>,
    stock: Arc<dyn RestockListener>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for PeopleService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeopleService").field("sessions", &self.inner.sessions).finish_non_exhaustive()
    }
}

/// The transaction.
struct Erase<'a> {
    inner: &'a Inner,
    erasure: &'a Erasure,
}

#[async_trait]
impl FencedWrite for Erase<'_> {
    type Written = Stocked<Erased>;

    async fn write(&self, fence: &dyn Fence) -> Result<Stocked<Erased>, StorageError> {
        self.inner.store.erase_owner(self.erasure, fence, self.inner.clock.now()).await
    }

    /// Nobody is going to look.
    fn wants_lease(&self, _carts: usize) -> LeaseWanted {
        LeaseWanted::No
    }
}

impl PeopleService {
    /// Starts the service on the current tokio runtime, which must be multi-threaded and outlive it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: PeopleParts) -> Self {
        let PeopleParts { store, carts, histories, profiles, sessions, events, stock, clock } = parts;
        let forgetting = [histories, profiles].map(|cache| Forgetting { cache, pause: PAUSE });
        let inner = Inner {
            store,
            fencing: Fencing { cache: carts, pause: PAUSE },
            forgetting,
            sessions,
            events,
            stock,
            clock,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Forgets somebody, as is said [above](crate::people): what there was of him. Again, there was nothing. Carried out to its end,
    /// also when the caller goes away.
    ///
    /// # Errors
    /// [`PeopleError`]: ask again.
    pub async fn erase(&self, owner: OwnerId) -> Result<Erased, PeopleError> {
        let inner = Arc::clone(&self.inner);
        let accepted = inner.tasks.token();
        if inner.stop.is_cancelled() {
            return Err(PeopleError::ShuttingDown);
        }
        let done = self.inner.runtime.spawn(async move {
            let erased = inner.erase(owner).await;
            drop(accepted);
            erased
        });
        done.await.map_err(|_panicked| PeopleError::Lost)?
    }

    /// What is kept of somebody, as of one moment; but for his sessions, which may be kept elsewhere and are as of a moment later.
    /// No secret is in it.
    ///
    /// # Errors
    /// [`PeopleError::Sessions`], [`PeopleError::Storage`].
    pub async fn kept(&self, owner: &OwnerId) -> Result<KeptOfPerson, PeopleError> {
        let inner = &self.inner;
        let kept = inner.store.kept_of(owner, inner.clock.now()).await?;
        let sessions = inner.sessions.list(owner).await.map_err(PeopleError::Sessions)?;
        Ok(KeptOfPerson { sessions, ..kept })
    }

    /// Refuses what is new, finishes what was accepted, and returns when that is done.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    async fn erase(&self, owner: OwnerId) -> Result<Erased, PeopleError> {
        let erasure = Erasure::new(owner, rand::random()).map_err(|error| {
            StorageError::Unexpected("a pseudonym that is no id".into(), Some(Box::new(error)))
        })?;
        let owner = &erasure.owner;
        let ended = self.sessions.revoke_all(owner, None).await.map_err(PeopleError::Sessions)?;
        let erase = Erase { inner: self, erasure: &erasure };
        let owners = std::slice::from_ref(owner);
        let (Stocked { outcome, turned }, raised) = match self.fencing.around(&*self.store, &erase).await {
            Ok(erased) => erased,
            Err(error) => {
                if matches!(error, Unwritten::Storage(_)) {
                    for forgetting in &self.forgetting {
                        forgetting.try_to_forget(owners).await;
                    }
                }
                return Err(error.into());
            }
        };
        for forgetting in &self.forgetting {
            forgetting.forget(&*self.store, owners).await?;
        }
        if raised.is_some() {
            let (events, changed) =
                (Arc::clone(&self.events), CartEvent { owner: owner.clone(), version: u64::MAX });
            self.tasks.spawn_on(async move { events.publish(&[changed]).await }, &self.runtime);
        }
        if !turned.is_empty() {
            let stock = Arc::clone(&self.stock);
            self.tasks.spawn_on(async move { stock.restocked(turned).await }, &self.runtime);
        }
        metrics::counter!("cartwright_people_erased_total").increment(1);
        Ok(Erased { sessions: ended + outcome.sessions, ..outcome })
    }
}
