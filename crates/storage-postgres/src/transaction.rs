use diesel::{
    QueryResult,
    connection::TransactionDepthChange,
    result::{DatabaseErrorKind, Error},
};
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager,
    pooled_connection::PoolableConnection,
};

use cartwright_storage::StorageError;

use crate::{
    connection::Pooled,
    error::{collided, statement_failed},
    sql::Commit,
};

type Manager = AnsiTransactionManager;

/// A connection that is, or is about to be, inside a transaction.
///
/// From the start it counts as being inside, before `BEGIN` is even sent: if the future that uses it is dropped
/// anywhere in between, the pool sees an open transaction and closes the connection, and the server rolls back.
pub(crate) struct Transaction<'a> {
    connection: Pooled<'a>,
}

impl<'a> Transaction<'a> {
    /// `BEGIN` is not sent yet: [`Transaction::begin`] is to be the first of the statements that are pipelined.
    pub(crate) fn new(mut connection: Pooled<'a>) -> QueryResult<Self> {
        count(&mut connection, TransactionDepthChange::IncreaseDepth)?;
        Ok(Self { connection })
    }

    /// For statements. Their futures can be joined; they are sent in the order in which they are first polled.
    ///
    /// That holds also when one has to be prepared first: a statement looks itself up in the connection's cache under
    /// a fair mutex, which it holds until it is prepared, and it is sent in the very poll in which it lets go. What
    /// polls in order is `futures_util::join!`; `tokio::join!` begins at a different place each time.
    pub(crate) fn pipe(&self) -> &AsyncPgConnection {
        &self.connection
    }

    /// Sends `BEGIN`.
    pub(crate) async fn begin(&self) -> QueryResult<()> {
        self.pipe().batch_execute("BEGIN").await
    }

    /// Sends `COMMIT` behind the statements that were begun before, prepared like them: one that is not would overtake
    /// those that have to be prepared first, and they would run outside the transaction.
    pub(crate) async fn pipe_commit(&self) -> QueryResult<()> {
        Commit {}.execute(&mut self.pipe()).await.map(drop)
    }

    /// Commits.
    pub(crate) async fn commit(mut self) -> Result<(), StorageError> {
        match Manager::commit_transaction(&mut *self.connection).await {
            Ok(()) => Ok(()),
            Err(error) => Err(statement_failed(error, !self.connection.is_broken())),
        }
    }

    /// Ends a transaction in which a pipelined `COMMIT` was sent and has succeeded.
    pub(crate) fn committed(mut self) -> QueryResult<()> {
        count(&mut self.connection, TransactionDepthChange::DecreaseDepth)
    }

    /// Commits, unless that is done already.
    pub(crate) async fn end(self, committed: bool) -> Result<(), StorageError> {
        if !committed {
            return self.commit().await;
        }
        self.committed().map_err(|error| StorageError::Unavailable(Box::new(error)))
    }

    /// Rolls back because of `failure`, and says what that was. If that does not work either, the connection is
    /// closed, which does the same.
    pub(crate) async fn roll_back(mut self, failure: Failure) -> StorageError {
        let rolled_back = Manager::rollback_transaction(&mut *self.connection).await.is_ok();
        if !rolled_back || failure.is_of_a_standby() {
            Manager::transaction_manager_status_mut(&mut *self.connection).set_in_error();
        }
        failure.into_error(rolled_back)
    }

    /// Rolls back because of `failure`. That is an error, unless two transactions were in each other's way: then it may
    /// go well the next time.
    pub(crate) async fn roll_back_for_another_try(self, failure: Failure) -> Result<(), StorageError> {
        let again = failure.may_go_well_again();
        let error = self.roll_back(failure).await;
        if again { Ok(()) } else { Err(error) }
    }
}

fn count(connection: &mut AsyncPgConnection, change: TransactionDepthChange) -> QueryResult<()> {
    Manager::transaction_manager_status_mut(connection).transaction_state()?.change_transaction_depth(change)
}

/// Why a transaction is given up.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A statement failed; whether that is a bug or an outage is seen at the rollback.
    Statement(Error),
    /// Anything else.
    Store(StorageError),
    /// What was read is not so any more: all is to be begun anew.
    Overtaken,
}

impl Failure {
    /// Whether somebody else was in the way.
    pub(crate) fn may_go_well_again(&self) -> bool {
        match self {
            Self::Statement(error) => collided(error),
            Self::Store(_) => false,
            Self::Overtaken => true,
        }
    }

    /// A primary that became a standby: a new connection may reach the new primary, or says what is wrong.
    pub(crate) fn is_of_a_standby(&self) -> bool {
        matches!(self, Self::Statement(Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)))
    }

    /// `healthy`: whether the connection is still of use.
    pub(crate) fn into_error(self, healthy: bool) -> StorageError {
        match self {
            Self::Statement(error) => statement_failed(error, healthy),
            Self::Store(error) => error,
            Self::Overtaken => StorageError::Unavailable("somebody else was quicker".into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}
