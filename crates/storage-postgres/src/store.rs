use std::{fmt, sync::Arc, time::Duration};

use cartwright_storage::{Emission, StorageError};
use diesel_async::{AsyncPgConnection, pooled_connection::PoolableConnection};
use metrics::gauge;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    connection::{self, LastError, Pool, PoolError, Pooled},
    error::{NoAnswer, statement_failed},
    jobs::Floors,
    offers::KnownOffers,
    options::PostgresOptions,
    recent::RecentCarts,
    replicas::Replicas,
    sharing::{Lent, Sharing},
};

/// Carts, catalogue, statistics and gate in a PostgreSQL database. A clone shares the connections.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool,
    sharing: Sharing,
    pub(crate) recent: RecentCarts,
    pub(crate) offers: KnownOffers,
    pub(crate) replicas: Replicas,
    pub(crate) floors: Arc<Floors>,
    pub(crate) emission: Emission,
    /// Half of the connections may search: others need not wait behind searches, and of few that the server works on at a
    /// time, none takes much longer than the others.
    searches: Arc<Semaphore>,
    last_error: LastError,
    acquire_timeout: Duration,
    call_timeout: Duration,
}

impl PostgresStore {
    /// Reaches the database once, to tell what is wrong if it cannot be, and prepares to open more connections as they
    /// are needed. Their background tasks live on the runtime on which this is called, whoever uses them later.
    ///
    /// The schema may still be missing: see [`PostgresStore::migrate`].
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] for a URL or certificates that make no sense, [`StorageError::Unavailable`] when
    /// the server does not let us in or is a standby.
    pub async fn connect(options: PostgresOptions) -> Result<Self, StorageError> {
        let (pool, last_error) = connection::pool(&options).await?;
        let replicas = Replicas::new(&options)?;
        let PostgresOptions { acquire_timeout, call_timeout, pool_size, emission, .. } = options;
        let servers = options.replicas.len() + 1;
        let searches = usize::try_from(pool_size / 2).unwrap_or_default().max(1) * servers;
        let searches = Arc::new(Semaphore::new(searches.min(Semaphore::MAX_PERMITS)));
        let (recent, offers, floors) = (RecentCarts::new(), KnownOffers::new(), Arc::default());
        Ok(Self {
            pool,
            sharing: Sharing::default(),
            recent,
            offers,
            replicas,
            floors,
            emission,
            searches,
            last_error,
            acquire_timeout,
            call_timeout,
        })
    }

    pub(crate) async fn connection(&self) -> Result<Pooled<'_>, StorageError> {
        self.known(self.pool.get().await)
    }

    /// A connection for statements that are transactions by themselves.
    pub(crate) async fn shared_connection(&self) -> Result<Lent, StorageError> {
        self.known(self.sharing.get(&self.pool).await)
    }

    fn known<T>(&self, connection: Result<T, PoolError>) -> Result<T, StorageError> {
        let state = self.pool.state();
        gauge!("cartwright_db_pool_connections").set(f64::from(state.connections));
        gauge!("cartwright_db_pool_idle").set(f64::from(state.idle_connections));
        connection.map_err(|error| connection::no_connection(error, self.acquire_timeout, &self.last_error))
    }

    /// One's turn to search.
    pub(crate) async fn search_turn(&self) -> Result<SemaphorePermit<'_>, StorageError> {
        let turn = tokio::time::timeout(self.acquire_timeout, self.searches.acquire()).await;
        // Nobody closes the queue.
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            connection::no_connection(bb8::RunError::TimedOut, self.acquire_timeout, &self.last_error)
        })
    }

    /// A connection outside the pool, for work that takes longer or holds session locks.
    pub(crate) async fn own_connection(&self) -> Result<AsyncPgConnection, StorageError> {
        self.pool.dedicated_connection().await.map_err(|error| StorageError::Unavailable(Box::new(error)))
    }

    /// Runs one statement that needs no transaction.
    pub(crate) async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut AsyncPgConnection) -> diesel::QueryResult<T>,
    ) -> Result<T, StorageError> {
        let work = async {
            let mut connection = self.connection().await?;
            let result = statement(&mut connection).await;
            result.map_err(|error| statement_failed(error, !connection.is_broken()))
        };
        self.in_time(work).await
    }

    /// Gives up on a server that has stopped answering.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match tokio::time::timeout(self.call_timeout, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(StorageError::Unavailable(Box::new(NoAnswer(self.call_timeout)))),
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("pool", &self.pool.state()).finish_non_exhaustive()
    }
}
