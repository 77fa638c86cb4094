use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cartwright_storage::StorageError;
use diesel_async::{
    AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, pooled_connection::PoolableConnection,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    error::{ConnectError, NoConnection},
    options::{PostgresOptions, Target},
    sql::IsStandby,
    tls,
};

/// What every session is told once.
///
/// The timeouts are the server's; it keeps them also when nobody listens any more. The planner is bound to the
/// indexes: every hot statement reads a few rows by key, and a plan that was made while a table was still small would
/// be kept and scan it when it has grown. Plans do not depend on the parameters, so they are made once. A planner that
/// does not know how few rows are wanted starts workers beside, which takes a hundred times as long as to read them.
///
/// Words that share this much of their trigrams are compared letter by letter. It is little, because one typo takes three
/// of the five or six trigrams of a short word.
///
/// Errors are told apart by their text, hence English, where the role may choose it.
const SESSION: &str = "\
    SET lock_timeout = '5s'; \
    SET idle_in_transaction_session_timeout = '10s'; \
    SET statement_timeout = '15s'; \
    SET plan_cache_mode = force_generic_plan; \
    SET enable_seqscan = off; \
    SET enable_hashjoin = off; \
    SET enable_mergejoin = off; \
    SET jit = off; \
    SET max_parallel_workers_per_gather = 0; \
    SET pg_trgm.similarity_threshold = 0.24; \
    SET pg_trgm.word_similarity_threshold = 0.39; \
    DO $$ BEGIN PERFORM set_config('lc_messages', 'C', false); \
          EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";

/// Why there is no connection.
pub(crate) type PoolError = bb8::RunError<Arc<ConnectError>>;
/// One that borrows nothing.
pub(crate) type OwnedConnection = bb8::PooledConnection<'static, Connector>;

/// Connections of the store.
///
/// They are given out in the order in which they are asked for. `bb8` alone gives one that comes back to whoever asks at
/// that moment, also when others wait: under load some callers would come again and again while others wait for seconds.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: bb8::Pool<Connector>,
    /// As many permits as there may be connections; a fair queue.
    turns: Arc<Semaphore>,
    acquire_timeout: Duration,
}

/// One of them, for a while.
pub(crate) struct Pooled<'a> {
    // The connection goes back before the next one may take it: fields are dropped in this order.
    connection: bb8::PooledConnection<'a, Connector>,
    _turn: SemaphorePermit<'a>,
}

impl Pool {
    pub(crate) async fn get(&self) -> Result<Pooled<'_>, PoolError> {
        let get = async {
            // Nobody closes the queue.
            let turn = self.turns.acquire().await.map_err(|_closed| bb8::RunError::TimedOut)?;
            Ok(Pooled { connection: self.connections.get().await?, _turn: turn })
        };
        tokio::time::timeout(self.acquire_timeout, get).await.unwrap_or(Err(bb8::RunError::TimedOut))
    }

    /// One for as long as it is wanted, with its place among them.
    pub(crate) async fn get_owned(&self) -> Result<(OwnedConnection, OwnedSemaphorePermit), PoolError> {
        let get = async {
            // Nobody closes the queue.
            let turn =
                Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| bb8::RunError::TimedOut)?;
            Ok((self.connections.get_owned().await?, turn))
        };
        tokio::time::timeout(self.acquire_timeout, get).await.unwrap_or(Err(bb8::RunError::TimedOut))
    }

    /// How many connections there are.
    pub(crate) fn state(&self) -> bb8::State {
        self.connections.state()
    }

    /// A connection that does not count.
    pub(crate) async fn dedicated_connection(&self) -> Result<AsyncPgConnection, Arc<ConnectError>> {
        self.connections.dedicated_connection().await
    }
}

impl Deref for Pooled<'_> {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }
}

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It takes writes.
    Primary,
    /// It is only read from; whether it is far enough is asked with each read.
    Replica,
}

/// Opens connections.
pub(crate) struct Connector {
    target: Target,
    role: Role,
    tls: MakeRustlsConnect,
    /// Where the tasks live that move the bytes. Connections are opened when callers need them, on whatever runtime
    /// those run; one that ended would take them along.
    runtime: Handle,
    /// What the last attempt met; the pool itself only tells that it took too long.
    last_error: Arc<Mutex<Option<Arc<ConnectError>>>>,
}

impl Connector {
    fn new(url: &str, role: Role) -> Result<Self, StorageError> {
        let target = Target::parse(url)?;
        Ok(Self {
            tls: tls::connector(&target)?,
            target,
            role,
            runtime: Handle::current(),
            last_error: Arc::default(),
        })
    }

