use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cartwright_storage::{Emission, StorageError};
use diesel::SqliteConnection;
use tokio::sync::Mutex;

use crate::{
    connection::{self, Connection, Role, run},
    file::FileLock,
    locks::CartLocks,
    migrations,
    readers::Readers,
};

/// How a SQLite file is used.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Connections that only read. At least one. Each read occupies one for some tens of microseconds.
    pub readers: usize,
    /// Page cache of the writing connection, and half of it for each reading one, in KiB.
    pub cache_kib: u32,
    /// How long to wait for a lock of the file. Only a tool from outside (a backup, say) ever holds one.
    pub busy_timeout: Duration,
    /// What is told of.
    pub emission: Emission,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            cache_kib: 16 * 1024,
            busy_timeout: Duration::from_secs(5),
            emission: Emission::default(),
        }
    }
}

/// Carts, catalogue and gate in one SQLite file.
pub struct SqliteStore {
    pub(crate) writer: Mutex<Connection>,
    pub(crate) readers: Readers,
    pub(crate) locks: Arc<CartLocks>,
    /// Whose turn it is to publish events.
    pub(crate) publishing: Mutex<()>,
    pub(crate) emission: Emission,
    path: PathBuf,
    /// Dropped last: the file is ours until its connections are closed.
    _lock: FileLock,
}

impl SqliteStore {
    /// Opens the file, or makes it, with the folders it is in. The schema is [`migrate`](Self::migrate)'s to make.
    ///
    /// Must be called on the tokio runtime that outlives the store: its blocking threads do the work.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when another process uses the file, or it cannot be made or opened;
    /// [`StorageError::Unexpected`] when it is no database.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<Self, StorageError> {
        let path = path.to_owned();
        let handle = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || {
            let (lock, path) = FileLock::take(&path)?;
            // The writer first: it makes the file and switches it to WAL.
            let writer = connection::open(&path, Role::Writer, &options, &handle)?;
            let readers = (0..options.readers.max(1))
                .map(|_| connection::open(&path, Role::Reader, &options, &handle))
                .collect::<Result<_, _>>()?;
            let (writer, readers) = (Mutex::new(writer), Readers::new(readers));
            let (locks, publishing, emission) = (Arc::default(), Mutex::default(), options.emission);
            Ok(Self { writer, readers, locks, publishing, emission, path, _lock: lock })
        });
        opening
            .await
            .map_err(|panic| StorageError::Unexpected("opening failed".to_owned(), Some(panic.into())))?
    }

    /// Brings the schema up to date. Returns the names of the migrations that were applied.
    ///
    /// # Errors
    /// [`StorageError`]; migrations before the one that failed stay.
    pub async fn migrate(&self) -> Result<Vec<String>, StorageError> {
        self.write(migrations::run).await
    }

    /// The names of the migrations that [`migrate`](Self::migrate) would apply.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StorageError> {
        self.write(migrations::pending).await
    }

    /// Runs something on the writing connection.
    pub(crate) async fn write<R: Send + 'static>(
        &self,
        task: impl FnOnce(&mut SqliteConnection) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        run(&mut *self.writer.lock().await, task).await
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}
