//! What can go wrong while a server is brought up.

use std::path::PathBuf;
use std::time::Duration;

/// Why a test dependency could not be started.
///
/// Only constructors return it. Operations on a server that runs (pausing, stopping, creating a
/// database) panic instead: a test has nothing better to do with such a failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("{program} was not found; run crates/testkit/install-deps.sh, which installs what tests need")]
    Missing {
        /// The name of the program that was looked for.
        program: &'static str,
    },
    /// A program is installed, but too old.
    #[error("{program} {found} is too old, {wanted} or newer is needed")]
    TooOld {
        /// The name of the program.
        program: &'static str,
        /// The version it reports.
        found: String,
        /// The oldest version that works.
        wanted: &'static str,
    },
    /// The operating system refused a step.
    #[error("cannot {action}")]
    Io {
        /// What was attempted, as in "cannot …".
        action: String,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// The server ended before it was ready, or could not be prepared.
    #[error("{what} ended with {status} before it was ready; its log ends with:\n{log}")]
    Ended {
        /// Which server or command.
        what: String,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        log: String,
    },
    /// The server runs, but was not ready in time.
    #[error("{what} was not ready within {deadline:?}; its log ends with:\n{log}")]
    Timeout {
        /// Which server.
        what: String,
        /// How long was waited.
        deadline: Duration,
        /// The last lines it wrote.
        log: String,
    },
    /// Certificates could not be made.
    #[error("cannot generate certificates")]
    Certificates(#[from] rcgen::Error),
    /// There is no account to which PostgreSQL, which refuses to run as root, could be given.
    #[error("running as root, and there is neither a user `postgres` nor a user `nobody`")]
    NoUnprivilegedUser,
    /// Nothing accepts connections there, or it is not an address.
    #[error("{url} is not of the form tcp://host:port or http://host:port/path")]
    BadUrl {
        /// The text that was given.
        url: String,
    },
    /// Every folder for temporary files is closed to the user the server runs as.
    #[error("{0} and /tmp cannot be used for temporary folders")]
    NoTempFolder(PathBuf),
}

impl Error {
    /// Wraps an I/O error, for `map_err(Error::io("create the folder"))`.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// The error and its causes on one line, for panic messages.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
