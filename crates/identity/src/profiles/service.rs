use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_cache::{Document, DocumentCache, Layer};
use cartwright_coherence::{DocumentFigures, DocumentReads, Forgetting, Found, Load, NotTaken};
use cartwright_domain::{Clock, OwnerId, Profile, ProfileData};
use cartwright_storage::{PutProfile, ShopStore, StorageError};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// For how long the gate of the caches stays closed when a profile had to close it.
const PAUSE: Duration = Duration::from_secs(2);

/// What a service is made of.
pub struct ProfileParts {
    /// The truth.
    pub store: Arc<dyn ShopStore>,
    /// The cache of profiles. `None`: there is none, in no process that uses this store.
    pub cache: Option<Arc<dyn DocumentCache>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Reads that wait at most, on a thread; more are refused as overload.
    pub waiting: usize,
}

impl std::fmt::Debug for ProfileParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProfileParts").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Why the service did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProfileError {
    /// It has another version than the caller was prepared to change.
    #[error("the profile is at version {}", .0.version)]
    Conflict(Box<Profile>),
    /// Too many wait already. Nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The service is being shut down. Nothing was done.
    #[error("the service is being shut down")]
    ShuttingDown,
    /// The task that carried the request broke. Whether it was carried out is not known.
    #[error("the request was lost")]
    Lost,
    /// The store failed. Whether a change was made is not known.
    #[error("the store failed")]
    Storage(#[source] Arc<StorageError>),
}

impl From<StorageError> for ProfileError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl From<NotTaken> for ProfileError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Overloaded => Self::Overloaded,
            NotTaken::Lost => Self::Lost,
        }
    }
}

/// What a user is shown of his profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownProfile {
    /// The document.
    pub body: Bytes,
    /// The profile's version.
    pub version: u64,
    /// The part of the cache that had it. `None`: it comes from the database.
    pub layer: Option<Layer>,
}

/// Asks the database.
struct FromStore(Arc<dyn ShopStore>);

#[async_trait]
impl Load for FromStore {
    type Loaded = Profile;
    type Error = ProfileError;

    async fn load(&self, owner: &OwnerId) -> Result<Profile, ProfileError> {
        Ok(self.0.profile(owner).await?)
    }
}

/// Profiles. A clone is the same service.
#[derive(Clone)]
pub struct ProfileService {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ShopStore>,
    forgetting: Forgetting,
    reads: DocumentReads<FromStore>,
    figures: DocumentFigures,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for ProfileService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProfileService").field("cache", &self.inner.forgetting.cache).finish_non_exhaustive()
    }
}

impl ProfileService {
    /// Starts the service on the current tokio runtime, which must be multi-threaded and outlive it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: ProfileParts) -> Self {
        let ProfileParts { store, cache, clock, waiting } = parts;
        let tasks = TaskTracker::new();
        let figures =
            DocumentFigures::register("cartwright_profile_reads_total", "cartwright_profiles_total");
        let load = FromStore(Arc::clone(&store));
        let reads = DocumentReads::new(cache.clone(), load, figures.clone(), waiting, &tasks);
        let inner = Inner {
            store,
            forgetting: Forgetting { cache, pause: PAUSE },
            reads,
            figures,
            clock,
            runtime: Handle::current(),
            tasks,
            stop: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What a user is shown of his profile, as `render` writes it: as it was when anybody was last told that it is written, or
    /// later. Of a user who has none, an empty one at version 0.
    ///
    /// What is cached is what `render` wrote, for all processes that share the cache: they must write the same.
    ///
    /// # Errors
    /// Those of the store, [`ProfileError::Overloaded`], [`ProfileError::ShuttingDown`], and those of `render`.
    pub async fn profile<E: From<ProfileError>>(
        &self,
        owner: &OwnerId,
        render: impl FnOnce(&Profile) -> Result<Bytes, E>,
    ) -> Result<ShownProfile, E> {
        let inner = &self.inner;
        let accepted = inner.tasks.token();
        if inner.stop.is_cancelled() {
            return Err(ProfileError::ShuttingDown.into());
        }
        let found = inner.reads.find(owner).await;
        drop(accepted);
        match found? {
            Found::Cached(Document { version, body }, layer) => {
                Ok(ShownProfile { body, version, layer: Some(layer) })
            }
            Found::Loaded(profile, lease) => {
                let (body, version) = (render(&profile)?, profile.version);
                if let Some(lease) = lease {
                    inner.reads.keep(owner, lease, Document { version, body: body.clone() });
                }
                Ok(ShownProfile { body, version, layer: None })
            }
        }
    }

    /// Writes a profile. `expected`: the versions that the caller is prepared to change; empty: any. Carried out to its end, also
    /// when the caller goes away.
    ///
    /// # Errors
    /// [`ProfileError::Conflict`]; and the others, of which [`Storage`](ProfileError::Storage) and [`Lost`](ProfileError::Lost)
    /// leave open whether it is written.
    pub async fn put(
        &self,
        owner: OwnerId,
        data: ProfileData,
        expected: Vec<u64>,
    ) -> Result<Profile, ProfileError> {
        let put = self.change(owner, |inner, owner| async move {
            inner.store.put_profile(&owner, &data, &expected, inner.clock.now()).await
        });
        match put.await? {
            PutProfile::Done(profile) => Ok(profile),
            PutProfile::Conflict(profile) => Err(ProfileError::Conflict(Box::new(profile))),
        }
    }

    /// Removes a profile. `false`: there was none. Carried out to its end, also when the caller goes away.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, owner: OwnerId) -> Result<bool, ProfileError> {
        self.change(owner, |inner, owner| async move { inner.store.remove_profile(&owner).await }).await
    }

    /// Takes a profile out of the cache, for whoever has changed it by other ways than this service. To be called after the
    /// change is committed; when it returns, nobody is shown what was there before.
    ///
    /// # Errors
    /// [`ProfileError::Storage`] when neither the cache nor the database could be reached.
    pub async fn forget(&self, owner: &OwnerId) -> Result<(), ProfileError> {
        self.inner.forget(owner).await
    }

    /// Refuses what is new, finishes what was accepted, and returns when that is done.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// A change in a task of its own; nobody is told of it before the cache has forgotten what was there. Also when it was none:
    /// whoever made the one that stands may have died before he came to this.
    async fn change<T: Send + 'static, F>(
        &self,
        owner: OwnerId,
        change: impl FnOnce(Arc<Inner>, OwnerId) -> F,
    ) -> Result<T, ProfileError>
    where
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let accepted = inner.tasks.token();
        if inner.stop.is_cancelled() {
            return Err(ProfileError::ShuttingDown);
        }
        let change = change(Arc::clone(&inner), owner.clone());
        let done = self.inner.runtime.spawn(async move {
            let changed = change.await;
            if changed.is_err() {
                inner.forgetting.try_to_forget(std::slice::from_ref(&owner)).await;
            }
            let changed = changed?;
            inner.forget(&owner).await?;
            drop(accepted);
            Ok(changed)
        });
        done.await.map_err(|_panicked| ProfileError::Lost)?
    }
}

impl Inner {
    async fn forget(&self, owner: &OwnerId) -> Result<(), ProfileError> {
        self.forgetting.forget(&*self.store, std::slice::from_ref(owner)).await?;
        self.figures.forgotten.increment(1);
        Ok(())
    }
}
