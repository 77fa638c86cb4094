use std::path::PathBuf;

use cartwright_storage::StorageError;
use diesel::result::{ConnectionError, Error};

/// What can be wrong with a file, in words that say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("another Cartwright process uses {}; run one process on SQLite, or use PostgreSQL", .0.display())]
    InUse(PathBuf),
    #[error("{} cannot be used", path.display())]
    Inaccessible {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} cannot be opened as a SQLite database", path.display())]
    NotOpened {
        path: PathBuf,
        #[source]
        source: ConnectionError,
    },
    #[error("the disk is full: free some space, then try again")]
    Full(#[source] Error),
    #[error("the database file is locked by a tool from outside")]
    Busy(#[source] Error),
    #[error("the disk failed to read or to write")]
    Disk(#[source] Error),
}

pub(crate) fn unavailable(problem: Problem) -> StorageError {
    StorageError::Unavailable(Box::new(problem))
}

/// Sorts what SQLite says into what may pass and what may not.
///
/// diesel hands out SQLite's message, not its code; these messages are constants of its source (`sqlite3ErrStr`).
pub(crate) fn storage_error(error: Error) -> StorageError {
    let text = match &error {
        Error::DatabaseError(_, information) => information.message().to_owned(),
        Error::QueryBuilderError(_) | Error::DeserializationError(_) => String::new(),
        other => other.to_string(),
    };
    let found = |what: &str| text.contains(what);
    if found("disk is full") {
        return unavailable(Problem::Full(error));
    }
    if found("is locked") {
        return unavailable(Problem::Busy(error));
    }
    if found("disk I/O error") || found("unable to open database file") || found("locking protocol") {
        return unavailable(Problem::Disk(error));
    }
    let what = if found("readonly database") {
        "the database file may not be written to"
    } else if found("is malformed") || found("is not a database") {
        "the file is no SQLite database, or a damaged one"
    } else if found("no such table") || found("no such column") {
        "the database lacks a migration"
    } else {
        "a statement failed"
    };
    StorageError::Unexpected(what.to_owned(), Some(Box::new(error)))
}

/// A blocking task that did not come back: it panicked, or the runtime is shutting down.
pub(crate) fn lost_task(error: Error) -> StorageError {
    StorageError::Unavailable(Box::new(error))
}
