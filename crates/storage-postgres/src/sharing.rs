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

struct Shared {
    connection: OwnedConnection,
    /// When a statement was last done, or the connection was taken.
    done: Mutex<Instant>,
    /// Whether nobody else is to use it.
    spoilt: AtomicBool,
    _turn: OwnedSemaphorePermit,
}

/// It, for one statement. If that is not said to be done, as when its future is dropped half-way, nobody else gets the
/// connection, and it is closed when those who use it have their answers.
pub(crate) struct Lent {
    shared: Arc<Shared>,
    done: bool,
}

impl Sharing {
    pub(crate) async fn get(&self, pool: &Pool) -> Result<Lent, PoolError> {
        let current = lock(&self.0).upgrade();
        let shared = match current.filter(|shared| shared.takes_more()) {
            Some(shared) => shared,
            None => {
                let (connection, turn) = pool.get_owned().await?;
                let (done, spoilt) = (Mutex::new(Instant::now()), AtomicBool::new(false));
                let shared = Arc::new(Shared { connection, done, spoilt, _turn: turn });
                *lock(&self.0) = Arc::downgrade(&shared);
                shared
            }
        };
        Ok(Lent { shared, done: false })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn takes_more(&self) -> bool {
        !self.spoilt.load(Ordering::Relaxed) && lock(&self.done).elapsed() < SLOW
    }
}

impl Lent {
    /// The statement is done, and the connection as good as before.
    pub(crate) fn done(mut self) {
        self.done = true;
        *lock(&self.shared.done) = Instant::now();
    }

    /// After a failure: whether the connection survived it.
    pub(crate) async fn survived(&self) -> bool {
        (&mut &**self).batch_execute("").await.is_ok()
    }
}

impl Deref for Lent {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.shared.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.done {
            self.shared.spoilt.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if *self.spoilt.get_mut() {
            AnsiTransactionManager::transaction_manager_status_mut(&mut *self.connection).set_in_error();
        }
    }
}
