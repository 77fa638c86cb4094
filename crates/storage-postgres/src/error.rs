use std::{sync::Arc, time::Duration};

use cartwright_storage::StorageError;
use diesel::result::{DatabaseErrorKind, Error};

/// Why a connection could not be opened, or not be used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the server was not reached or did not accept the connection")]
    Connect(#[source] tokio_postgres::Error),
    #[error("the session could not be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server is a standby; carts are written on the primary")]
    Standby,
    #[error("the connection was closed or was left inside a transaction")]
    Unusable,
    #[error("the runtime that keeps connections has ended")]
    RuntimeEnded(#[source] tokio::task::JoinError),
}

/// No connection in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection to the database within {waited:?}")]
pub(crate) struct NoConnection {
    pub(crate) waited: Duration,
    /// What the last attempt to open one met. `None`: all are in use.
    #[source]
    pub(crate) cause: Option<Arc<ConnectError>>,
}

/// No answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the database within {0:?}")]
pub(crate) struct NoAnswer(pub(crate) Duration);

/// Sorts a failed statement into what may go well next time and what may not.
///
/// `usable`: whether the connection survived. Where it did not, the server or the network gave out, whatever the
/// server said last.
pub(crate) fn statement_failed(error: Error, usable: bool) -> StorageError {
    if !usable || is_transient(&error) {
        StorageError::Unavailable(Box::new(error))
    } else {
        StorageError::Unexpected("a statement failed".into(), Some(Box::new(error)))
    }
}

/// Whether the server ended a transaction because of another one: a deadlock, or what could not be put in an order.
pub(crate) fn collided(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message().contains("deadlock detected")
        }
        _ => false,
    }
}

/// Whether a statement that insists on a number of rows found less: by the name of the check, for the texts of servers are
/// in many languages.
pub(crate) fn not_as_many(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::CheckViolation, information)
        if information.constraint_name() == Some("all_of_them"))
}

fn is_transient(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection
            // A primary that was demoted: another one takes over.
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | Error::BrokenTransactionManager
        | Error::RollbackErrorOnCommit { .. } => true,
        // diesel-async drops the SQLSTATE; the session's messages are in English where the server lets us choose.
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            TRANSIENT.iter().any(|text| information.message().contains(text))
        }
        _ => false,
    }
}

/// Texts of SQLSTATE 40P01, 53xxx, 55P03, 57014 and 57Pxx.
const TRANSIENT: [&str; 9] = [
    "deadlock detected",
    "canceling statement due to",
    "could not obtain lock",
    "terminating connection",
    "the database system is",
    "too many clients",
    "remaining connection slots",
    "No space left on device",
    "out of shared memory",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> Error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    }

    #[test]
    fn what_may_go_well_next_time_is_unavailable() {
        for text in ["canceling statement due to lock timeout", "deadlock detected"] {
            assert!(matches!(statement_failed(unknown(text), true), StorageError::Unavailable(_)), "{text}");
        }
        let bug = "column \"x\" does not exist";
        assert!(matches!(statement_failed(unknown(bug), true), StorageError::Unexpected(..)));
        assert!(matches!(statement_failed(unknown(bug), false), StorageError::Unavailable(_)));
        assert!(matches!(statement_failed(Error::NotFound, true), StorageError::Unexpected(..)));
    }
}
