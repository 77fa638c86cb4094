//! A connection that several use at a time, for statements that are transactions by themselves.
//!
//! They are sent one behind the other: the server begins with the next as soon as it has done one, and need not wait until we
//! have read what came of it.

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use diesel_async::{AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::{OwnedConnection, Pool, PoolError};

/// Behind a statement that takes longer nobody gets in line: it may wait for somebody else's lock.
const SLOW: Duration = Duration::from_millis(5);

/// The connection that is shared at the moment. It goes back to the pool when nobody uses it any more.
#[derive(Clone, Default)]
pub(crate) struct Sharing(Arc<Mutex<Weak<Shared>>>);

pub(crate) struct Shared {
    connection: OwnedConnection,
    /// When a statement was last done, or the connection was taken.
    done: Mutex<Instant>,
    /// Whether nobody else is to use it.
    spoilt: AtomicBool,
    _turn: OwnedSemaphorePermit,
}

impl Sharing {
    pub(crate) async fn get(&self, pool: &Pool) -> Result<Arc<Shared>, PoolError> {
        let current = lock(&self.0).upgrade();
        if let Some(shared) = current.filter(|shared| shared.takes_more()) {
            return Ok(shared);
        }
        let (connection, turn) = pool.get_owned().await?;
        let (done, spoilt) = (Mutex::new(Instant::now()), AtomicBool::new(false));
        let shared = Arc::new(Shared { connection, done, spoilt, _turn: turn });
        *lock(&self.0) = Arc::downgrade(&shared);
        Ok(shared)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn takes_more(&self) -> bool {
        !self.spoilt.load(Ordering::Relaxed) && lock(&self.done).elapsed() < SLOW
    }

    /// A statement is done.
    pub(crate) fn done(&self) {
        *lock(&self.done) = Instant::now();
    }

    /// After a failure: whether the connection survived it.
    pub(crate) async fn survived(&self) -> bool {
        (&mut &*self.connection).batch_execute("").await.is_ok()
    }

    /// Nobody else gets it, and it is closed when those who use it have their answers.
    pub(crate) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }
}

impl Deref for Shared {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if *self.spoilt.get_mut() {
            AnsiTransactionManager::transaction_manager_status_mut(&mut *self.connection).set_in_error();
        }
    }
}