    /// Opens a connection on the runtime where the store was made.
    pub(crate) async fn open(&self) -> Result<AsyncPgConnection, ConnectError> {
        let (config, tls) = (self.target.config.clone(), self.tls.clone());
        let opened =
            self.runtime.spawn(open(config, tls, self.role)).await.map_err(ConnectError::RuntimeEnded);
        opened.and_then(|connection| connection)
    }
}

async fn open(
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    role: Role,
) -> Result<AsyncPgConnection, ConnectError> {
    let (client, driver) = config.connect(tls).await.map_err(ConnectError::Connect)?;
    let mut connection = AsyncPgConnection::try_from_client_and_connection(client, driver)
        .await
        .map_err(|error| ConnectError::Setup(Box::new(error)))?;
    let failed = |error: diesel::result::Error| ConnectError::Setup(Box::new(error));
    connection.batch_execute(SESSION).await.map_err(failed)?;
    if role == Role::Replica {
        return Ok(connection);
    }
    let (standby,): (bool,) = IsStandby {}.get_result(&mut connection).await.map_err(failed)?;
    if standby { Err(ConnectError::Standby) } else { Ok(connection) }
}

impl bb8::ManageConnection for Connector {
    type Connection = AsyncPgConnection;
    type Error = Arc<ConnectError>;

    async fn connect(&self) -> Result<AsyncPgConnection, Self::Error> {
        let opened = self.open().await.map_err(Arc::new);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = opened.as_ref().err().cloned();
        opened
    }

    /// Without a round trip: the driver's task notices at once when the server closes the connection.
    async fn is_valid(&self, connection: &mut AsyncPgConnection) -> Result<(), Self::Error> {
        if connection.is_broken() { Err(Arc::new(ConnectError::Unusable)) } else { Ok(()) }
    }

    fn has_broken(&self, connection: &mut AsyncPgConnection) -> bool {
        connection.is_broken()
    }
}

/// Logs what the pool meets while nobody waits for it.
#[derive(Debug, Clone, Copy)]
struct LogErrors;

impl bb8::ErrorSink<Arc<ConnectError>> for LogErrors {
    fn sink(&self, error: Arc<ConnectError>) {
        tracing::warn!(error = &*error as &dyn std::error::Error, "a database connection failed");
    }

    fn boxed_clone(&self) -> Box<dyn bb8::ErrorSink<Arc<ConnectError>>> {
        Box::new(*self)
    }
}

/// What the last attempt to connect met.
pub(crate) type LastError = Arc<Mutex<Option<Arc<ConnectError>>>>;

/// A pool whose first connection was tried: what is wrong with the address shows here.
pub(crate) async fn pool(options: &PostgresOptions) -> Result<(Pool, LastError), StorageError> {
    let connector = Connector::new(&options.url, Role::Primary)?;
    let database = connector.target.describe();
    drop(connector.open().await.map_err(|error| StorageError::Unavailable(Box::new(error)))?);
    tracing::info!(database, pool_size = options.pool_size, tls = ?connector.target.tls, "connected");
    Ok(build(connector, options.pool_size, options.acquire_timeout))
}

/// A pool whose connections are tried when they are needed.
pub(crate) fn unconnected(
    url: &str,
    role: Role,
    size: u32,
    acquire_timeout: Duration,
) -> Result<(Pool, LastError), StorageError> {
    Ok(build(Connector::new(url, role)?, size, acquire_timeout))
}

fn build(connector: Connector, size: u32, acquire_timeout: Duration) -> (Pool, LastError) {
    let last_error = Arc::clone(&connector.last_error);
    let (size, acquire_timeout) = (size.max(1), acquire_timeout.max(Duration::from_millis(1)));
    let connections = bb8::Pool::builder()
        .max_size(size)
        .connection_timeout(acquire_timeout)
        .queue_strategy(bb8::QueueStrategy::Lifo)
        .error_sink(Box::new(LogErrors))
        .build_unchecked(connector);
    let turns = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(Semaphore::MAX_PERMITS)));
    (Pool { connections, turns, acquire_timeout }, last_error)
}

/// The reason that a caller is told who got no connection.
pub(crate) fn no_connection(
    error: PoolError,
    waited: Duration,
    last_error: &Mutex<Option<Arc<ConnectError>>>,
) -> StorageError {
    let cause = match error {
        bb8::RunError::User(error) => Some(error),
        bb8::RunError::TimedOut => last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    };
    StorageError::Unavailable(Box::new(NoConnection { waited, cause }))
}
