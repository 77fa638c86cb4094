use std::{error::Error as StdError, path::Path};

use cartwright_storage::StorageError;
use diesel::{Connection as _, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_types::Text};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;

use crate::{
    SqliteOptions,
    error::{Problem, lost_task, storage_error, unavailable},
    statement::Statement,
};

/// A connection whose work is done on a blocking thread.
pub(crate) type Connection = SyncConnectionWrapper<SqliteConnection, Detached>;

/// Runs the work of connections on the blocking threads of the runtime that opened the store.
///
/// Unlike the wrapper's own choice it does not wait for the work when its future is dropped: waiting would panic on a
/// runtime of one thread, such as an actix worker. So a task must be whole in itself: it ends its transaction before it
/// returns. The next task waits for it at the wrapper's mutex.
pub(crate) struct Detached(Handle);

impl SpawnBlocking for Detached {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn StdError + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        let task = self.0.spawn_blocking(task);
        async move { task.await.map_err(Box::from) }.boxed()
    }

    fn get_runtime() -> Self {
        Self(Handle::current())
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
}

/// Opens and tunes one connection. Blocks.
pub(crate) fn open(
    path: &Path,
    role: Role,
    options: &SqliteOptions,
    handle: &Handle,
) -> Result<Connection, StorageError> {
    let not_opened = |source| unavailable(Problem::NotOpened { path: path.to_owned(), source });
    let name = path.to_str().ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not valid Unicode");
        unavailable(Problem::Inaccessible { path: path.to_owned(), source })
    })?;
    let mut connection = SqliteConnection::establish(name).map_err(not_opened)?;
    tune(&mut connection, role, options)?;
    Ok(SyncConnectionWrapper::with_runtime(connection, Detached(handle.clone())))
}

fn tune(connection: &mut SqliteConnection, role: Role, options: &SqliteOptions) -> Result<(), StorageError> {
    let busy = options.busy_timeout.as_millis();
    // First, so that what follows waits for a lock rather than fails.
    connection.batch_execute(&format!("PRAGMA busy_timeout = {busy}")).map_err(storage_error)?;
    let cache = match role {
        Role::Writer => options.cache_kib,
        Role::Reader => options.cache_kib / 2,
    };
    // A negative size is in KiB.
    let common =
        format!("PRAGMA cache_size = -{cache}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY");
    connection.batch_execute(&common).map_err(storage_error)?;
    if role == Role::Reader {
        return connection.batch_execute("PRAGMA query_only = ON").map_err(storage_error);
    }
    let mode: Vec<String> =
        Statement::<Text>::new("PRAGMA journal_mode = WAL", &[]).load(connection).map_err(storage_error)?;
    if mode != ["wal"] {
        return Err(StorageError::unexpected(format!(
            "the file cannot be put in WAL mode (it is in {mode:?})"
        )));
    }
    // FULL: a commit has reached the disk before it is acknowledged, so a power cut loses no line that a customer was
    // shown. NORMAL would sync at checkpoints only. Batches share the cost.
    // A checkpoint every 4,000 pages (16 MB) copies a page that many batches wrote once; the limit gives the space
    // back after a burst.
    connection
        .batch_execute(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864",
        )
        .map_err(storage_error)
}

/// Starts a task on a connection at once; the future only waits for it.
pub(crate) fn start<R: Send + 'static>(
    connection: &mut Connection,
    task: impl FnOnce(&mut SqliteConnection) -> Result<R, StorageError> + Send + 'static,
) -> BoxFuture<'static, Result<R, StorageError>> {
    let running = connection.spawn_blocking(move |connection| Ok(task(connection)));
    async move { running.await.map_err(lost_task)? }.boxed()
}

/// Runs a task on a connection.
pub(crate) async fn run<R: Send + 'static>(
    connection: &mut Connection,
    task: impl FnOnce(&mut SqliteConnection) -> Result<R, StorageError> + Send + 'static,
) -> Result<R, StorageError> {
    start(connection, task).await
}

/// A transaction, which writes unless it was begun to [`read`](Self::read). Dropped without [`commit`](Self::commit), by an error or a panic, it is rolled back.
///
/// SQLite itself ends a transaction on some errors (a full disk, say), so its own state is the only one worth keeping.
pub(crate) struct Transaction<'c> {
    connection: &'c mut SqliteConnection,
    open: bool,
}

impl<'c> Transaction<'c> {
    /// Takes the file's write lock at once, so that what is read next cannot be outdated by anybody.
    pub(crate) fn begin(connection: &'c mut SqliteConnection) -> Result<Self, StorageError> {
        connection.batch_execute("BEGIN IMMEDIATE").map_err(storage_error)?;
        Ok(Self { connection, open: true })
    }

    /// Of what is read in it, all is as of the moment of the first statement. Takes no lock.
    pub(crate) fn read(connection: &'c mut SqliteConnection) -> Result<Self, StorageError> {
        connection.batch_execute("BEGIN DEFERRED").map_err(storage_error)?;
        Ok(Self { connection, open: true })
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection
    }

    pub(crate) fn commit(mut self) -> Result<(), StorageError> {
        self.connection.batch_execute("COMMIT").map_err(storage_error)?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.connection.batch_execute("ROLLBACK")
        {
            tracing::debug!(%error, "nothing was left to roll back");
        }
    }
}
