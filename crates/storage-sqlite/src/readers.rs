use std::sync::{Mutex, PoisonError};

use cartwright_storage::StorageError;
use diesel::SqliteConnection;
use tokio::sync::Semaphore;

use crate::connection::{Connection, run};

/// The connections that only read. Whoever finds none free waits in line.
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    /// As many permits as there are connections in `free`, or on their way back to it.
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        let permits = Semaphore::new(connections.len());
        metrics::gauge!("cartwright_db_pool_connections").set(as_gauge(connections.len()));
        Self { free: Mutex::new(connections), permits }
    }

    /// Runs something on a free connection. Each of its statements sees what was committed when it began.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        task: impl FnOnce(&mut SqliteConnection) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        let closed =
            |error| StorageError::Unexpected("the readers are gone".to_owned(), Some(Box::new(error)));
        let _permit = self.permits.acquire().await.map_err(closed)?;
        metrics::gauge!("cartwright_db_pool_idle").set(as_gauge(self.permits.available_permits()));
        let connection = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = connection.ok_or_else(|| StorageError::unexpected("a permit without a reader"))?;
        // Declared after the permit, so that the connection is back before somebody else is let in.
        let mut borrowed = Borrowed { from: self, connection: Some(connection) };
        match &mut borrowed.connection {
            Some(connection) => run(connection, task).await,
            None => Err(StorageError::unexpected("a reader vanished")),
        }
    }
}

fn as_gauge(n: usize) -> f64 {
    u32::try_from(n).unwrap_or(u32::MAX).into()
}

/// A connection that goes back when its user is done, or gives up.
struct Borrowed<'r> {
    from: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.from.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
