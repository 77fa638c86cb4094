//! What sessions, profiles and people refuse, and why they cannot be answered.

use actix_web::http::StatusCode;
use cartwright_identity::{people::PeopleError, profiles::ProfileError, sessions::SessionError};
use cartwright_storage::StorageError;

use super::{Entry, bug, entry, fenced, overloaded, shutting_down, storage};

pub(super) fn sessions(error: &SessionError) -> Entry {
    match error {
        SessionError::Gone => entry(
            StatusCode::NOT_FOUND,
            "session_not_found",
            "No such session",
            "There is no such session, or not any more, or it is somebody else's. Begin another one.",
        ),
        SessionError::Conflict(session) => moved("session", session.version),
        // They may be on Redis, and the database well.
        SessionError::Storage(StorageError::Unavailable(_)) => entry(
            StatusCode::SERVICE_UNAVAILABLE,
            "sessions_unavailable",
            "Sessions unavailable",
            "Sessions cannot be reached at the moment. Whether this was done is not known; try again.",
        ),
        SessionError::Storage(error) => storage(error),
    }
}

pub(super) fn profiles(error: &ProfileError) -> Entry {
    match error {
        ProfileError::Conflict(profile) => moved("profile", profile.version),
        ProfileError::Overloaded => overloaded(),
        ProfileError::ShuttingDown => shutting_down(),
        ProfileError::Lost => bug(),
        ProfileError::Storage(error) => storage(error),
    }
}

pub(super) fn people(error: &PeopleError) -> Entry {
    match error {
        PeopleError::Sessions(error) => sessions(error),
        PeopleError::Fence => fenced(),
        PeopleError::Storage(error) => storage(error),
        PeopleError::ShuttingDown => shutting_down(),
        PeopleError::Lost => bug(),
    }
}

fn moved(what: &str, version: u64) -> Entry {
    entry(
        StatusCode::PRECONDITION_FAILED,
        "version_mismatch",
        "It moved on",
        format!("The {what} is at version {version}. Look at it and try again."),
    )
}
